# SPDX-License-Identifier: Apache-2.0
"""The null cache: a TCAM of zero lines, the Address Merger behind it, and who has to leave."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.cache import CacheConfig, TCAMConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH

from .replacement import Replacement
from .tcam import TCAM, lowest, select


class NullCounters(data.StructLayout):
    """Counters of a null cache, `COUNTER_WIDTH` bits each.

    `inserts` zero lines entered; `merges[n]` joins into an entry of 2**n lines; `removals` lines that got a non-zero
    store; `splits` entries broken up for that; `evictions` entries dropped for want of room; `lost_lines` zero lines no
    longer covered because their entry was dropped or its pieces found no room; `covered_lines` lines covered now.
    """

    def __init__(self, line_bits: int):
        plain = ("inserts", "removals", "splits", "evictions", "lost_lines", "covered_lines")
        merges = {"merges": data.ArrayLayout(COUNTER_WIDTH, line_bits + 1)}
        super().__init__(dict.fromkeys(plain, COUNTER_WIDTH) | merges)


class State(enum.Enum):
    """What the null cache is doing beside answering lookups."""

    IDLE = 0
    VICTIM = 1
    MERGE = 2
    SPLIT = 3


class NullCache(wiring.Component):
    """Answers, in the same cycle, whether a line is known to be zero; takes lines in and gives them back.

    Entries never overlap. Two merge when their masks are equal and their values differ in one bit; the merger tries
    the newest entry against its neighbour in bit 0, 1, ..., one bit a cycle, and starts over after every merge. It has
    a search port of its own: lookups never wait for it, and what they answer does not depend on how far it has come,
    because a merge covers exactly what its parts covered. The merged entry is as young as the younger part (it stays
    in that entry's place), so that the order of use does not depend on the moment of the merge either.

    Parameters
    ----------
    config : CacheConfig
        With `config.null` for the TCAM and the policies.

    Members
    -------
    line : In(line_bits)
        Line that is looked up, inserted or removed.
    hit : Out(1)
        `line` is covered.
    touch : In(1)
        The lookup counts as a use of the entry. Not together with `insert` or `remove`.
    insert : In(1)
        Take `line`, which must not be covered, in. Hold, with `line`, until `done`; with `admit`, for one cycle: the
        line is in if `done` is there at once.
    remove : In(1)
        No longer cover `line`, which is covered. Hold, with `line`, until `done`.
    done : Out(1)
        Last cycle of an insertion or removal.
    lossy : Out(1)
        In this cycle zero lines other than `line` are given up: an eviction, a drop, or a split without room.
    counters : Out(NullCounters)
        See there.

    Latency
    -------
    Lookup: none. An insertion or removal first waits for the merger. Then an insertion takes one cycle, and
    `config.victim_cycles` more when the TCAM is full; a removal takes one, and one more for every piece that is left.
    With `admit` insertions take that one cycle or do not happen. A victim is then sought for `config.victim_cycles - 1`
    cycles, in which no use of an entry counts and a removal waits.
    """

    block = "null cache"
    parts = {"tcam": TCAM, "replacement": Replacement}

    def __init__(self, config: CacheConfig):
        self.config = config
        super().__init__(
            {
                "line": In(config.line_bits),
                "hit": Out(1),
                "touch": In(1),
                "insert": In(1),
                "remove": In(1),
                "done": Out(1),
                "lossy": Out(1),
                "counters": Out(NullCounters(config.line_bits)),
            }
        )
        # State, kept where proofs can speak about it.
        n, width = config.null_cache.entries, config.line_bits
        self.tcam = TCAM(TCAMConfig(entries=n, width=width, ports=2, latency=0))
        self.state = Signal(State)
        self.orders = [Signal(config.order_bits, name=f"order_{i}") for i in range(n)]
        self.slot, self.value, self.mask, self.bit = Signal(n), Signal(width), Signal(width), Signal(width)
        self.mask_order = Signal(config.order_bits)
        self.turned_away = Signal(range(max(2, config.null_cache.admit)))

    def elaborate(self, platform):
        m = Module()
        config, null = self.config, self.config.null
        n, width = null.entries, config.line_bits
        m.submodules.tcam = tcam = self.tcam
        m.submodules.replacement = replacement = Replacement(config)
        orders = self.orders
        masks = [tcam.masks[i] for i in range(n)]
        count = self.counters

        state = self.state
        covering, free, used = Signal(n), Signal(n), Signal(n)
        # The order of use stands still while a victim is sought; without `admit` nothing is looked up then anyway.
        touched = self.touch & (state != State.VICTIM) if null.admit else self.touch
        order = Signal(config.order_bits)
        m.d.comb += [
            tcam.key[0].eq(self.line),
            covering.eq(tcam.match[0]),
            self.hit.eq(tcam.hit[0]),
            free.eq(lowest(~tcam.valid)),
            order.eq(select(Mux(state == State.VICTIM, replacement.victim, covering), orders)),
            used.eq(covering & touched.replicate(n)),
            replacement.touch.eq(used),
        ]
        m.d.comb += [replacement.orders[i].eq(orders[i]) for i in range(n)]
        write_order = Signal(config.order_bits)
        for i in range(n):
            with m.If(tcam.write[i]):
                m.d.sync += orders[i].eq(write_order)

        # The newest entry, which the merger works on, and what is left of an entry that is being split.
        slot, value, mask, bit, mask_order = self.slot, self.value, self.mask, self.bit, self.mask_order
        partner = Signal(n)
        mergeable, survivor = Signal(), Signal(n)
        ages = [replacement.ages[i] for i in range(n)]
        younger = select(partner, ages) < select(slot, ages)
        m.d.comb += [
            tcam.key[1].eq(value ^ bit),
            partner.eq(tcam.match[1]),
            # Entries do not overlap: whoever covers the neighbour is the only candidate, and its mask decides.
            mergeable.eq(tcam.hit[1] & (select(partner, masks) == mask) & ~(mask & bit).any()),
            survivor.eq(Mux(Mux((used & (partner | slot)).any(), (used & partner).any(), younger), partner, slot)),
        ]
        top, rest, mirrored = Signal(width), Signal(width), Signal(width)
        m.d.comb += [
            mirrored.eq(lowest(Cat(reversed(mask)))),
            top.eq(Cat(reversed(mirrored))),
            rest.eq(mask & ~top),
        ]

        with m.Switch(state):
            with m.Case(State.IDLE):
                with m.If(self.insert & tcam.valid.all()):
                    if null.admit:
                        self._turn_away(m, replacement)
                    else:
                        m.d.comb += replacement.start.eq(1)
                        m.d.sync += state.eq(State.VICTIM)
                with m.Elif(self.insert):
                    m.d.comb += [
                        self.done.eq(1),
                        tcam.write.eq(free),
                        tcam.value.eq(self.line),
                        tcam.mask.eq(0),
                        replacement.touch.eq(free),
                    ]
                    m.d.sync += [
                        slot.eq(free),
                        value.eq(self.line),
                        mask.eq(0),
                        mask_order.eq(0),
                        bit.eq(1),
                        count.inserts.eq(count.inserts + 1),
                        count.covered_lines.eq(count.covered_lines + 1),
                        state.eq(State.MERGE),
                    ]
                if null.admit:
                    # Its entry may have left while the removal waited.
                    with m.Elif(self.remove & ~self.hit):
                        m.d.comb += self.done.eq(1)
                with m.Elif(self.remove):
                    lines = Signal(COUNTER_WIDTH)
                    m.d.comb += [lines.eq(1 << order), tcam.clear.eq(covering)]
                    m.d.sync += [
                        count.removals.eq(count.removals + 1),
                        count.covered_lines.eq(count.covered_lines - lines),
                    ]
                    if null.on_store == "drop":
                        m.d.comb += [self.done.eq(1), self.lossy.eq(order != 0)]
                        m.d.sync += count.lost_lines.eq(count.lost_lines + lines - 1)
                    else:
                        m.d.sync += [mask.eq(select(covering, masks)), mask_order.eq(order)]
                        with m.If(order == 0):
                            m.d.comb += self.done.eq(1)
                        with m.Else():
                            m.d.sync += [count.splits.eq(count.splits + 1), state.eq(State.SPLIT)]
            with m.Case(State.VICTIM), m.If(replacement.done):
                m.d.comb += [tcam.clear.eq(replacement.victim), self.lossy.eq(1)]
                m.d.sync += [
                    count.evictions.eq(count.evictions + 1),
                    count.covered_lines.eq(count.covered_lines - (1 << order)),
                    state.eq(State.IDLE),
                ]
            with m.Case(State.MERGE):
                m.d.sync += bit.eq(bit << 1)
                with m.If(mergeable):
                    m.d.comb += [
                        tcam.write.eq(survivor),
                        tcam.value.eq(value & ~bit),
                        tcam.mask.eq(mask | bit),
                        write_order.eq(mask_order + 1),
                        tcam.clear.eq(slot | partner),
                    ]
                    m.d.sync += [
                        slot.eq(survivor),
                        value.eq(tcam.value),
                        mask.eq(tcam.mask),
                        mask_order.eq(write_order),
                        bit.eq(1),
                        count.merges[write_order].eq(count.merges[write_order] + 1),
                    ]
                with m.Elif(bit[-1]):
                    m.d.sync += state.eq(State.IDLE)
            with m.Case(State.SPLIT):
                half = Signal(COUNTER_WIDTH)
                m.d.comb += [write_order.eq(mask_order - 1), half.eq(1 << write_order)]
                with m.If(tcam.valid.all()):
                    m.d.comb += [self.done.eq(1), self.lossy.eq(1)]
                    m.d.sync += [count.lost_lines.eq(count.lost_lines + (half << 1) - 1), state.eq(State.IDLE)]
                with m.Else():
                    m.d.comb += [
                        tcam.write.eq(free),
                        tcam.value.eq((self.line ^ top) & ~rest),
                        tcam.mask.eq(rest),
                        replacement.touch.eq(free),
                    ]
                    m.d.sync += [
                        mask.eq(rest),
                        mask_order.eq(write_order),
                        count.covered_lines.eq(count.covered_lines + half),
                    ]
                    with m.If(write_order == 0):
                        m.d.comb += self.done.eq(1)
                        m.d.sync += state.eq(State.IDLE)
        return m

    def _turn_away(self, m, replacement) -> None:
        """A line that finds no room does not enter; every `admit`-th of them makes room for a later one."""
        m.d.sync += self.turned_away.eq(self.turned_away + 1)
        with m.If(self.turned_away == self.config.null_cache.admit - 1):
            m.d.comb += replacement.start.eq(1)
            m.d.sync += [self.turned_away.eq(0), self.state.eq(State.VICTIM)]
