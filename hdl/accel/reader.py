# SPDX-License-Identifier: Apache-2.0
"""Rows of results as bytes: 32-bit sums, little end first, or one requantised byte per output."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.protocol import MAX_READ

from .ports import ReadArguments
from .requantize import Requantizer

SUM_BYTES = 4


class ResultReader(wiring.Component):
    """Reads results, column by column, and the table of the requantiser beside them.

    Parameters
    ----------
    config : AccelConfig

    Members
    -------
    start : In(1)
        High for one cycle when no rows are being read: `arguments` is taken.
    arguments : In(ReadArguments)
        Stable until the last byte.
    size : Out(16)
        How many bytes will come.
    available : In(rows)
        Rows that the run of `arguments` has left in the memory.
    illegal : Out(1)
        What `arguments` of a cycle ago ask for is more than a response holds, or than was available then.
    o : Out(stream of 8 bits)
    overflow : Out(1)
        High for one cycle: the byte just taken is of a value beyond 32 bits, and means nothing.
    o_row, i_row : streams to and from the result memory
    o_channel, i_channel : streams to and from the table; with `config.requantize`
    """

    block = "requantizer"

    def __init__(self, config: AccelConfig):
        self.config = config
        table = {
            "o_channel": Out(stream.Signature(range(2 * config.channels))),
            "i_channel": In(stream.Signature(8 * config.table_bytes)),
            "overflow": Out(1),
        }
        super().__init__(
            {
                "start": In(1),
                "arguments": In(ReadArguments),
                "size": Out(16),
                "available": In(range(config.result_rows + 1)),
                "illegal": Out(1),
                "o": Out(stream.Signature(8)),
                "o_row": Out(stream.Signature(range(2 * config.result_rows))),
                "i_row": In(stream.Signature(config.result_bits)),
            }
            | (table if config.requantize else {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, request = self.config, self.arguments
        cols, acc_width = config.array.cols, config.array.pe.acc_width
        requantized = request.flags.requantize if config.requantize else 0
        row, left, col, byte = Signal(16), Signal(16), Signal(range(cols)), Signal(range(SUM_BYTES))
        total = Signal(signed(32))
        done = Signal()
        size = (request.rows * cols) << Mux(requantized, 0, SUM_BYTES.bit_length() - 1)
        m.d.sync += self.illegal.eq((size > MAX_READ) | (request.first + request.rows > self.available))
        m.d.comb += [
            self.size.eq(size),
            self.o_row.payload.eq(Cat(row[: (config.result_rows - 1).bit_length()], request.run[0])),
        ]
        if config.requantize:
            go, scaled = self._requantize(m, total, col, done)
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.sync += [row.eq(request.first), left.eq(request.rows)]
                with m.If(self.start & (request.rows != 0)):
                    m.next = "row"
            with m.State("row"):
                m.d.comb += self.o_row.valid.eq(1)
                with m.If(self.o_row.ready):
                    m.next = "column"
            with m.State("column"):
                m.d.sync += total.eq(self.i_row.payload.word_select(col, acc_width).as_signed())
                with m.If(self.i_row.valid):
                    m.next = "bytes"
            with m.State("bytes"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(total[:8])]
                with m.If(requantized):
                    if config.requantize:
                        m.d.comb += [go.eq(1), self.o.valid.eq(scaled.valid), self.o.payload.eq(scaled.payload)]
                    m.d.comb += done.eq(self.o.valid & self.o.ready)
                with m.Elif(self.o.ready):
                    m.d.comb += done.eq(byte == SUM_BYTES - 1)
                    m.d.sync += [byte.eq(byte + 1), total.eq(total >> 8)]
                with m.If(done):
                    m.d.sync += col.eq(col + 1)
                    m.next = "column"
                    with m.If(col == cols - 1):
                        m.d.comb += self.i_row.ready.eq(1)
                        m.d.sync += [col.eq(0), row.eq(row + 1), left.eq(left - 1)]
                        m.next = "row"
                        with m.If(left == 1):
                            m.next = "idle"
        return m

    def _requantize(self, m: Module, total: Signal, col: Signal, done: Signal) -> tuple[Signal, Any]:
        """Per column: the channel from the table, then the sum through the requantiser.

        Returns what starts it, to be driven, and the stream of its result.
        """
        request = self.arguments
        m.submodules.requantizer = unit = Requantizer()
        go, asked, given = Signal(), Signal(), Signal()
        channel = (request.channel + col)[: (self.config.channels - 1).bit_length()]
        m.d.comb += [
            unit.double.eq(request.flags.double),
            unit.zero_point.eq(request.zero_point),
            unit.low.eq(request.low),
            unit.high.eq(request.high),
            self.o_channel.payload.eq(Cat(channel, request.run[0])),
            self.o_channel.valid.eq(go & ~asked),
            unit.i.payload.sum.eq(total),
            unit.i.payload.channel.eq(self.i_channel.payload),
            unit.i.valid.eq(self.i_channel.valid & ~given),
            self.i_channel.ready.eq(done),
            unit.o.ready.eq(go & self.o.ready),
        ]
        with m.If(self.o_channel.valid & self.o_channel.ready):
            m.d.sync += asked.eq(1)
        with m.If(unit.i.valid & unit.i.ready):
            m.d.sync += given.eq(1)
        with m.If(done & go):
            m.d.comb += self.overflow.eq(unit.overflow)
            m.d.sync += [asked.eq(0), given.eq(0)]
        return go, unit.o
