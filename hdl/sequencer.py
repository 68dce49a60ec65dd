# SPDX-License-Identifier: Apache-2.0
"""The controller of the array: takes tiles, lets steps in, and times the drain.

Everything downstream of the operand ports moves one place per enabled cycle, so the controller alone decides: what it
sends beside a step reaches row p, column c exactly p + c cycles later.

    overlap   first ....... rows cycles ....... shift x rows      (the next `first` may coincide with the first shift)
    in_place  last step ... rows cycles ....... shift x rows      (the next `first` follows the first shift)

With `fuse`, the tap of a 1-D convolution reaches a whole row at once, but `first` still takes one cycle per column:
column c of a tile is exposed to taps of the next convolution until c cycles after the sums were handed over. A
convolution of the same width or wider fills its row for that long anyway; a narrower one waits for the difference.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import THREADS, ArrayConfig
from .ports import Tile


class Sequencer(wiring.Component):
    """Turns tiles into steps and drains.

    A tile whose `steps` is zero or could overflow the accumulator, whose thread count the array does not have, or
    whose extent is empty or larger than the array, is refused: `refused` goes high, nothing more is taken until
    reset, and the tiles before it are finished and delivered.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    enable : In(1)
        Low freezes the array.
    i_tile : In(stream of Tile)
    tile : Out(Tile)
        The tile whose steps are being taken.
    operands : In(1)
        Both operand streams have a step.
    step : Out(1)
        That step is taken in this cycle. Without it the array takes a step of zeros.
    first : Out(1)
        Goes with the step, or with the step of zeros.
    shift : Out(rows)
        Drain control of every row, unskewed.
    waits_operands, waits_drain : Out(1)
        Why no step is taken.
    refused : Out(1)
    begins : Out(1)
        With `fuse`: the step, if one is taken, is the first of its tile.
    holds : Out(1)
        With `fuse`: a 1-D convolution has begun and waits for operands. The array must freeze: a step of zeros would
        move the activations on, past the taps they belong to.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "enable": In(1),
                "i_tile": In(stream.Signature(Tile(config))),
                "tile": Out(Tile(config)),
                "operands": In(1),
                "step": Out(1),
                "first": Out(1),
                "shift": Out(config.rows),
                "waits_operands": Out(1),
                "waits_drain": Out(1),
                "refused": Out(1),
            }
            | ({"begins": Out(1), "holds": Out(1)} if config.fuse else {})
        )

    @staticmethod
    def module_name(config: ArrayConfig) -> str:
        return "sequencer"

    def elaborate(self, platform):
        m = Module()
        overlap = self.config.drain == "overlap"
        running, next_running = _state(m, "running")
        begun, next_begun = _state(m, "begun")
        # `clean`: the sums are zero, so a tile can begin without `first`.
        clean, next_clean = _state(m, "clean")
        busy, next_busy = _state(m, "busy")
        finishing = self._take_tiles(m, running, next_running, next_begun)

        # `pending`: the sums in the array are results that have not been handed to the drain.
        pending, due = Signal(), Signal()
        needs_first = ~begun & ~clean if overlap else ~begun
        # Known a cycle before: the step goes far, and much depends on it.
        opened = Signal()
        m.d.sync += opened.eq(next_running & ~(~next_begun & ~next_clean & next_busy))
        may_step: Value = opened
        if self.config.fuse:
            exposed = Signal(range(self.config.cols))
            may_step = opened & ~(~begun & self.tile.fuse & (exposed >= self.tile.cols))
            m.d.comb += [
                self.begins.eq(~begun),
                self.holds.eq(running & begun & self.tile.fuse & ~self.operands),
            ]
            self._cover(m, exposed, finishing, self.first if overlap else ~busy)
        waits = self.enable & may_step & ~self.operands
        if self.config.fuse:
            waits = waits | self.holds
        m.d.comb += [
            self.step.eq(self.enable & may_step & self.operands),
            self.waits_drain.eq(self.enable & running & ~may_step),
            self.waits_operands.eq(waits),
        ]
        if overlap:
            flush = Signal()
            m.d.comb += [
                flush.eq(self.enable & ~self.step & pending & ~busy),
                self.first.eq((self.step & needs_first) | flush),
                due.eq(self.first & pending),
            ]
            with m.If(self.step):
                m.d.comb += next_clean.eq(0)
            with m.Elif(flush):
                m.d.comb += next_clean.eq(1)
            with m.If(finishing):
                m.d.sync += pending.eq(1)
            with m.Elif(self.first):
                m.d.sync += pending.eq(0)
        else:
            m.d.comb += [self.first.eq(self.step & needs_first), due.eq(finishing)]
        self._time_drain(m, due, busy, next_busy)
        return m

    def _take_tiles(self, m: Module, running: Signal, next_running: Signal, next_begun: Signal) -> Signal:
        """Hold the current tile; start the next one while the last step of this one is taken, which is returned.

        The next one waits in a register, where it has been checked: neither the check nor what orders tiles is part
        of the way to the array. It is free again a cycle after it gave its tile away, except in an array of one row,
        where a tile may take a single cycle.
        """
        order = self.i_tile.payload
        waiting, full = Signal.like(self.tile), Signal()
        # Steps that are left but for two: the sign tells the last step.
        left = Signal(signed(len(order.steps) + 1))
        waiting_left = Signal.like(left)
        finishing, starts = Signal(), Signal()
        m.d.comb += [finishing.eq(self.step & (left < 0)), starts.eq(full & (~running | finishing))]
        with m.If(self.step):
            m.d.sync += left.eq(left - 1)
            m.d.comb += next_begun.eq(1)
        with m.If(finishing):
            m.d.comb += next_running.eq(0)
        with m.If(starts):
            m.d.comb += [next_running.eq(1), next_begun.eq(0)]
            m.d.sync += [left.eq(waiting_left), self.tile.eq(waiting), full.eq(0)]
        free = ~full | starts if self.config.rows == 1 else ~full
        m.d.comb += self.i_tile.ready.eq(free & ~self.refused)
        with m.If(self.i_tile.valid & self.i_tile.ready):
            with m.If(self._fine(m, order)):
                m.d.sync += [waiting.eq(order), waiting_left.eq(order.steps - 2), full.eq(1)]
            with m.Else():
                m.d.sync += self.refused.eq(1)
        return finishing

    def _fine(self, m: Module, order: data.View) -> Value:
        """Whether a tile can be run."""
        limits = Signal.like(order.steps)
        known = Signal()
        with m.Switch(order.threads):
            for i, threads in enumerate(t for t in THREADS if t <= self.config.pe.threads):
                with m.Case(i):
                    m.d.comb += [limits.eq(self.config.pe.k_max // threads), known.eq(1)]
        length = order.steps
        if self.config.fuse:
            length = Signal.like(order.steps)
            m.d.comb += length.eq(Mux(order.fuse, order.taps, order.steps))
        return Cat(
            known,
            length != 0,
            length <= limits,
            order.rows != 0,
            order.rows <= self.config.rows,
            order.cols != 0,
            order.cols <= self.config.cols,
            *([~order.fuse | (order.taps <= order.steps)] if self.config.fuse else []),
        ).all()

    def _cover(self, m: Module, exposed: Signal, finishing: Signal, handed_over: Value) -> None:
        """Count the columns of the tiles before that a tap could still reach: of all columns, or of a convolution's."""
        held = Signal()
        with m.If(finishing):
            m.d.sync += [held.eq(1), exposed.eq(Mux(self.tile.fuse, self.tile.cols, self.config.cols) - 1)]
        with m.Elif(self.enable & (~held | handed_over)):
            m.d.sync += [held.eq(0), exposed.eq(Mux(exposed == 0, 0, exposed - 1))]

    def _time_drain(self, m: Module, due: Signal, busy: Signal, next_busy: Signal) -> None:
        """`rows` cycles after `due`, shift: row p for p + 1 cycles. `busy`: too early for the next `due` or `first`."""
        rows = self.config.rows
        extra = int(self.config.drain == "in_place")
        wait = Signal(range(rows + 1))
        shifting = Signal(rows)
        start = due if rows == 1 else wait == 1 + extra
        m.d.comb += self.shift.eq(shifting)
        with m.If(self.enable):
            with m.If(due):
                m.d.sync += wait.eq(rows - 1 + extra)
                m.d.comb += next_busy.eq(rows - 1 + extra != 0)
            with m.Elif(busy):
                m.d.sync += wait.eq(wait - 1)
                m.d.comb += next_busy.eq(wait != 1)
            m.d.sync += shifting.eq(Mux(start, (1 << rows) - 1, shifting << 1))


def _state(m: Module, name: str) -> tuple[Signal, Signal]:
    """A register, and what it becomes: the same unless it is told otherwise."""
    now, following = Signal(name=name), Signal(name=f"next_{name}")
    m.d.comb += following.eq(now)
    m.d.sync += now.eq(following)
    return now, following
