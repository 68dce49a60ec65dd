# SPDX-License-Identifier: Apache-2.0
"""The controller of the array: takes tiles, lets steps in, and times the drain.

Everything downstream of the operand ports moves one place per enabled cycle, so the controller alone decides: what it
sends beside a step reaches row p, column c exactly p + c cycles later.

    overlap   first ....... rows cycles ....... shift x rows      (the next `first` may coincide with the first shift)
    in_place  last step ... rows cycles ....... shift x rows      (the next `first` follows the first shift)

With clusters of PEs a step passes a cluster per cycle, so all sums are there, and move, that much earlier; the next
`first`, which catches up with them as fast, is sent no earlier.

With `fuse`, the tap of a 1-D convolution reaches a whole row at once, but the last step of the tile before takes one
cycle per column: column c is exposed to taps of the next convolution until c cycles after that step. A convolution of
the same width or wider fills its row for that long anyway; a narrower one waits for the difference. Later a tap does
no harm, though the sums may not have been handed over: behind the last step come zeros, and behind them `first`.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.array import ArrayConfig

from .ports import TileDescriptor


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
    i_tile : In(stream of TileDescriptor)
    tile : Out(TileDescriptor)
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

    block = "control"

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "enable": In(1),
                "i_tile": In(stream.Signature(TileDescriptor(config))),
                "tile": Out(TileDescriptor(config)),
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
        config, overlap = self.config, self.config.drain == "overlap"
        left = Signal(signed(len(self.tile.steps) + 1))
        full, starts, due = Signal(), Signal(), Signal()
        running, begun, busy = Signal(), Signal(), Signal()
        # `pending`: the sums in the array are results that have not been handed to the drain.
        # `clean`: the sums are zero, so a tile can begin without `first`.
        pending, clean = Signal(), Signal()
        # `opened`: a step may be taken, as far as it is known a cycle before.
        opened = Signal()
        may_step: Value = opened
        finishing = self.step & (left < 0)
        if config.fuse:
            exposed = Signal(range(config.cols))
            may_step = opened & ~(~begun & self.tile.fuse & (exposed >= self.tile.cols))
            m.d.comb += [
                self.begins.eq(~begun),
                self.holds.eq(running & begun & self.tile.fuse & ~self.operands),
            ]
            self._cover(m, exposed, finishing)
        waits = self.enable & may_step & ~self.operands
        m.d.comb += [
            self.step.eq(self.enable & may_step & self.operands),
            self.waits_drain.eq(self.enable & running & ~may_step),
            self.waits_operands.eq(waits | self.holds if config.fuse else waits),
        ]
        wait = self._time_drain(m, due, busy)

        def after(stepped: bool) -> dict[str, Value]:
            """What a cycle does that takes a step, or none; the step is known last and goes far, so it only chooses."""
            last = left < 0 if stepped else Const(0, 1)
            needs_first = ~begun & ~clean if overlap else ~begun
            flush = self.enable & pending & ~busy if overlap else Const(0, 1)
            first = needs_first if stepped else flush
            hands_over = first & pending if overlap else last
            next_starts = full & (~running | last)
            drains = Mux(hands_over, self._drain_wait != 0, busy & (wait != 1))
            found = {
                "first": first,
                "starts": next_starts,
                "due": hands_over,
                "running": next_starts | (running & ~last),
                "begun": ~next_starts if stepped else begun & ~next_starts,
                "clean": Const(0, 1) if stepped else clean | flush,
                "busy": drains if stepped else Mux(self.enable, drains, busy),
                "pending": last | (pending & ~first),
            }
            return found | {"opened": found["running"] & (found["begun"] | found["clean"] | ~found["busy"])}

        without, with_step = self._beside(m, "without", after(False)), self._beside(m, "with", after(True))
        found = {name: Mux(self.step, with_step[name], without[name]) for name in without}
        m.d.comb += [self.first.eq(found["first"]), starts.eq(found["starts"]), due.eq(found["due"])]
        registers = {"running": running, "begun": begun, "busy": busy, "opened": opened}
        for name, register in (registers | ({"clean": clean, "pending": pending} if overlap else {})).items():
            m.d.sync += register.eq(found[name])
        self._take_tiles(m, left, full, starts)
        return m

    def _beside(self, m: Module, case: str, values: dict[str, Value]) -> dict[str, Value]:
        """The values, with `config.registered` as wires that synthesis keeps: or it would put the choice first."""
        if not self.config.registered:
            return values
        wires = {name: Signal(name=f"{name}_{case}_step", attrs={"keep": 1}) for name in values}
        m.d.comb += [wires[name].eq(value) for name, value in values.items()]
        return wires

    def _take_tiles(self, m: Module, left: Signal, full: Signal, starts: Signal) -> None:
        """Hold the current tile and the next one, and count steps that are left but for two: the sign tells the last.

        The next one waits checked: neither the check nor what gives tiles is part of the way to the array. Its place
        is free again a cycle after it gave its tile away, except in an array of one row, where a tile may take a
        single cycle.
        """
        descriptor = self.i_tile.payload
        waiting, waiting_left = Signal.like(self.tile), Signal.like(left)
        with m.If(starts):
            m.d.sync += [left.eq(waiting_left), self.tile.eq(waiting), full.eq(0)]
        with m.Elif(self.step):
            m.d.sync += left.eq(left - 1)
        free = ~full | starts if self.config.rows == 1 else ~full
        m.d.comb += self.i_tile.ready.eq(free & ~self.refused)
        with m.If(self.i_tile.valid & self.i_tile.ready):
            with m.If(self._legal(m, descriptor)):
                m.d.sync += [waiting.eq(descriptor), waiting_left.eq(descriptor.steps - 2), full.eq(1)]
            with m.Else():
                m.d.sync += self.refused.eq(1)

    def _legal(self, m: Module, descriptor: data.View) -> Value:
        """Whether a tile can be run."""
        limits = Signal.like(descriptor.steps)
        known = Signal()
        with m.Switch(descriptor.threads):
            for i, threads in enumerate(self.config.pe.throttles):
                with m.Case(i):
                    m.d.comb += [limits.eq(self.config.pe.k_max // threads), known.eq(1)]
        length = descriptor.steps
        if self.config.fuse:
            length = Signal.like(descriptor.steps)
            m.d.comb += length.eq(Mux(descriptor.fuse, descriptor.taps, descriptor.steps))
        return Cat(
            known,
            length != 0,
            length <= limits,
            descriptor.rows != 0,
            descriptor.rows <= self.config.rows,
            descriptor.cols != 0,
            descriptor.cols <= self.config.cols,
            *([~descriptor.fuse | (descriptor.taps <= descriptor.steps)] if self.config.fuse else []),
        ).all()

    def _cover(self, m: Module, exposed: Signal, finishing: Value) -> None:
        """Count the columns that a tap could reach before the last step does: of all columns, or of a convolution's."""
        with m.If(finishing):
            m.d.sync += exposed.eq(Mux(self.tile.fuse, self.tile.cols, self.config.cols) - 1)
        with m.Elif(self.enable & (exposed != 0)):
            m.d.sync += exposed.eq(exposed - 1)

    @property
    def _drain_wait(self) -> int:
        """Cycles from `due` to the last one in which it is too early for the next."""
        return self.config.rows - 1 + (self.config.drain == "in_place")

    def _time_drain(self, m: Module, due: Signal, busy: Signal) -> Signal:
        """When the last row has its sum, `stages_down` cycles after `due`, shift: place p for p + 1 cycles.

        `busy`: too early for the next `due` or `first`.

        Returns for how long.
        """
        rows = self.config.rows
        wait = Signal(range(rows + 1))
        shifting = Signal(rows)
        stages = self.config.stages_down
        start = due if stages == 1 else wait == 2 + self._drain_wait - stages
        m.d.comb += self.shift.eq(shifting)
        with m.If(self.enable):
            with m.If(due):
                m.d.sync += wait.eq(self._drain_wait)
            with m.Elif(busy):
                m.d.sync += wait.eq(wait - 1)
            m.d.sync += shifting.eq(Mux(start, (1 << rows) - 1, shifting << 1))
        return wait
