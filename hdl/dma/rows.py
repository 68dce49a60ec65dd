# SPDX-License-Identifier: Apache-2.0
"""Results of an accelerator as rows of a matrix in memory."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.accel.reader import SUM_BYTES, ResultReader
from sysmt.hdl.params.accel import AccelConfig

from .sender import Sender


class RowSender(Sender):
    """Sends the tiles of a run: each of their rows goes where it belongs in a matrix of rows `pitch` bytes apart.

    Sums are read from the result memory a row at a time, `data_width` bits a cycle; requantised values come from a
    `ResultReader`, which makes one after the other.

    Parameters
    ----------
    config : AccelConfig

    Members
    -------
    As of `Sender`, and
    available : In(rows)
        Rows that the run whose results are sent has left in the result memory.
    o_row, i_row : streams to and from the result memory
    o_channel, i_channel, overflow
        Of the `ResultReader`, with `config.requantize`.
    """

    parts = {"reader": ResultReader}

    def __init__(self, config: AccelConfig):
        table = {
            "o_channel": Out(stream.Signature(range(2 * config.channels))),
            "i_channel": In(stream.Signature(8 * config.table_bytes)),
            "overflow": Out(1),
        }
        super().__init__(
            config,
            {
                "available": In(range(config.result_rows + 1)),
                "o_row": Out(stream.Signature(range(2 * config.result_rows))),
                "i_row": In(stream.Signature(config.result_bits)),
            }
            | (table if config.requantize else {}),
        )

    def _datapath(self, m: Module, command: data.View) -> None:
        config = self.config
        cols, acc, size = config.array.cols, config.array.pe.acc_width, config.data_width // 8
        lane_bits = (size - 1).bit_length()
        self._row = Signal(range(2 * config.result_rows))
        self._address, self._tile_address = Signal(32), Signal(32)
        self._below = Signal(32)  # The first row under the tiles of this row of tiles.
        self._m_left, self._n_left = Signal(16), Signal(16)
        self._in_tile, self._rows = Signal(range(config.array.rows + 1)), Signal(range(config.array.rows + 1))
        self._channel = Signal(16)
        self._scaled = scaled = Signal()
        self._left = left = Signal(range(SUM_BYTES * cols + 1))  # Bytes of the row that are still to be sent.
        self._width = Signal.like(left)
        self._taken = Signal(range(cols + 1))
        self._shift = shift = Signal(max(cols * acc, config.data_width))
        last_m, last_n = self._m_left == 1, self._n_left == 1
        here = Signal(range(cols + 1))
        m.d.comb += [
            scaled.eq(command.requantize if config.requantize else 0),
            self._rows.eq(Mux(last_m, command.rows, config.array.rows)),
            here.eq(Mux(last_n, command.cols, cols)),
            self._width.eq(Mux(scaled, here, here << 2)),
            self.o_row.payload.eq(Cat(self._row[: (config.result_rows - 1).bit_length()], self.run[0])),
            self.o_request.payload.address.eq(Cat(C(0, lane_bits), self._address[lane_bits:])),
            self.o_request.payload.beats.eq((left + size - 1) >> lane_bits),
        ]
        # Rows of a tile that are narrower than a beat lie on some of its lanes.
        sums = [shift[i * acc : (i + 1) * acc].as_signed() for i in range(min(config.data_width // 32, cols))]
        words = Cat(Cat(total, total[-1].replicate(32 - acc)) for total in sums)
        values = shift[: 8 * min(cols, size)]
        beat = Mux(
            scaled,
            values.replicate(config.data_width // len(values)),
            words.replicate(config.data_width // len(words)),
        )
        lane = self._address[:lane_bits]
        mask = Cat(left > i for i in range(size))
        m.d.comb += [
            self.o_beats.payload.data.eq(beat),
            self.o_beats.payload.strb.eq((mask << lane)[:size]),
        ]
        self._last_n, self._last_m = last_n, last_m
        if config.requantize:
            self._scale(m, command)

    def _scale(self, m: Module, command: data.View) -> None:
        m.submodules.reader = self._reader = reader = ResultReader(self.config)
        arguments = reader.arguments
        connect(m, reader.o_channel, flipped(self.o_channel))
        connect(m, flipped(self.i_channel), reader.i_channel)
        m.d.comb += [
            arguments.run.eq(self.run),
            arguments.first.eq(self._row),
            arguments.rows.eq(1),
            arguments.channel.eq(self._channel),
            arguments.flags.requantize.eq(1),
            arguments.flags.double.eq(command.double),
            *(arguments[name].eq(command[name]) for name in ("zero_point", "low", "high")),
            self.overflow.eq(reader.overflow),
        ]
        with m.If(self._scaled):
            connect_row = [
                self.o_row.valid.eq(reader.o_row.valid),
                reader.o_row.ready.eq(self.o_row.ready),
                reader.i_row.valid.eq(self.i_row.valid),
                reader.i_row.payload.eq(self.i_row.payload),
                self.i_row.ready.eq(reader.i_row.ready),
            ]
            m.d.comb += connect_row

    def _states(self, m: Module, command: data.View) -> None:
        config = self.config
        cols, acc, size = config.array.cols, config.array.pe.acc_width, config.data_width // 8
        beat, shift = self.o_beats, self._shift
        with m.State("begin"):
            m.d.sync += [
                self._row.eq(0),
                self._address.eq(command.address),
                self._tile_address.eq(command.address),
                self._m_left.eq(command.m_tiles),
                self._n_left.eq(command.n_tiles),
                self._in_tile.eq(0),
                self._channel.eq(command.channel),
            ]
            m.next = "ask"
        with m.State("ask"):
            m.d.sync += [self._left.eq(self._width), self._taken.eq(0)]
            with m.If(self._row >= self.available):
                m.d.comb += self.refused.eq(1)
                m.next = "settle"
            with m.Elif(~self._scaled):
                m.d.comb += self.o_row.valid.eq(1)
                with m.If(self.o_row.ready):
                    m.next = "load"
            if config.requantize:
                with m.Else():
                    m.d.comb += self._reader.start.eq(1)
                    m.next = "scale"
        with m.State("load"):
            m.d.comb += self.i_row.ready.eq(1)
            m.d.sync += shift.eq(self.i_row.payload)
            with m.If(self.i_row.valid):
                m.next = "request"
        if config.requantize:
            with m.State("scale"):
                m.d.comb += self._reader.o.ready.eq(1)
                with m.If(self._reader.o.valid):
                    m.d.sync += [
                        shift[: 8 * cols].eq(Cat(shift[8 : 8 * cols], self._reader.o.payload)),
                        self._taken.eq(self._taken + 1),
                    ]
                    with m.If(self._taken == cols - 1):
                        m.next = "request"
        with m.State("request"):
            m.d.comb += self.o_request.valid.eq(1)
            with m.If(self.o_request.ready):
                m.next = "beats"
        with m.State("beats"):
            m.d.comb += beat.valid.eq(1)
            with m.If(beat.ready):
                m.d.sync += [
                    shift.eq(Mux(self._scaled, shift >> config.data_width, shift >> (config.data_width // 32 * acc))),
                    self._left.eq(self._left - size),
                ]
                with m.If(self._left <= size):
                    m.next = "next"
        with m.State("next"):
            m.d.sync += [
                self._row.eq(self._row + 1),
                self._in_tile.eq(self._in_tile + 1),
                self._address.eq(self._address + command.pitch),
            ]
            m.next = "ask"
            with m.If(self._in_tile + 1 == self._rows):
                m.next = "tile"
                with m.If(self._n_left == command.n_tiles):
                    m.d.sync += self._below.eq(self._address + command.pitch)
        with m.State("tile"):
            tile = Mux(self._scaled, cols, SUM_BYTES * cols)
            m.d.sync += [
                self._row.eq(self._row + (config.array.rows - self._rows)),
                self._in_tile.eq(0),
                self._n_left.eq(self._n_left - 1),
                self._channel.eq(self._channel + cols),
                self._tile_address.eq(self._tile_address + tile),
                self._address.eq(self._tile_address + tile),
            ]
            m.next = "ask"
            with m.If(self._last_n):
                m.d.sync += [
                    self._n_left.eq(command.n_tiles),
                    self._m_left.eq(self._m_left - 1),
                    self._channel.eq(command.channel),
                    self._address.eq(self._below),
                    self._tile_address.eq(self._below),
                ]
                with m.If(self._last_m):
                    m.next = "settle"
