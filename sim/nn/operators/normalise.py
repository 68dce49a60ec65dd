# SPDX-License-Identifier: Apache-2.0
"""L2_NORMALIZATION and RSQRT of 8 bits, by gemmlowp's inverse square root.

Source of the arithmetic: TensorFlow Lite, kernels/internal/reference/integer_ops/l2normalization.h,
reference/l2normalization.h, kernels/elementwise.cc (RsqrtEvalQuantized).
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node
from sysmt.sim.nn.scales import LIMITS, VARIANT, eight_bits, int8, multiplier

from .arithmetic import table
from .fixed_point import inverse_square_root

OUTPUT_SHIFT = 7
"""The output's scale is 2**-7."""
ROOT_SHIFT = 20
"""Bits that an inverse square root is held with."""


def l2(graph: Graph, node: Node) -> Operation:
    """L2_NORMALIZATION along the last dimension."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    eight_bits(node.name, x, y)
    zero = sum(LIMITS[y.dtype]) // 2 + 1
    if x.dtype != y.dtype or x.shape != y.shape or not x.shape:
        raise UserError(f"{node.name} must write what it reads, not {x.dtype} {x.shape} to {y.dtype} {y.shape}")
    if float(y.scale[0]) != 2.0**-OUTPUT_SHIFT or y.z != zero:
        raise UserError(f"{node.name} must write with scale 1/128 and zero point {zero}, not {y.scale[0]} and {y.z}")
    if node.options["activation"] != "NONE":
        raise UserError(f"{node.name} must be without an activation, not {node.options['activation']}")

    before = OUTPUT_SHIFT if x.dtype == "uint8" else 0

    def run(v: np.ndarray) -> np.ndarray:
        v = v.astype(np.int64) - x.z
        m, shift = inverse_square_root((v * v).sum(axis=-1, keepdims=True))
        # Of uint8 the values are shifted, of int8 the multiplier: roundings differ.
        scaled = multiply(v << before, m, shift + OUTPUT_SHIFT - before, VARIANT)
        codes: np.ndarray = np.clip(scaled + y.z, *LIMITS[y.dtype])
        return codes.astype(y.dtype)

    return whole(run, (x,), y)


def inverse_root(graph: Graph, node: Node) -> Operation:
    """RSQRT of int8 that is never below 0."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    int8(node.name, x, y)
    if x.shape != y.shape:
        raise UserError(f"{node.name} must write the shape that it reads, not {x.shape} to {y.shape}")
    if x.z != -128:
        raise UserError(f"{node.name} must read values from 0 up, of zero point -128, not {x.z}; requantise the model")
    root = np.sqrt(float(x.scale[0])) * float(y.scale[0])
    m, shift = multiplier(float(np.float32(1.0 / root)))
    if shift - ROOT_SHIFT < -31:
        raise UserError(f"{node.name} must write a scale of at most 2**11 / sqrt({x.scale[0]}), not {y.scale[0]}")

    def run(v: np.ndarray) -> np.ndarray:
        v = v - x.z
        held = multiply(np.ones_like(v), *_plus(inverse_square_root(v), ROOT_SHIFT), VARIANT)
        codes: np.ndarray = np.clip(multiply(held, m, shift - ROOT_SHIFT, VARIANT) + y.z, -128, 127)
        return np.where(v == 0, 127, codes).astype(np.int8)

    return table(run, "int8")


def _plus(scale: tuple[np.ndarray, np.ndarray], bits: int) -> tuple[np.ndarray, np.ndarray]:
    m, shift = scale
    return m, shift + bits
