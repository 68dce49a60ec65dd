# SPDX-License-Identifier: Apache-2.0
"""Stores on their way to memory: sent in order, acknowledged in order, each with its own error."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.bus.axi import AXI4, AXI_ERROR, AXI_INCR, axi_size
from sysmt.hdl.params.cache import WORD_BYTES, CacheConfig


def following(pointer: Signal, depth: int):
    """The next place of a ring of `depth`."""
    return Mux(pointer == depth - 1, 0, pointer + 1)


class WriteBuffer(wiring.Component):
    """A ring of stores. One may enter, be sent, be answered and be acknowledged in each cycle.

    A store keeps its place until it is acknowledged, so that a load of the same line can be held back. One that memory
    refused first has to be purged from the cache, which no longer holds what memory holds.

    Parameters
    ----------
    config : CacheConfig
        Depth, address width and line size.

    Members
    -------
    push : In(1)
        Take `addr`, `data`, `strobe`; only when not `full`.
    full : Out(1)
        No place is free.
    addr, data, strobe : In
        The store: a word address (byte address / 4), the word, its bytes.
    line : In(line_bits)
        Line asked about.
    conflict : Out(1)
        A store to `line` is not acknowledged yet.
    failed : Out(1)
        Memory refused the oldest store, of line `failed_line`.
    failed_line : Out(line_bits)
        See `failed`.
    purged : In(1)
        `failed_line` is in the cache no more: the store may be acknowledged.
    o : Out(stream of error)
        One item per store, in order: 1 when memory refused it.
    axi : Out(AXI4)
        Address, data and answer channels of writes; the others are left at 0.

    Latency
    -------
    A store is sent in the cycle after it entered and acknowledged in the cycle after memory answered.
    """

    block = "write buffer"

    def __init__(self, config: CacheConfig):
        self.config = config
        super().__init__(
            {
                "push": In(1),
                "full": Out(1),
                "addr": In(config.addr_width - 2),
                "data": In(8 * WORD_BYTES),
                "strobe": In(WORD_BYTES),
                "line": In(config.line_bits),
                "conflict": Out(1),
                "failed": Out(1),
                "failed_line": Out(config.line_bits),
                "purged": In(1),
                "o": Out(stream.Signature(data.StructLayout({"error": 1}))),
                "axi": Out(AXI4(config.addr_width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        depth, words_bits = config.write_buffer, config.offset_bits - 2
        layout = data.StructLayout({"addr": config.addr_width - 2, "data": 8 * WORD_BYTES, "strobe": WORD_BYTES})
        slots = Array(Signal(layout, name=f"slot_{i}") for i in range(depth))
        waiting, done, error = (
            Array(Signal(name=f"{what}_{i}") for i in range(depth)) for what in ("waiting", "done", "error")
        )
        unsent = Array(Signal(name=f"unsent_{i}") for i in range(depth))
        tail, next_sent, next_answer, head = (
            Signal(range(depth), name=name) for name in ("tail", "next_sent", "next_answer", "head")
        )
        addr_sent, data_sent, purged = Signal(), Signal(), Signal()

        lines = [slot.addr[words_bits:] for slot in slots]
        m.d.comb += [
            self.full.eq(waiting[tail]),
            self.conflict.eq(Cat(w & (at == self.line) for w, at in zip(waiting, lines, strict=True)).any()),
        ]
        with m.If(self.push):
            m.d.sync += [
                slots[tail].addr.eq(self.addr),
                slots[tail].data.eq(self.data),
                slots[tail].strobe.eq(self.strobe),
                waiting[tail].eq(1),
                unsent[tail].eq(1),
                tail.eq(following(tail, depth)),
            ]

        axi = self.axi
        m.d.comb += [
            axi.awaddr.eq(slots[next_sent].addr << 2),
            axi.awsize.eq(axi_size(8 * WORD_BYTES)),
            axi.awburst.eq(AXI_INCR),
            axi.wdata.eq(slots[next_sent].data),
            axi.wstrb.eq(slots[next_sent].strobe),
            axi.wlast.eq(1),
            axi.awvalid.eq(unsent[next_sent] & ~addr_sent),
            axi.wvalid.eq(unsent[next_sent] & ~data_sent),
            axi.bready.eq(1),
        ]
        with m.If((addr_sent | axi.awready) & (data_sent | axi.wready) & unsent[next_sent]):
            m.d.sync += [
                addr_sent.eq(0),
                data_sent.eq(0),
                unsent[next_sent].eq(0),
                next_sent.eq(following(next_sent, depth)),
            ]
        with m.Elif(unsent[next_sent]):
            m.d.sync += [addr_sent.eq(addr_sent | axi.awready), data_sent.eq(data_sent | axi.wready)]
        with m.If(axi.bvalid):
            m.d.sync += [
                done[next_answer].eq(1),
                error[next_answer].eq(axi.bresp[AXI_ERROR]),
                next_answer.eq(following(next_answer, depth)),
            ]

        m.d.comb += [
            self.failed.eq(done[head] & error[head] & ~purged),
            self.failed_line.eq(Array(lines)[head]),
            self.o.valid.eq(done[head] & (~error[head] | purged)),
            self.o.payload.error.eq(error[head]),
        ]
        with m.If(self.purged):
            m.d.sync += purged.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                waiting[head].eq(0),
                done[head].eq(0),
                purged.eq(0),
                head.eq(following(head, depth)),
            ]
        return m
