# SPDX-License-Identifier: Apache-2.0
"""What the engine makes of sums: requantisation, clamp, and the addition of a residual."""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.program import PARAMETER
from sysmt.sim.golden.requantize import VARIANTS, multiply
from sysmt.sim.nn.operators.arithmetic import ADD_SHIFT

from .table import SumOverflowError


def rescaled(layer: dict[str, int], sums: np.ndarray, parameters: bytes, residual: np.ndarray | None) -> np.ndarray:
    """Bytes of activation memory from sums.

    Parameters
    ----------
    layer : dict
        The fields of its descriptor.
    sums : int64 [..., N]
    parameters : bytes
        Of N channels, one after the other.
    residual : uint8 [..., N] or None
        What is added, as it lies in memory.

    Returns
    -------
    uint8 [..., N]
    """
    channels = [PARAMETER.unpack(parameters[at:]) for at in range(0, len(parameters), PARAMETER.size)]
    bias, m, shift = (np.array([channel[name] for channel in channels], np.int64) for name in PARAMETER.fields)
    try:
        scaled = multiply(sums + bias, m, shift, VARIANTS[layer["double"]])
        values = np.clip(scaled + layer["zero_point"], layer["low"], layer["high"])
        if residual is not None:
            values = _added(layer, values, residual)
    except UserError as error:
        reason = str(error).partition(";")[0]
        raise SumOverflowError(f"keep its sums within 32 bits ({reason})") from None
    return (values & 0xFF).astype(np.uint8) ^ np.uint8(128)


def _added(layer: dict[str, int], main: np.ndarray, residual: np.ndarray) -> np.ndarray:
    variant = VARIANTS[layer["add_double"]]
    other = (residual ^ np.uint8(128)).view(np.int8).astype(np.int64)
    addends = (
        multiply((main - layer["main_zero"]) << ADD_SHIFT, layer["main_multiplier"], layer["main_shift"], variant),
        multiply(
            (other - layer["residual_zero"]) << ADD_SHIFT,
            layer["residual_multiplier"],
            layer["residual_shift"],
            variant,
        ),
    )
    total = multiply(addends[0] + addends[1], layer["add_multiplier"], layer["add_shift"], variant)
    values: np.ndarray = np.clip(total + layer["add_zero_point"], layer["add_low"], layer["add_high"])
    return values
