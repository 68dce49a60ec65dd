# SPDX-License-Identifier: Apache-2.0
"""The controller: runs over resident operands, one after the other without a gap, results into memory."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.array.ports import ResultRow, TileDescriptor
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.protocol import RUN_WIDTH, Opcode

from .ports import Figures, argument_layouts


class Controller(wiring.Component):
    """Streams the tiles of a run through the array, and puts away their results.

    The halves of the memories that a run uses are named by the lowest bit of its number. While one run is under way
    another one can wait, and follows it without a gap; so the host fills one half while the array reads the other.
    Within a run the tiles go along a row of tiles first, every operand read as often as it is needed.

    Parameters
    ----------
    config : AccelConfig

    Members
    -------
    i_run : In(stream of the arguments of RUN)
        Taken when nothing waits. `steps` and the tile counts must be at least 1, and `steps` within `config.depth`. A
        run with more tiles than the memories hold ends behind the first of those that are too many.
    issued, finished : Out(16)
        Number of the last run that was taken, and of the last one whose results are complete.
    o_tile : Out(stream of TileDescriptor)
    o_x, o_w : Out(stream of addresses)
        To the array, and to the operand memories; a tile descriptor leaves with the first addresses of its tile.
        Queues must be behind all of them: `ready` of one acts on `valid` of the others.
    step : In(1)
        The array takes a step.
    resident : In(1)
        Operands are on their way between memory and array.
    i_rows : In(stream of ResultRow)
        From the array; always ready.
    write, address : Out(1), Out(address)
        Into the result memory.
    produced : Out(rows, one of each half)
        Rows that the last finished run of a half has left there; 0 where it had more tiles than the memories hold.
    figures : Out(Figures)

    Latency
    -------
    The first address leaves in the cycle after a run is taken by an idle controller.
    """

    block = "control"

    def __init__(self, config: AccelConfig):
        self.config = config
        self._arguments = argument_layouts(config.array.pe)[Opcode.RUN]
        super().__init__(
            {
                "i_run": In(stream.Signature(self._arguments)),
                "issued": Out(RUN_WIDTH),
                "finished": Out(RUN_WIDTH),
                "o_tile": Out(stream.Signature(TileDescriptor(config.array))),
                "o_x": Out(stream.Signature(range(2 * config.depth))),
                "o_w": Out(stream.Signature(range(2 * config.depth))),
                "step": In(1),
                "resident": In(1),
                "i_rows": In(stream.Signature(ResultRow(config.array))),
                "write": Out(1),
                "address": Out(range(2 * config.result_rows)),
                "produced": Out(data.ArrayLayout(range(config.result_rows + 1), 2)),
                "figures": Out(Figures),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        waiting, queued = Signal(self._arguments), Signal()
        run, feeding = Signal(self._arguments), Signal()
        ends = Signal()
        starts = Signal()
        m.d.comb += starts.eq(queued & (~feeding | ends))
        m.d.comb += self.i_run.ready.eq(~queued & ((self.issued - self.finished)[:RUN_WIDTH] <= 1))
        with m.If(starts):
            m.d.sync += [run.eq(waiting), feeding.eq(1), queued.eq(0)]
        with m.Elif(ends):
            m.d.sync += feeding.eq(0)
        with m.If(self.i_run.valid & self.i_run.ready):
            m.d.sync += [waiting.eq(self.i_run.payload), queued.eq(1), self.issued.eq(self.i_run.payload.run)]

        before, misfit = self._feed(m, run, feeding, starts, ends)
        self._collect(m, run, ends, before, misfit)
        self._measure(m, feeding)
        return m

    @property
    def _tiles(self) -> range:
        """Numbers of tiles of a run: those whose results fit, and the two behind them that one may have at most."""
        return range(self.config.result_rows // self.config.array.rows + 2)

    def _feed(self, m: Module, run: Signal, feeding: Signal, starts: Signal, ends: Signal) -> tuple[Signal, Value]:
        """Issue tiles and read their operands.

        Returns how many tiles of the run went before this one, and whether a word of the run, up to this step, is not
        in its memory. Then the run ends with this tile, or, when this is the tile's last step, with the next.
        """
        config = self.config
        address = range(config.depth)
        # An operand beyond the memory is one at the next power of two: the first one that is has no higher address.
        x_base, w_base, step = Signal(range(2 * config.depth)), Signal(range(2 * config.depth)), Signal(address)
        x_address, w_address = Signal.like(x_base), Signal.like(w_base)
        m_tile, n_tile, tiles = Signal(self._tiles), Signal(self._tiles), Signal(self._tiles)
        beyond, misfit = Signal(), Signal()
        last_m, last_n, last_step = m_tile == run.m_tiles - 1, n_tile == run.n_tiles - 1, step == run.steps - 1
        half = run.run[0]
        tile = self.o_tile
        # The descriptor goes with the first address of its tile: the queue behind it decides when there is room.
        free = Signal()
        moves = Signal()
        m.d.comb += [
            x_address.eq(x_base + step),
            w_address.eq(w_base + step),
            misfit.eq(beyond | x_address[-1] | w_address[-1] | (tiles >= self._tiles.stop - 2)),
            free.eq((step != 0) | tile.ready),
            self.o_x.payload.eq(Cat(x_address[:-1], half)),
            self.o_w.payload.eq(Cat(w_address[:-1], half)),
            self.o_x.valid.eq(feeding & free & self.o_w.ready),
            self.o_w.valid.eq(feeding & free & self.o_x.ready),
            tile.valid.eq(feeding & (step == 0) & self.o_x.ready & self.o_w.ready),
            moves.eq(feeding & free & self.o_x.ready & self.o_w.ready),
            ends.eq(moves & last_step & ((last_n & last_m) | beyond)),
            tile.payload.steps.eq(run.steps),
            tile.payload.threads.eq(run.threads),
            tile.payload.rows.eq(Mux(last_m, run.rows, config.array.rows)),
            tile.payload.cols.eq(Mux(last_n, run.cols, config.array.cols)),
        ]
        if config.array.pe.zero_width:
            m.d.comb += tile.payload.zero.eq(run.zero)
        with m.If(moves):
            m.d.sync += [step.eq(step + 1), beyond.eq(misfit)]
            with m.If(last_step):
                m.d.sync += [step.eq(0), tiles.eq(tiles + 1), n_tile.eq(n_tile + 1)]
                m.d.sync += w_base.eq((w_base + run.steps)[: len(w_base)])
                with m.If(last_n):
                    m.d.sync += [n_tile.eq(0), w_base.eq(0), m_tile.eq(m_tile + 1)]
                    m.d.sync += x_base.eq((x_base + run.steps)[: len(x_base)])
        with m.If(ends | starts):
            m.d.sync += [step.eq(0), tiles.eq(0), n_tile.eq(0), m_tile.eq(0), x_base.eq(0), w_base.eq(0)]
            m.d.sync += beyond.eq(0)
        return tiles, misfit

    def _collect(self, m: Module, run: Signal, ends: Signal, before: Signal, misfit: Value) -> None:
        """Write rows of results; a run is finished when all its tiles have been issued and have come back."""
        # Of the two runs that can be unfinished each has its own half.
        expected = [Signal(self._tiles, name=f"expected_{half}") for half in range(2)]
        known = [Signal(name=f"known_{half}") for half in range(2)]
        fits = [Signal(name=f"fits_{half}") for half in range(2)]
        row, done = Signal(range(self.config.result_rows)), Signal(self._tiles)
        half = ~self.finished[0]
        complete, of_run = Signal(), Signal()
        in_half = [known[i] & (expected[i] == done) for i in range(2)]
        m.d.comb += [
            self.i_rows.ready.eq(1),
            self.write.eq(self.i_rows.valid),
            self.address.eq(Cat(row, half)),
            of_run.eq(Mux(half, in_half[1], in_half[0])),
            complete.eq(self.i_rows.valid & self.i_rows.payload.last & of_run),
        ]
        with m.If(self.i_rows.valid):
            m.d.sync += [row.eq(row + 1), done.eq(done + self.i_rows.payload.last)]
        with m.If(complete):
            m.d.sync += [self.finished.eq(self.finished + 1), row.eq(0), done.eq(0)]
            with m.Switch(half):
                for i in range(2):
                    with m.Case(i):
                        m.d.sync += [known[i].eq(0), self.produced[i].eq(Mux(fits[i], row + 1, 0))]
        for i in range(2):
            with m.If(ends & (run.run[0] == i)):
                m.d.sync += [known[i].eq(1), expected[i].eq(before), fits[i].eq(~misfit)]

    def _measure(self, m: Module, feeding: Signal) -> None:
        begun, opened = Signal(), Signal()
        more = feeding | self.resident
        unfinished = self.issued != self.finished
        spans = Signal()
        m.d.comb += spans.eq(self.step | (begun & more))
        m.d.sync += begun.eq((begun | self.step) & more)
        m.d.sync += opened.eq((opened | self.step) & unfinished)
        figures = self.figures
        for counter, on in (
            (figures.steps, self.step),
            (figures.span, spans),
            (figures.cycles, self.step | (opened & unfinished)),
        ):
            with m.If(on):
                m.d.sync += counter.eq(counter + 1)
