# SPDX-License-Identifier: Apache-2.0
"""Harness for a proof of the SDRAM controller: whatever it is asked, its commands keep the chip's rules."""

from amaranth.hdl import Array, Assert, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from sysmt.hdl.memory.ports import ALL_BANKS, SdramCommand
from sysmt.hdl.memory.sdram import Opener, SdramController, SdramState
from sysmt.hdl.params.sdram import BURST, INIT_REFRESHES, MODE_CYCLES, SdramConfig

from .formal_cache import constant


class SdramHarness(wiring.Component):
    """The controller with any bursts, any pauses of writer and reader, and any words on the data pins.

    Proved, by induction, for runs of any length, of one bank that the solver may choose: tRCD, tRP, tRAS, tRC, tRRD,
    tWR, tRFC and tMRD; reads and writes only in open rows, in the row of their address, activations and refreshes only
    of closed ones; no read that is asked for is cut off; both never drive the data pins, nor one right after the
    other; intervals between refreshes; words read always find room. The other assertions are what makes the step
    inductive.
    """

    def __init__(self, config: SdramConfig):
        self.config = config
        self.unit = SdramController(config)
        bits = len(Value.cast(self.unit.i.payload))
        super().__init__({"offers": In(1), "burst": In(bits), "gives": In(1), "takes": In(1), "word": In(1)})
        self.watched = Signal(config.chip.bank_bits)

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        constant(m, self.watched)
        m.d.comb += [
            unit.i.valid.eq(self.offers),
            Value.cast(unit.i.payload).eq(self.burst),
            unit.i_write.valid.eq(self.gives),
            unit.o_read.ready.eq(self.takes),
            unit.pins.dq_i.eq(self.word),
        ]
        self._rules(m)
        self._segments(m)
        self._queue(m)
        return m

    def _rules(self, m: Module) -> None:
        """What the pins show, against what they showed before; and the timers, which know it a cycle earlier."""
        config, pins, timers = self.config, self.unit.pins, self.unit.timers
        now = Cat(pins.ras_n, pins.cas_n, pins.we_n)

        def shows(name: str, command: SdramCommand, where: Value | int = 1) -> Signal:
            event = Signal(name=name)
            m.d.comb += event.eq((now == command.value) & where)
            return event

        mine = pins.ba == self.watched
        activates, any_activate = shows("act", SdramCommand.ACTIVATE, mine), shows("any_act", SdramCommand.ACTIVATE)
        reads, any_read = shows("read", SdramCommand.READ, mine), shows("any_read", SdramCommand.READ)
        writes, any_write = shows("write", SdramCommand.WRITE, mine), shows("any_write", SdramCommand.WRITE)
        precharges = shows("pre", SdramCommand.PRECHARGE, mine | (pins.a == ALL_BANKS))
        refreshes, mode = shows("ref", SdramCommand.REFRESH), shows("mode", SdramCommand.LOAD_MODE)
        idle = shows("idle", SdramCommand.NOP)

        def apart(before: Signal, clocks: int, then: Value, *holding: Signal) -> None:
            """`then` comes at least so many clocks after `before`, and the timer is held as long as it has to be."""
            past = before
            for k in range(clocks):
                if k:
                    earlier = Signal(name=f"{before.name}_{clocks}_{k}_{len(self._names)}")
                    self._names.append(earlier.name)
                    m.d.sync += earlier.eq(past)
                    past = earlier
                    m.d.comb += Assert(~(past & then))
                if k < clocks - 1:
                    m.d.comb += [Assert(~past | timer[: clocks - 1 - k].all()) for timer in holding]

        self._names: list[str] = []
        column, activate, precharge = (
            self._of_watched(m, kind) for kind in (timers.column, timers.activate, timers.precharge)
        )
        idles = refreshes | mode
        apart(activates, config.t_rcd, reads | writes, column)
        apart(activates, config.t_rc, activates | idles, activate)
        apart(precharges, config.t_rp, activates | idles, activate)
        apart(refreshes, config.t_rfc, activates | idles, activate)
        apart(mode, MODE_CYCLES, ~idle, activate)
        apart(activates, config.t_ras, precharges, precharge)
        apart(reads, BURST, precharges, precharge)
        apart(writes, config.t_wr, precharges, precharge)
        apart(any_activate, config.t_rrd, any_activate, timers.any_activate)
        apart(any_read, config.cas + BURST + 1, any_write, timers.turn)

        opened, row = Signal(), Signal(self.config.chip.row_bits)
        after = Mux(activates, 1, Mux(precharges, 0, opened))
        row_after = Mux(activates, pins.a, row)
        m.d.sync += [opened.eq(after), row.eq(row_after)]
        m.d.comb += [
            Assert(~(activates | idles) | ~opened),
            Assert(~(reads | writes) | opened),
            Assert(pins.dq_oe == any_write),
            Assert(after == self.unit.open[self.watched]),
            Assert(~after | (row_after == self.unit.rows[self.watched])),
        ]
        self._refreshes(m, refreshes, mode)

    def _of_watched(self, m: Module, timers: list[Signal]) -> Signal:
        timer = Signal.like(timers[0], name=f"watched_{len(timers[0])}_{timers[0].name}")
        m.d.comb += timer.eq(Array(timers)[self.watched])
        return timer

    def _refreshes(self, m: Module, refreshes: Signal, mode: Signal) -> None:
        """Clocks since the pins showed a refresh, and how many more it can take at most."""
        config, unit = self.config, self.unit
        before = Signal(range(2 * config.refresh_interval))
        since = Signal.like(before)
        m.d.comb += since.eq(Mux(refreshes, 0, before))
        m.d.sync += before.eq(Mux(since.all(), since, since + 1))
        initialises = (unit.state == SdramState.INITIALISE) & (unit.first != INIT_REFRESHES)
        runs, waits = unit.state == SdramState.RUN, unit.state == SdramState.REFRESH
        asleep = unit.state == SdramState.POWER_UP
        begun = initialises | runs | waits
        due = config.refresh_period - 1
        written = max(config.t_ras, config.t_wr, BURST)
        m.d.comb += [
            Assert(~(runs | waits) | (before <= config.refresh_interval)),
            Assert(~begun | (unit.left + Mux(since < due, since, due - 1) == due - 1)),
            Assert(~begun | (unit.due == (since >= due))),
            Assert(~initialises | (since < config.t_rfc)),
            Assert(~runs | (since <= due + written - 1)),
            Assert(~waits | (since <= due + config.refresh_delay - 1)),
            Assert(unit.first <= INIT_REFRESHES),
            Assert(~(runs | waits) | (unit.first == 0)),
            Assert(~mode | (runs & (since <= config.t_rfc) & ~Cat(*unit.open).any())),
            Assert(~mode | Cat(timer[: MODE_CYCLES - 1] for timer in unit.timers.activate).all()),
            Assert(~asleep | ((unit.first == INIT_REFRESHES) & ~Cat(*unit.timers.precharge).any())),
        ]
        for timers, phase, end in (
            (unit.timers.precharge, runs, due + written - 2),
            (unit.timers.activate, runs | waits, due + config.refresh_delay - 2),
            (unit.timers.activate, initialises, config.t_rfc - 2),
        ):
            m.d.comb += [Assert((timer & (timer + 1)) == 0) for timer in timers]
            for j in range(len(timers[0])):
                m.d.comb += Assert(~(phase & Cat(timer[j] for timer in timers).any()) | (since + j <= end))

    def _segments(self, m: Module) -> None:
        """Segments whose rows are open, and what the opener is about."""
        unit = self.unit
        rows, banks, bank, row = unit.rows, unit.open, unit.wanted_bank, unit.wanted_row
        upcoming, transfer = unit.upcoming, unit.transfer
        closed = unit.transfer_valid & ~unit.transfer_open
        for valid, is_open, segment in (
            (unit.transfer_valid, unit.transfer_open, transfer),
            (unit.upcoming_valid, unit.upcoming_open, upcoming),
        ):
            m.d.comb += Assert(~(valid & is_open) | (banks[segment.bank] & (rows[segment.bank] == segment.row)))
        works = unit.opener != Opener.CHOOSE
        for_upcoming = works & ~unit.for_transfer
        in_use = unit.transfer_valid & (transfer.bank == bank) & (transfer.row != row)
        m.d.comb += [
            Assert(~unit.upcoming_open | unit.upcoming_valid),
            Assert(~(closed & unit.upcoming_open)),
            Assert(~(works & unit.for_transfer) | (closed & (transfer.bank == bank) & (transfer.row == row))),
            Assert(~for_upcoming | (unit.upcoming_valid & ~unit.upcoming_open & ~closed & ~in_use)),
            Assert(~for_upcoming | ((upcoming.bank == bank) & (upcoming.row == row))),
            Assert((unit.opener != Opener.PRECHARGE) | (banks[bank] & (rows[bank] != row))),
            Assert((unit.opener != Opener.ACTIVATE) | ~banks[bank]),
            Assert((unit.state == SdramState.RUN) | ~Cat(*banks).any()),
            Assert((unit.state == SdramState.RUN) | ~(unit.transfer_valid & unit.transfer_open)),
            Assert((unit.state == SdramState.RUN) | ~unit.upcoming_open),
        ]

    def _queue(self, m: Module) -> None:
        """Every word under way has a place."""
        unit, queue = self.unit, self.unit.queue
        inside, under_way = Signal.like(queue.written), Signal(range(len(unit.expected) + 1))
        m.d.comb += [
            inside.eq(queue.written - queue.taken),
            under_way.eq(sum((bit for bit in unit.expected[1:]), start=unit.expected[0])),
            Assert(unit.expected[-1] == unit.second),
            Assert(unit.room + under_way + inside + queue.o.valid == self.config.queue),
        ]
