# SPDX-License-Identifier: Apache-2.0
"""Which numbers of a descriptor the post-processing computes with: what any other one means is refused."""

from amaranth.hdl import Cat, Value
from amaranth.lib import data

from sysmt.hdl.params.program import HALF

INT8 = (
    *("zero_point", "low", "high"),
    *("main_zero", "residual_zero", "add_zero_point", "add_low", "add_high"),
)
"""Fields that must be within int8."""
SHIFTS = {"main_shift": (-31, 0), "residual_shift": (-31, 0), "add_shift": (-31, 30)}


def is_half(layer: data.View, addend: str) -> Value:
    """Whether the scale of `addend`, "main" or "residual", is 1/2 as a layer's descriptor writes it."""
    return (layer[f"{addend}_multiplier"] == HALF) & (layer[f"{addend}_shift"] == 0)


def computable(layer: data.View) -> Value:
    """Whether zero points and limits are int8, and, where a residual is added, its scales are in their ranges."""
    scales = [~layer[f"{name}_multiplier"][31] for name in ("main", "residual", "add")]
    scales += [(layer[name] >= low) & (layer[name] <= high) for name, (low, high) in SHIFTS.items()]
    scales.append(is_half(layer, "main") | is_half(layer, "residual"))
    codes = [layer[name] == layer[name][:8].as_signed() for name in INT8]
    return Cat(codes).all() & (~layer.add | Cat(scales).all())
