# SPDX-License-Identifier: Apache-2.0
"""Delay lines that make a wavefront of a vector, or a vector of a wavefront."""

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import shared
from sysmt.hdl.params.blocks import owned_by

PURPOSES = {"skew": "skew", "align": "drain"}
"""What a shared line is for, as the names of its modules begin, and the block that it belongs to."""


@dataclass(frozen=True)
class DelayLineConfig:
    """A line for words of `width` bits, `cycles` long: a power of two; `kind` is one of `PURPOSES`."""

    kind: str
    width: int
    cycles: int


class DelayLine(wiring.Component):
    """`o` is `i` as it was `cycles` enabled cycles ago; without reset.

    A line is two lines of half its length, so that lines of any length share a handful of modules. Written out bit by
    bit, the lines of a large array would be most of its Verilog, and most of the time to emit it.

    Parameters
    ----------
    config : DelayLineConfig

    Members
    -------
    enable : In(1)
    i : In(width)
    o : Out(width)

    Latency
    -------
    `cycles` cycles in which `enable` is high.
    """

    def __init__(self, config: DelayLineConfig):
        self.config = config
        self.block = PURPOSES[config.kind]
        super().__init__({"enable": In(1), "i": In(config.width), "o": Out(config.width)})

    @staticmethod
    def module_name(config: DelayLineConfig) -> str:
        return f"{config.kind}_{config.width}_{config.cycles}"

    def elaborate(self, platform):
        m = Module()
        if self.config.cycles == 1:
            line = Signal(self.config.width, name=self.config.kind, reset_less=True)
            with m.If(self.enable):
                m.d.sync += line.eq(self.i)
        else:
            line = self.i
            for half in ("early", "late"):
                line = shared_delay_line(
                    m, line, self.config.cycles // 2, self.enable, self.config.kind, half, platform
                )
        m.d.comb += self.o.eq(line)
        return m


def shared_delay_line(
    m: Module, value: Value, cycles: int, enable: Value, kind: str, name: str, platform: object
) -> Value:
    """The bits of `value` as they were `cycles` enabled cycles ago, unknown before: shared lines, the longest first."""
    value = Value.cast(value)
    for bit in reversed(range(cycles.bit_length())):
        if cycles >> bit & 1 and len(value):
            part = shared(
                m, f"{kind}_{name}_{1 << bit}", DelayLine, DelayLineConfig(kind, len(value), 1 << bit), platform
            )
            m.d.comb += [part.i.eq(value), part.enable.eq(enable)]
            value = part.o
    return value


def delay_line(
    m: Module,
    value: Value,
    enable: Value,
    name: str,
    reset_less: bool = False,
    cycles: int = 1,
    block: str | None = None,
) -> Value:
    """The bits of `value` some enabled cycles ago: registers here, for control and for what is cut into stages.

    `block` is what they belong to (`sysmt.hdl.params.blocks`), by default that of the module.
    """
    value = Value.cast(value)
    for cycle in range(cycles):
        label = name if cycles == 1 else f"{name}_{cycle}"
        register = Signal(len(value), name=label, reset_less=reset_less, attrs=owned_by(block))
        with m.If(enable):
            m.d.sync += register.eq(value)
        value = register
    return value
