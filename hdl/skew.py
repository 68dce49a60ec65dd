# SPDX-License-Identifier: Apache-2.0
"""Delay lines that make a wavefront of a vector, or a vector of a wavefront."""

from amaranth.hdl import Cat, Module, Signal, Value


def delay(m: Module, value: Value, cycles: int, enable: Value, name: str, reset_less: bool = True) -> Value:
    """The bits of `value` as they were `cycles` enabled cycles ago; one register per line keeps the Verilog short."""
    value = Value.cast(value)
    if cycles == 0 or len(value) == 0:
        return value
    line = Signal(cycles * len(value), name=name, reset_less=reset_less)
    with m.If(enable):
        m.d.sync += line.eq(Cat(value, line)[: len(line)])
    return line[-len(value) :]
