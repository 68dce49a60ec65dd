# SPDX-License-Identifier: Apache-2.0
"""From real scales to the integers of the kernels: multipliers, clamps, and the variant of their rounding.

Source: TensorFlow Lite, kernels/kernel_util.cc. Where it computes in float32, so do these functions: the last bit of a
multiplier depends on it.
"""

from math import floor

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import quantize_multiplier

from .graph import RANGES, Tensor

VARIANT = "double"
"""How TFLite's reference kernels, as released, round (`sysmt.sim.golden.requantize`)."""
FULLY_CONNECTED_VARIANT = "single"
"""The exception among them, found by comparison with the interpreter."""

LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
"""The 8-bit types."""
EDGES = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1), "RELU_0_TO_1": (0, 1)}
"""Of activations that clamp: the real numbers at both ends."""


def multiplier(scale: float, variant: str = VARIANT) -> tuple[int, int]:
    """A real scale as 31-bit multiplier and shift."""
    return quantize_multiplier(float(scale), variant)


def multipliers(scales: np.ndarray, variant: str) -> tuple[np.ndarray, np.ndarray]:
    """Scales float64 [N] as multipliers int64 [N] and shifts int64 [N]."""
    pairs = np.array([multiplier(scale, variant) for scale in scales], np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def round_away(value: float) -> int:
    """Round to the nearest, ties away from zero, as C's `round`."""
    return floor(value + 0.5) if value >= 0 else -floor(-value + 0.5)


def clamp(activation: str, output: Tensor) -> tuple[int, int]:
    """The range that a fused activation leaves of the output's integers."""
    low, high = RANGES[output.dtype]
    if activation not in EDGES:
        raise UserError(f"tensor {output.name!r} must have an activation among {', '.join(EDGES)}, not {activation}")
    scale, z = output.per_tensor().scale[0], output.z
    least, most = EDGES[activation]
    if least is not None:
        low = max(low, z + round_away(float(np.float32(least) / scale)))
    if most is not None:
        high = min(high, z + round_away(float(np.float32(most) / scale)))
    return low, max(low, high)


def quantised(name: str, *tensors: Tensor) -> None:
    """Refuse tensors that are not int8, uint8 or int16, all of one type and with one scale each."""
    for tensor in tensors:
        if tensor.dtype not in ("int8", "uint8", "int16") or tensor.dtype != tensors[0].dtype:
            wanted = tensors[0].dtype if tensors[0].dtype in ("int8", "uint8", "int16") else "int8"
            raise UserError(f"{name}: tensor {tensor.name!r} must be {wanted}, not {tensor.dtype}; quantise the model")
        tensor.per_tensor()
        if tensor.dtype == "int16" and tensor.z:
            raise UserError(f"{name}: int16 tensor {tensor.name!r} must have the zero point 0, not {tensor.z}")


def eight_bits(name: str, *tensors: Tensor) -> None:
    """Refuse tensors that are not int8, or all uint8, with one scale."""
    if any(tensor.dtype != "uint8" for tensor in tensors):
        int8(name, *tensors)
    for tensor in tensors:
        tensor.per_tensor()


def int8(name: str, *tensors: Tensor) -> None:
    """Refuse tensors that are not int8 with one scale: the kernels here compute on nothing else."""
    for tensor in tensors:
        if tensor.dtype != "int8":
            raise UserError(f"{name}: tensor {tensor.name!r} must be int8, not {tensor.dtype}; quantise the model")
        tensor.per_tensor()
