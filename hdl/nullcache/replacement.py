# SPDX-License-Identifier: Apache-2.0
"""Order of use of the null entries, and the search for the one that must go."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.cache import CacheConfig

from .tcam import select


def touched(m: Module, ages: list[Value], used: Value) -> list[Value]:
    """Ages (a permutation of 0..n-1, 0 the most recent) after the entry of the one-hot vector `used` was used."""
    age = Signal.like(ages[0], name="age_of_used")
    m.d.comb += age.eq(select(used, ages))
    return [Mux(used[i], 0, mine + (mine < age)) for i, mine in enumerate(ages)]


class Replacement(wiring.Component):
    """Ages of all entries, and a bit-serial search for the victim among entries that are all in use.

    The search walks over the bits of a sort key, the most significant first, and strikes out every candidate that has
    the worse bit as long as some other has the better one: `lru` looks at the bits of the age (oldest first), `cover`
    between the first and the second of them at the order (fewest lines first). That takes a gate or two a candidate
    instead of a tree of comparators; an insertion waits.

    Parameters
    ----------
    config : CacheConfig
        Entries, policy and the width of an order.

    Members
    -------
    touch : In(entries)
        The entry being used in this cycle (one bit, or none).
    ages : Out(age_bits) per entry
        Rank in the order of use, 0 the most recent.
    orders : In(order_bits) per entry
        Entry i covers `2**orders[i]` lines.
    start : In(1)
        Begin a search in the next cycle. Nothing may be touched until `done`.
    done : Out(1)
        Last cycle of the search.
    victim : Out(entries)
        With `done`: the entry to drop.

    Latency
    -------
    `done` comes `config.victim_cycles - 1` cycles after `start`.
    """

    block = "null cache"

    def __init__(self, config: CacheConfig):
        self.config = config
        n = config.null_cache.entries
        super().__init__(
            {
                "touch": In(n),
                "ages": Out(config.null_cache.age_bits).array(n),
                "orders": In(config.order_bits).array(n),
                "start": In(1),
                "done": Out(1),
                "victim": Out(n),
            }
        )

    def elaborate(self, platform):
        m = Module()
        null = self.config.null
        n = null.entries
        ages = [Signal(null.age_bits, name=f"age_{i}", init=i) for i in range(n)]
        m.d.comb += [self.ages[i].eq(ages[i]) for i in range(n)]
        with m.If(self.touch.any()):
            m.d.sync += [age.eq(new) for age, new in zip(ages, touched(m, ages, self.touch), strict=True)]
        # Per step, the bit that makes an entry worth keeping.
        young = [Cat(~age[b] for age in ages) for b in reversed(range(null.age_bits))]
        wide = [Cat(self.orders[i][b] for i in range(n)) for b in reversed(range(self.config.order_bits))]
        worth = [young[0], *wide, *young[1:]] if null.replacement == "cover" else young
        candidates = Signal(n)
        step = Signal(len(worth))
        keep = Signal(n)
        m.d.comb += keep.eq(select(step, worth))
        m.d.comb += self.victim.eq(candidates & ~keep)
        with m.If(~(candidates & ~keep).any()):
            m.d.comb += self.victim.eq(candidates)
        m.d.comb += self.done.eq(step[-1])
        m.d.sync += [candidates.eq(self.victim), step.eq(step << 1)]
        with m.If(self.start):
            m.d.sync += [candidates.eq(~0), step.eq(1)]
        return m
