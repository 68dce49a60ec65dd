# SPDX-License-Identifier: Apache-2.0
"""The systolic array: columns of PEs between skew and drain, with streams on all sides."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.delay_line import delay_line, shared_delay_line
from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.emit import shared
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import X_WIDTH
from sysmt.hdl.pe.centre import centres
from sysmt.hdl.pe.kind import gates_of
from sysmt.hdl.pe.ports import Control

from .column import Column, ColumnConfig
from .counters import EventCounters
from .edges import column_edge, row_edge
from .ports import CounterLayout, ResultRow, TileDescriptor, w_step, x_step
from .sequencer import Sequencer


class SystolicArray(wiring.Component):
    """Output-stationary matrix product, tile by tile: `sums[r][c]` = sum over steps and threads of x[r] * w[c].

    The skew is inside: a step is one aligned vector of activations and one of weights, a result is one aligned row.
    Row 0 sits at the bottom, next to the exit, so that rows leave in order.

              i_w  (skewed: column c waits c cycles; with clusters, c // cluster)
               |  |  |
        i_x -[PE-PE-PE]  row R-1      a column of drains moves down; column c waits C-1-c cycles
        skew -[PE-PE-PE]  ...
             -[PE-PE-PE]  row 0
               |  |  |
               o

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    i_tile : In(stream of TileDescriptor)
        What to compute; taken while the tile before it is running.
    i_x : In(stream of x_step)
    i_w : In(stream of w_step)
        Operands, `steps` transfers per tile. Both move together; either may stall.
    o : Out(stream of ResultRow)
        `rows` transfers per tile. A sink that is not ready freezes the array; nothing is lost. With
        `config.registered` a few rows move out first.
    refused : Out(1)
        A tile was refused (see `Sequencer`); high until reset.
    counters : Out(CounterLayout)
        When `config.counters`.

    Latency
    -------
    `ArrayConfig.latency` after the last step of a tile; tiles follow one another in `ArrayConfig.tile_cycles`.

    Limits
    ------
    Without `config.registered`, `o.ready` acts on `i_x.ready` and `i_w.ready` in the same cycle. With `fuse`, a 1-D
    convolution that has begun freezes the array until its operands come, results of the tile before included: they
    must not be waited for. Sums of an overflowing length are refused by `i_tile`, not saturated.

    Source: SySMT (MICRO 2020, section 4); with `fuse`, the row broadcast of FuSeConv (DATE 2021), whose taps reach all
    columns in the same cycle while activations take one cycle per column, so that no PE needs another
    register; drain and skew are ours.
    """

    block = "control"
    parts = {"queue_in": "drain", "queue_out": "drain"}

    def __init__(self, config: ArrayConfig):
        self.config = config
        ports = {
            "i_tile": In(stream.Signature(TileDescriptor(config))),
            "i_x": In(stream.Signature(x_step(config))),
            "i_w": In(stream.Signature(self.weights_in(config))),
            "o": Out(stream.Signature(ResultRow(config))),
            "refused": Out(1),
        }
        super().__init__(ports | ({"counters": Out(CounterLayout(config.pe))} if config.counters else {}))

    @staticmethod
    def weights_in(config: ArrayConfig) -> data.Layout:
        """One step of weights on `i_w`."""
        return w_step(config)

    @staticmethod
    def module_name(config: ArrayConfig) -> str:
        return "array"

    def elaborate(self, platform):
        m = Module()
        enable = self._enable = Signal()
        sequencer = shared(m, "sequencer", Sequencer, self.config, platform)
        wiring.connect(m, wiring.flipped(self.i_tile), sequencer.i_tile)
        frozen = sequencer.holds if self.config.fuse else None
        rows, moves, steps = self._exit(m)
        m.d.comb += [
            enable.eq(moves if frozen is None else moves & ~frozen),
            sequencer.enable.eq(steps if frozen is None else steps & ~frozen),
            sequencer.operands.eq(self.i_x.valid & self.i_w.valid),
            self.i_x.ready.eq(sequencer.step),
            self.i_w.ready.eq(sequencer.step),
            self.refused.eq(sequencer.refused),
        ]
        x, negative, w = self._operands(m, sequencer, platform)
        sums, leaves = self._grid(m, sequencer, enable, x, negative, w, platform)
        self._results(m, sums, leaves, enable, frozen, rows, platform)
        if self.config.counters:
            self._count(m, sequencer, x, w, platform)
        return m

    def _enter(self, m: Module, value: Value, name: str) -> Value:
        """What goes into the columns: at once, or through a register."""
        return delay_line(m, value, self._enable, f"enter_{name}", cycles=int(self.config.registered))

    def _exit(self, m: Module) -> tuple[wiring.PureInterface, Value, Value]:
        """The stream that takes the rows: `o`, or queues in front of it; what lets the columns and steps move.

        The last two are equal. With queues, they are registers: one may be placed in the midst of the array, the
        other one at the sequencer. What they say is a cycle old, so a row more can come, and has its place in the
        first queue.
        """
        if not self.config.registered:
            moves = ~self.o.valid | self.o.ready
            return self.o, moves, moves
        m.submodules.queue_in = first = SkidBuffer(ResultRow(self.config))
        m.submodules.queue_out = second = SkidBuffer(ResultRow(self.config))
        wiring.connect(m, first.o, second.i)
        wiring.connect(m, second.o, wiring.flipped(self.o))
        # One is the opposite of the other, or tools would make one register of the two.
        halted, moves = Signal(), Signal(init=1)
        m.d.sync += [halted.eq(~second.i.ready), moves.eq(second.i.ready)]
        return first.i, ~halted, moves

    def _operands(self, m: Module, sequencer: Sequencer, platform: object) -> tuple[Signal, list[Value], list[Value]]:
        """The operands of this step, activations zero where no step is taken or the thread does not run.

        Where tiles have a zero point, they are distances from it; the signs follow, row by row.
        """
        x = Signal(len(self.i_x.payload.as_value()))
        threads = sequencer.tile.threads
        runs = [self._runs(threads, t) for t in range(self.config.pe.threads)]
        runs = [run for run in runs for _ in range(self.config.pe.pairs_per_thread)]
        self._kept = kept = self._enter(m, Cat(sequencer.step & run for run in runs), "kept")
        entered = self._enter(m, self.i_x.payload.as_value(), "x")
        negative: list[Value] = []
        if self.config.pe.zero_width:
            zero = self._enter(m, sequencer.tile.zero, "zero")
            centred, negative = centres(m, self.config.pe, entered, zero, kept, platform)
            m.d.comb += x.eq(centred)
        else:
            mask = Cat(bit.replicate(X_WIDTH) for bit in kept).replicate(self.config.rows)
            m.d.comb += x.eq(entered & mask)
        return x, negative, [self._enter(m, w, f"w_{p}") for p, w in enumerate(self._weights())]

    def _weights(self) -> list[Value]:
        """The weights of every lane that come in."""
        w = self.i_w.payload.w if self.config.fuse else self.i_w.payload
        return [w[p] for p in range(self.config.w_lanes)]

    def _column_edge(self, m: Module, w: Value, column: int, platform: object) -> Value:
        """The weights of a column as its PEs get them."""
        return column_edge(m, self.config.pe, w, self._kept, column, platform)

    def _counted(self, w: list[Value]) -> Value:
        """The weights as the counters take them: `w_step`."""
        return Cat(w)

    def _runs(self, threads: Value, thread: int) -> Value | int:
        """Whether a tile on so many threads, as a power of two, runs on this one."""
        least, most = thread.bit_length(), self.config.pe.threads.bit_length() - 1
        if least <= 1:
            return threads != 0 if least else 1
        return threads == least if least == most else threads >= least

    def _grid(
        self,
        m: Module,
        sequencer: Sequencer,
        enable: Signal,
        x: Signal,
        negative: list[Value],
        w: list[Value],
        platform: object,
    ) -> tuple[list[Value], Value]:
        """Skewed operands through the columns. Returns the sum of every column, and the drain control at the exit."""
        config = self.config
        mode = Cat(sequencer.tile.threads != 0, sequencer.tile.threads == 2)[: config.pe.mode_width]
        mode = self._enter(m, mode, "mode")
        first = self._enter(m, sequencer.first, "first")
        shift = self._enter(m, sequencer.shift, "shift")
        full = (
            self._enter(m, sequencer.tile.threads == config.pe.threads.bit_length() - 1, "full")
            if gates_of(config.pe).edge(config.pe)
            else Const(0)
        )
        skewed_w = [
            shared_delay_line(
                m,
                self._column_edge(m, lane, p, platform),
                p // config.cluster,
                enable,
                "skew",
                f"w_{p}",
                platform,
            )
            for p, lane in enumerate(w)
        ]
        taps = self._taps(m, sequencer, enable, skewed_w) if config.fuse else []
        skewed_x, control = [], []
        for place in range(config.rows):
            row = config.rows - 1 - place
            if place and place % config.cluster == 0:
                first = delay_line(m, first, enable, f"skew_first_{row}")
                mode = delay_line(m, mode, enable, f"skew_mode_{row}", reset_less=True)
            own = x.word_select(row, len(x) // config.rows)
            lane = row_edge(m, config.pe, own, negative, full, row, platform)
            stages = place // config.cluster
            skewed_x.append(shared_delay_line(m, lane, stages, enable, "skew", f"x_{row}", platform))
            control += [first, shift[place], mode]
        passing_x, passing_control = Cat(skewed_x), Cat(control)
        sums = []
        for c in range(config.cols):
            column = shared(m, f"column_{c}", Column, ColumnConfig(config, c % config.cluster == 0), platform)
            m.d.comb += [
                column.enable.eq(enable),
                column.i_w.eq(skewed_w[c]),
                column.i_x.eq(passing_x),
                column.i_control.eq(passing_control),
            ]
            if config.fuse:
                m.d.comb += column.i_row.eq(Cat(taps))
            passing_x, passing_control = column.o_x, column.o_control
            sums.append(column.o_sum)
        at_exit = data.View(Control(config), passing_control[-Control(config).size :])
        return sums, at_exit.shift

    def _taps(self, m: Module, sequencer: Sequencer, enable: Signal, skewed_w: list[Value]) -> list[Value]:
        """The tap of every row, and zeros into the columns of `skewed_w` while they are part of a 1-D convolution.

        Place p takes its tap from the weight that waits p cycles anyway: the skew serves rows and columns. A tap is
        zero unless the step has one: columns whose tile has not ended yet listen to the wire, too.
        """
        fuse = self._enter(m, sequencer.tile.fuse, "fuse")
        listens = self._enter(m, sequencer.step & sequencer.tile.fuse & self.i_w.payload.tap, "listens")
        taps = []
        for place, w in enumerate(skewed_w):
            if place:
                fuse = delay_line(m, fuse, enable, f"skew_fuse_{place}", block="skew")
                listens = delay_line(m, listens, enable, f"skew_tap_{place}", block="skew")
            lane = Value.cast(w)
            if place < self.config.rows:
                tap = Mux(listens, lane, 0)
                taps.append(delay_line(m, tap, enable, f"skew_row_{place}", reset_less=True, block="skew"))
            skewed_w[place] = Mux(fuse, 0, lane)
        return taps

    def _results(
        self,
        m: Module,
        sums: list[Value],
        leaves: Value,
        enable: Signal,
        frozen: Value | None,
        rows: wiring.PureInterface,
        platform: object,
    ) -> None:
        """Align the columns; `leaves` says when the sum of the last one is a result; while `frozen` none is.

        A frozen array shows its row until it is taken; the queues take it when it moves.
        """
        config = self.config
        leaves = delay_line(m, leaves, enable, "leaves", cycles=config.pe.pipeline)
        left = Signal(range(config.rows), init=config.rows - 1)
        offers = enable if config.registered else 1 if frozen is None else ~frozen
        m.d.comb += [
            rows.valid.eq(leaves & offers),
            rows.payload.last.eq(left == 0),
        ]
        for c, total in enumerate(sums):
            waits = config.stages_across - 1 - c // config.cluster
            aligned = shared_delay_line(m, total, waits, enable, "align", str(c), platform)
            m.d.comb += rows.payload.sums[c].eq(aligned)
        with m.If(rows.valid & rows.ready):
            m.d.sync += left.eq(Mux(left == 0, config.rows - 1, left - 1))

    def _count(self, m: Module, sequencer: Sequencer, x: Signal, w: list[Value], platform: object) -> None:
        """The counters; what enters the array with a register of its own waits for one cycle less."""
        counters = shared(m, "counters", EventCounters, self.config, platform)
        whole = self.config.counting[0]
        rest = whole - self.config.registered

        def late(value: Value, name: str, cycles: int = whole) -> Value:
            return delay_line(m, value, Const(1), f"counted_{name}", cycles=cycles, block="counters")

        m.d.comb += [
            counters.step.eq(late(sequencer.step, "step")),
            Value.cast(counters.tile).eq(late(sequencer.tile, "tile")),
            counters.x.eq(late(x, "x", rest)),
            counters.w.eq(late(self._counted(w), "w", rest)),
            counters.stall_operands.eq(sequencer.waits_operands),
            counters.stall_drain.eq(sequencer.waits_drain),
            counters.stall_output.eq(self.o.valid & ~self.o.ready),
            self.counters.eq(counters.counters),
        ]
        if self.config.fuse:
            m.d.comb += [
                counters.begins.eq(late(sequencer.begins, "begins")),
                counters.tap.eq(late(self.i_w.payload.tap, "tap")),
            ]
