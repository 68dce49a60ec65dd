# SPDX-License-Identifier: Apache-2.0
"""The geometry of convolutions and poolings by TFLite's padding rules (kernels/padding.h), within bounds of memory."""

from typing import Any

from sysmt.base.errors import UserError
from sysmt.sim.nn.geometry import Geometry, Pair

LARGEST = 2**12
"""Largest kernel side, stride or dilation accepted."""
PADDED = 2**22
"""Most pixels of a padded input: bounds the memory."""


def window(name: str, size: Pair, kernel: Pair, options: dict[str, Any]) -> Geometry:
    """The geometry of an operator from its attributes `padding`, `stride_h`, `stride_w` and, if any, `dilation_*`."""
    stride, dilation = _pairs(options)
    for what, pair in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if not all(1 <= value <= LARGEST for value in pair):
            raise UserError(f"{name} must have a {what} from 1 to {LARGEST}, not {pair[0]}x{pair[1]}")
    padding = padding_of(size, kernel, options)
    for n, k, d, zeros in zip(size, kernel, dilation, padding, strict=True):
        reach = (k - 1) * d + 1
        if n + sum(zeros) < reach:
            raise UserError(f"{name} must have a window within its input, not one of {reach} over {n}")
    pixels = (size[0] + sum(padding[0])) * (size[1] + sum(padding[1]))
    if pixels > PADDED:
        raise UserError(f"{name} must have at most {PADDED} padded pixels, not {pixels}; reduce kernel or dilation")
    return Geometry(size=size, kernel=kernel, stride=stride, dilation=dilation, padding=padding)


def padding_of(size: Pair, kernel: Pair, options: dict[str, Any]) -> tuple[Pair, Pair]:
    """Zeros (top, bottom) and (left, right) of the attribute `padding`: "SAME", "VALID", or these numbers themselves.

    SAME pads so that the output has ceil(size / stride) pixels, the odd zero below and to the right; VALID not at all.
    """
    if not isinstance(options["padding"], str):
        down, across = options["padding"]
        return down, across
    sides = []
    for n, k, s, d in zip(size, kernel, *_pairs(options), strict=True):
        reach = (k - 1) * d + 1
        zeros = max(0, (-(-n // s) - 1) * s + reach - n) if options["padding"] == "SAME" else 0
        sides.append((zeros // 2, zeros - zeros // 2))
    return sides[0], sides[1]


def _pairs(options: dict[str, Any]) -> tuple[Pair, Pair]:
    """Stride and dilation."""
    return (options["stride_h"], options["stride_w"]), (options.get("dilation_h", 1), options.get("dilation_w", 1))
