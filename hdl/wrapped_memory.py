# SPDX-License-Identifier: Apache-2.0
"""A memory as a module of its own, which a macro of a foundry can stand in for."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Fragment, Module, Shape, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.base.errors import ConfigError

PREFIX = "memory_"
"""How the names of those modules begin."""


@dataclass(frozen=True)
class MemoryShape:
    """A memory of `depth` words of `width` bits, without initial contents.

    `writes` has, per port, the bits that each of its enables writes; `reads`, per port, None for one without a clock,
    or the write ports whose words it shows when both are at one address.
    """

    width: int
    depth: int
    writes: tuple[int, ...]
    reads: tuple[tuple[int, ...] | None, ...]
    attributes: tuple[tuple[str, int], ...] = ()


class WrappedMemory(wiring.Component):
    """The memory `shape` behind ports of plain bits.

    Parameters
    ----------
    shape : MemoryShape

    Members
    -------
    w0_addr, w0_data, w0_en : In
        Of every write port; a bit of `en` per part of the word.
    r0_addr, r0_en, r0_data : In, In(1), Out
        Of every read port; one without a clock has no `en`.

    Latency
    -------
    1 cycle; none at a read port without a clock.
    """

    def __init__(self, shape: MemoryShape):
        self.shape = shape
        address = max(shape.depth - 1, 0).bit_length()
        ports: dict[str, wiring.Member] = {}
        for i, part in enumerate(shape.writes):
            ports |= {f"w{i}_addr": In(address), f"w{i}_data": In(shape.width), f"w{i}_en": In(shape.width // part)}
        for i, shown in enumerate(shape.reads):
            ports |= {f"r{i}_addr": In(address), f"r{i}_data": Out(shape.width)}
            ports |= {} if shown is None else {f"r{i}_en": In(1)}
        super().__init__(ports)

    @staticmethod
    def module_name(shape: MemoryShape) -> str:
        """Of the words and their bits, and of the ports: `memory_256x32_w8_r` has four write enables."""
        writes = [f"w{'' if part == shape.width else part}" for part in shape.writes]
        reads = [
            "a" if shown is None else f"r{'s' + ''.join(map(str, shown)) if shown else ''}" for shown in shape.reads
        ]
        attributes = [f"{name.rpartition('.')[2]}{value}" for name, value in shape.attributes]
        return PREFIX + "_".join([f"{shape.depth}x{shape.width}", *writes, *reads, *attributes])

    def elaborate(self, platform: object) -> Any:
        m = Module()
        shape = self.shape
        memory = Memory(shape=shape.width, depth=shape.depth, init=[], attrs=dict(shape.attributes))
        writes = []
        for i, part in enumerate(shape.writes):
            port = memory.write_port(granularity=None if part == shape.width else part)
            writes.append(port)
            for name in ("addr", "data", "en"):
                m.d.comb += getattr(port, name).eq(getattr(self, f"w{i}_{name}"))
        for i, shown in enumerate(shape.reads):
            if shown is None:
                read = memory.read_port(domain="comb")
            else:
                read = memory.read_port(transparent_for=tuple(writes[n] for n in shown))
                m.d.comb += read.en.eq(getattr(self, f"r{i}_en"))
            m.d.comb += [read.addr.eq(getattr(self, f"r{i}_addr")), getattr(self, f"r{i}_data").eq(read.data)]
        m.submodules.memory = Fragment.get(memory, None)
        return m


def shape_of(memory: Memory) -> MemoryShape:
    """Of a memory that has its ports.

    Raises
    ------
    ConfigError
        It has initial contents, which a macro cannot have.
    """
    if any(Const.cast(Const(word, memory.shape)).value for word in memory.init):
        raise ConfigError("memories must be inline, not separate: one of this design has contents that no macro has")
    ports = list(memory.write_ports)
    width = Shape.cast(memory.shape).width
    return MemoryShape(
        width,
        memory.depth,
        tuple(width // len(port.en) for port in ports),
        tuple(
            None if port.domain == "comb" else tuple(ports.index(write) for write in port.transparent_for)
            for port in memory.read_ports
        ),
        tuple(sorted(memory.attrs.items())),
    )


def connected(memory: Memory, interface: Any) -> Module:
    """The ports of `memory`, at those of a `WrappedMemory`."""
    m = Module()
    for i, port in enumerate(memory.write_ports):
        for name in ("addr", "data", "en"):
            m.d.comb += getattr(interface, f"w{i}_{name}").eq(Value.cast(getattr(port, name)))
    for i, read in enumerate(memory.read_ports):
        m.d.comb += getattr(interface, f"r{i}_addr").eq(read.addr)
        m.d.comb += Value.cast(read.data).eq(getattr(interface, f"r{i}_data"))
        if read.domain != "comb":
            m.d.comb += getattr(interface, f"r{i}_en").eq(read.en)
    return m
