# SPDX-License-Identifier: Apache-2.0
"""LOGISTIC, TANH, ELU, EXP, LOG, GELU of 8 bits: tables of functions in single precision.

Source: TensorFlow Lite, kernels/activations.cc, kernels/elementwise.cc, kernels/gelu.cc, kernels/internal/common.h
(LUTPopulate).
"""

from collections.abc import Callable
from math import erfc

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation
from sysmt.sim.nn.graph import Graph, Node
from sysmt.sim.nn.scales import LIMITS, eight_bits, int8

from . import short_tables
from .arithmetic import table
from .elementwise import pair, round_away


def _single(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A function in single precision, correctly rounded; infinite where it is too large."""

    def run(v: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return function(v.astype(np.float64)).astype(np.float32)

    return run


def _logistic(v: np.ndarray) -> np.ndarray:
    one = np.float32(1)
    exponential = _single(np.exp)(np.minimum(-v, np.float32(88)))
    result: np.ndarray = one / (one + exponential)
    return result


def _elu(v: np.ndarray) -> np.ndarray:
    return np.where(v < 0, _single(np.expm1)(np.minimum(v, np.float32(0))), v)


def _logarithm(v: np.ndarray) -> np.ndarray:
    """Of what has none, a value below all codes."""
    return np.where(v > 0, _single(np.log)(np.where(v > 0, v, np.float32(1))), -np.float32(np.inf))


def _gelu(v: np.ndarray) -> np.ndarray:
    root = np.float32(-np.sqrt(0.5))
    tail = np.array([erfc(float(value)) for value in (v * root).ravel()], np.float32).reshape(v.shape)
    result: np.ndarray = np.float32(0.5) * v * tail
    return result


def _gelu_by_tanh(v: np.ndarray) -> np.ndarray:
    slope = np.float32(2 / np.sqrt(np.pi) * np.sqrt(0.5))
    inner = slope * (v + np.float32(0.044715) * v * v * v)
    result: np.ndarray = np.float32(0.5) * v * (np.float32(1) + _single(np.tanh)(inner))
    return result


TABULATED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "LOGISTIC": _logistic,
    "TANH": _single(np.tanh),
    "ELU": _elu,
    "EXP": _single(np.exp),
    "LOG": _logarithm,
    "GELU": _gelu,
}


def tabulated(graph: Graph, node: Node) -> Operation:
    """LOGISTIC, TANH, ELU, EXP, LOG, GELU of 8 bits, from the real function: float32 [256] to float32 [256]."""
    x, y = pair(graph, node)
    if x.dtype == "int16" and node.kind in ("LOGISTIC", "TANH"):
        return short_tables.squashed(graph, node)
    eight_bits(node.name, x, y)
    if node.kind not in ("LOGISTIC", "TANH"):
        int8(node.name, x)
    least = LIMITS[y.dtype][0]
    if node.kind == "LOGISTIC" and (float(y.scale[0]) != 1 / 256 or y.z != least):
        raise UserError(f"{node.name} must write with scale 1/256 and zero point {least}, not {y.scale[0]} and {y.z}")
    function = _gelu_by_tanh if node.options.get("approximate") else TABULATED[node.kind]

    def run(v: np.ndarray) -> np.ndarray:
        real = x.scale[0] * (v - x.z).astype(np.float32)
        with np.errstate(over="ignore"):
            scaled = (function(real) * (np.float32(1) / y.scale[0])).astype(np.float32)
        codes: np.ndarray = np.clip(round_away(np.clip(scaled, -(2**20), 2**20)) + y.z, *LIMITS[y.dtype])
        return codes.astype(y.dtype)

    return table(run, x.dtype)
