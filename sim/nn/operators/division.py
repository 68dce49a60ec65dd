# SPDX-License-Identifier: Apache-2.0
"""Quotients with broadcasting: DIV of quantised values, FLOOR_DIV and FLOOR_MOD of plain integers.

A divisor of zero, which the kernels refuse while they run, is refused when it comes.
Source of the arithmetic: TensorFlow Lite, kernels/{div,floor_div,floor_mod}.cc, kernels/internal/reference/div.h and
common.h (GetReciprocal).
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.rounding import shift_right
from sysmt.sim.nn.arrays import Operation
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.scales import clamp, eight_bits, multiplier

from .arithmetic import PLAIN, operands, spread
from .fixed_point import high_multiply, leading_zeros, reciprocal

DIGITS = 31
"""Integer bits of a divisor."""


def divide(graph: Graph, node: Node) -> Operation:
    """DIV of two tensors of 8 bits, by the reciprocal of the divisor."""
    a, b, y = operands(graph, node)
    eight_bits(node.name, a, b, y)
    check = _nonzero(node, b)
    low, high = clamp(node.options["activation"], y)
    # The kernel's own quotient of scales is one of float32.
    m, shift = multiplier(float(a.scale[0] / (b.scale[0] * y.scale[0])))

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        above, below = u.astype(np.int64) - a.z, check(v.astype(np.int64) - b.z)
        above, below = np.where(below < 0, -above, above), np.abs(below)
        inverse, places = reciprocal(below, DIGITS)
        # Leading bits that are as the sign, but for the sign itself.
        room = leading_zeros(np.where(above < 0, ~above, above)) - 1
        quotient = high_multiply(above << room, inverse)
        total = room + places - shift
        _within(node, total)
        codes: np.ndarray = np.clip(shift_right(high_multiply(quotient, m), total, "away") + y.z, low, high)
        return codes.astype(y.dtype)

    return spread(run, a, b, y)


def _within(node: Node, shift: np.ndarray) -> None:
    """Refuse shifts that the kernel's 32 bits do not have: what it then computes is not defined, of 0 neither."""
    if shift.min(initial=0) < 0 or shift.max(initial=0) > 31:
        raise UserError(
            f"{node.name} must have quotients that the reference kernel shifts by 0 to 31 bits, not {shift.min()} to "
            f"{shift.max()}; requantise its output"
        )


def _nonzero(node: Node, b: Tensor) -> Operation:
    """Refuse zeros: of a constant at once."""

    def check(values: np.ndarray) -> np.ndarray:
        if (values == 0).any():
            raise UserError(f"{node.name} must divide by no zero, as tensor {b.name!r} has one")
        return values

    if b.data is not None:
        check(b.constant().astype(np.int64) - (0 if b.dtype in PLAIN else b.z))
    return check


def floor(graph: Graph, node: Node) -> Operation:
    """FLOOR_DIV and FLOOR_MOD of plain integers, towards minus infinity."""
    a, b, y = operands(graph, node)
    if y.dtype not in PLAIN:
        raise UserError(f"{node.name} must be of plain integers, not {y.dtype}; quantise the model otherwise")
    check = _nonzero(node, b)
    function = np.floor_divide if node.kind == "FLOOR_DIV" else np.remainder
    return spread(lambda u, v: function(u, check(v)), a, b, y)
