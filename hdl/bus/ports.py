# SPDX-License-Identifier: Apache-2.0
"""What front ends have in common, whatever the bus: bursts of beats, a port to registers, flat port names."""

from typing import Any

from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .signature import BusSignature

ADDRESS_WIDTH = 32
"""Bits of a byte address on the bus."""
BEATS_WIDTH = 32
"""Bits of a number of beats."""

Burst = data.StructLayout({"address": unsigned(ADDRESS_WIDTH), "beats": unsigned(BEATS_WIDTH)})
"""Beats from an address on, a multiple of a beat's bytes; as many as it takes, at least one."""


def read_beat(data_width: int) -> data.StructLayout:
    """A beat that was read; `error`: the bus refused it."""
    return data.StructLayout({"data": unsigned(data_width), "error": unsigned(1)})


def write_beat(data_width: int) -> data.StructLayout:
    """A beat to be written, and which of its bytes are."""
    return data.StructLayout({"data": unsigned(data_width), "strb": unsigned(data_width // 8)})


class RegisterPort(wiring.Signature):
    """Registers of 32 bits, from the side of the bus.

    Members
    -------
    number : Out(10)
    write, data : Out(1), Out(32)
        High for one cycle: write `data` into the register `number`.
    writable : In(1)
        It can be written now.
    known, value : In(1), In(32)
        There is such a register, and what it holds: two cycles after its number, which stays until then.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "number": Out(10),
                "write": Out(1),
                "data": Out(32),
                "writable": In(1),
                "known": In(1),
                "value": In(32),
            }
        )


def device_clock(config: Any) -> dict[str, wiring.Member]:
    """The port of the clock of the device, where `config.bus_clock` gives the bus one of its own."""
    return {"core_clk": In(1)} if config.bus_clock else {}


def flat(prefix: str, signature: wiring.Signature) -> dict[str, wiring.Member]:
    """The members of a bus as ports of their own: `s_axi_awaddr`, which tools know a bus by."""
    return {f"{prefix}_{name}": member for name, member in signature.members.items()}


def joined(component: wiring.Component, prefix: str, bus: wiring.PureInterface, signature: BusSignature) -> list:
    """Statements that join the bus of a submodule with the ports that `flat` made of the same signature."""
    statements = []
    for name, member in signature.members.items():
        port, inner = getattr(component, f"{prefix}_{name}"), getattr(bus, name)
        statements.append(port.eq(inner) if member.flow == Out else inner.eq(port))
    return statements
