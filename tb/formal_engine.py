# SPDX-License-Identifier: Apache-2.0
"""Harnesses for proofs about the engine: addresses stay in their tensor, queues keep what they promised."""

from amaranth.hdl import Assert, Assume, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from sysmt.hdl.common.promised_queue import PromisedQueue
from sysmt.hdl.engine.addresses import AddressGenerator
from sysmt.hdl.engine.memory import CLIENTS, WAITING, ActivationMemory
from sysmt.hdl.params.engine import EngineConfig

from .formal_cache import constant

SMALL = ("in_height", "pad_top", "pad_left", "out_width")
"""Numbers of a layer that the solver chooses."""

ONE = (
    *("in_width", "in_words", "group_words", "groups", "kernel_h", "kernel_w", "stride_h", "stride_w"),
    *("dilation_h", "dilation_w", "last_rows", "m_tiles"),
)
"""Those that are 1 unless told otherwise: products of unknown numbers are too much for the solver."""


class AddressHarness(wiring.Component):
    """The address generator on a layer of small numbers, some of which the solver may choose, that starts at once.

    Only what a compiler derives from others is assumed to be derived rightly; sizes need not fit each other.
    Checked for so many cycles: a word that is inside the image is one of the tensor's, and no error is reported.

    Parameters
    ----------
    fixed : int
        Numbers of `ONE` that are others.
    """

    BITS = 2
    """Of the numbers."""

    def __init__(self, config: EngineConfig, **fixed: int):
        self.config, self.fixed = config, dict.fromkeys(ONE, 1) | fixed
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = AddressGenerator(self.config)
        layer, chosen = unit.layer, {}
        for name in SMALL:
            chosen[name] = value = Signal(self.BITS, name=f"chosen_{name}")
            constant(m, value)
            m.d.comb += layer[name].eq(value)
            if not name.startswith("pad"):
                m.d.comb += Assume(value != 0)
        m.d.comb += [layer[name].eq(value) for name, value in self.fixed.items()]
        chosen |= self.fixed
        base = Signal(range(self.config.activation_words))
        constant(m, base)
        row = self.fixed["in_width"] * self.fixed["in_words"]
        size = chosen["in_height"] * row
        m.d.comb += [
            layer.in_origin.eq(base - chosen["pad_top"] * row - chosen["pad_left"] * chosen["in_words"]),
            layer.tap_x.eq(chosen["dilation_w"] * chosen["in_words"]),
            layer.tap_y.eq(chosen["dilation_h"] * row),
            layer.pixel_x.eq(chosen["stride_w"] * chosen["in_words"]),
            layer.pixel_y.eq(chosen["stride_h"] * row),
            Assume(base + size <= self.config.activation_words),
        ]
        first, started = Signal(init=1), Signal()
        m.d.sync += [first.eq(0), started.eq(started | first)]
        m.d.comb += [unit.start.eq(first), unit.o.ready.eq(1)]
        read = unit.o.payload
        m.d.comb += [
            Assert(~unit.o.valid | read.outside | ((read.address >= base) & (read.address < base + size))),
            Assert(~unit.error),
            Assert(started | ~unit.o.valid),
        ]
        return m


class QueueHarness(wiring.Component):
    """A queue that promises room, under every use that keeps its rules: words come after their promises.

    Checked for so many cycles: no word is lost, none comes twice, and what is offered stays.
    """

    def __init__(self, width: int = 2, depth: int = 4):
        self.unit = PromisedQueue(width, depth)
        super().__init__({"promise": In(1), "write": In(1), "data": In(width), "ready": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        depth = unit.depth
        promised, stored = Signal(range(depth + 1)), Signal(range(depth + 1))
        taken = unit.o.valid & self.ready
        m.d.comb += [
            Assume(~ResetSignal()),
            unit.promise.eq(self.promise),
            unit.write.eq(self.write),
            unit.data.eq(self.data),
            unit.o.ready.eq(self.ready),
            Assume(~self.promise | unit.room),
            Assume(~self.write | (stored < promised + self.promise)),
        ]
        m.d.sync += [
            promised.eq(promised + self.promise - taken),
            stored.eq(stored + self.write - taken),
        ]
        stalled, offered = Signal(), Signal.like(self.data)
        m.d.sync += [stalled.eq(unit.o.valid & ~self.ready), offered.eq(unit.o.payload)]
        # The word that the solver watches: so many are before it.
        watching, before, word = Signal(), Signal(range(depth + 1)), Signal.like(self.data)
        chooses = Signal()
        constant(m, chooses)
        enters = chooses & ~watching & self.write
        m.d.sync += before.eq(Mux(enters, stored - taken, before - (watching & taken & (before != 0))))
        with m.If(enters):
            m.d.sync += [watching.eq(1), word.eq(self.data)]
        with m.Elif(watching & taken & (before == 0)):
            m.d.sync += watching.eq(0)
        m.d.comb += [
            Assert((stored <= promised) & (promised <= depth)),
            Assert(unit.room == (promised != depth)),
            Assert(unit.o.valid == (stored != 0)),
            Assert(~watching | (before < stored)),
            Assert(~watching | (before != 0) | (unit.o.payload == word)),
            Assert(~stalled | (unit.o.valid & (unit.o.payload == offered))),
        ]
        return m


class MemoryHarness(wiring.Component):
    """The activation memory, whatever its clients do.

    Checked for so many cycles: one client at most has the read port, one writer the write port, and
    a client gets as many words as it gave addresses, those that cannot wait a cycle after each.
    """

    def __init__(self, config: EngineConfig):
        self.unit = ActivationMemory(config)
        super().__init__(
            {f"{client}_{port}": In(1) for client in CLIENTS for port in ("asks", "takes")}
            | {"write": In(config.granules), "host_writes": In(1)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        m.d.comb += [Assume(~ResetSignal()), unit.write.eq(self.write), unit.i_host_write.valid.eq(self.host_writes)]
        reads = 0
        for client in CLIENTS:
            asks, gets = getattr(unit, f"i_{client}"), getattr(unit, f"o_{client}")
            m.d.comb += [
                asks.valid.eq(getattr(self, f"{client}_asks")),
                gets.ready.eq(getattr(self, f"{client}_takes")),
            ]
            reading, under_way = asks.valid & asks.ready, Signal(name=f"{client}_under_way")
            m.d.sync += under_way.eq(reading)
            reads += reading
            if client != WAITING or self.unit.config.stores_words:
                m.d.comb += Assert(gets.valid == under_way)
                continue
            # Addresses that have had no word yet: one is in the memory, the others' words are in the queue.
            owed = Signal(range(5), name=f"{client}_owed")
            m.d.sync += owed.eq(owed + reading - (gets.valid & gets.ready))
            m.d.comb += [
                Assert(owed <= 4),
                Assert(~asks.ready | (owed != 4)),
                Assert(gets.valid == (owed > under_way)),
            ]
        m.d.comb += [
            Assert(reads <= 1),
            Assert(~(unit.i_host_write.ready & self.write.any())),
            Assert(unit.i_host_write.ready | self.write.any()),
        ]
        return m
