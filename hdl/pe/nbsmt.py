# SPDX-License-Identifier: Apache-2.0
"""NB-SMT multipliers: 2 or 4 threads on one flexible multiplier (Shomron and Weiser, MICRO 2020, sections 3 and 4).

Two lanes multiply a 4-bit digit with an 8-bit operand each. A thread that has the multiplier to itself takes the high
digit of its narrow operand on its own lane and lends the other lane the low digit, so its product is exact. Threads
that collide take one lane each, with one digit. With 4 threads each lane is a pair of 4b x 4b multipliers, and three
or four colliding threads take one of them each.

            narrow: the operand on the 4-bit port (x; w for the W policies)      wide: the other one
    lane =  digit(narrow) * wide  << (4 if the digit is heavy)
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from ..numeric import fits, high_nibble, low_nibble, squeeze, weigh
from ..sums import add, multiply
from .multiplier import Multiplier


class _NbSmt(Multiplier):
    """What both flexible multipliers share: how one thread's operands go through one lane."""

    def _roles(self, x: Value, w: Value) -> tuple[Value, Value]:
        """(narrow, wide) of one thread."""
        return (w, x) if self.config.width_policy in ("W", "aW") else (x, w)

    @property
    def _checks_width(self) -> bool:
        return self.config.width_policy not in ("", "min")

    def _squeeze(self, m: Module, operand: Value, on: Value, name: str) -> tuple[Signal, Signal]:
        return squeeze(m, operand, on, self._checks_width, self.config.rounding, name)

    def _swapped(self, narrow: Value, wide: Value) -> Value | None:
        """Whether colliding operands change ports (Aw, aW): the narrow one does not fit and the wide one does."""
        if self.config.width_policy not in ("Aw", "aW"):
            return None
        return ~fits(narrow) & fits(wide)

    def _active(self) -> list[Value]:
        return [self.x[t].any() & self.w[t].any() for t in range(self.config.threads)]

    def _times(self, m: Module, a: Value, b: Value, name: str) -> Value:
        return multiply(m, a, b, len(a) + len(b), self.config.target, name)

    def _sum(self, m: Module, terms: list[tuple[Value, list[Value]]]) -> None:
        """The sum of the products, each times 16 for every one of its digits that is heavy."""
        weighed = []
        for product, flags in terms:
            for heavy in flags:
                product = weigh(product, heavy)
            weighed.append(product)
        m.d.comb += self.product.eq(add(m, weighed, self.config.product_width, self.config.target, "sum"))


class NbSmt2(_NbSmt):
    """Two threads: two multipliers of 4b x 8b."""

    def elaborate(self, platform):
        m = Module()
        uses = self._active() if self.config.detects_zeros else [1, self.mode[0]]
        use = [Signal(name=f"use_{t}") for t in range(2)]
        both = Signal()
        m.d.comb += [use[0].eq(uses[0]), use[1].eq(uses[1]), both.eq(use[0] & use[1])]
        threads = [self._roles(self.x[t], self.w[t]) for t in range(2)]
        self._sum(m, [self._lane(m, t, use[t], both, threads[t], threads[1 - t]) for t in range(2)])
        return m

    def _lane(self, m: Module, lane: int, own: Signal, both: Signal, mine: tuple, other: tuple) -> tuple:
        """The lane of thread `lane`: that thread's high or only digit, or the low digit of the other thread."""
        narrow, wide = mine
        digit, heavy = self._squeeze(m, narrow, both, f"lane_{lane}")
        swapped = self._swapped(narrow, wide)
        if swapped is not None:
            swap = Signal(name=f"swap_{lane}")
            m.d.comb += swap.eq(both & swapped)
            digit, heavy = Mux(swap, wide[0:4].as_signed() if wide.shape().signed else wide[0:4], digit), heavy & ~swap
            wide = Mux(swap, narrow, wide)
        digit = Mux(self.enable, Mux(own, digit, low_nibble(other[0])), 0)
        product = self._times(m, digit, Mux(own, wide, other[1]), f"m{lane}")
        return product, [own & heavy]


class NbSmt4(_NbSmt):
    """Four threads: two lanes, each a pair of 4b x 4b multipliers that can also serve one thread each."""

    def elaborate(self, platform):
        m = Module()
        several, quad = Signal(), Signal()
        if self.config.detects_zeros:
            active = Signal(4)
            m.d.comb += active.eq(Cat(self._active()))
            a, b, c, d = active
            m.d.comb += [
                several.eq((a & b) | (c & d) | ((a | b) & (c | d))),
                quad.eq((a & b & (c | d)) | (c & d & (a | b))),
            ]
            first = [a | quad, b, c]
            last = [d | quad, c, b]
        else:
            m.d.comb += [several.eq(self.mode[0]), quad.eq(self.mode[1])]
            first, last = [1, 0, 0], [quad, 0, several]
        front = [self._pick(first, [v[t] for t in (0, 1, 2, 3)]) for v in (self.x, self.w)]
        back = [self._pick(last, [v[t] for t in (3, 2, 1, 0)]) for v in (self.x, self.w)]
        terms = [
            *self._lane(m, "front", 1, several, quad, front, 1),
            *self._lane(m, "back", several, several, quad, back, 2),
        ]
        self._sum(m, terms)
        return m

    @staticmethod
    def _pick(choose: list[Value], values: list[Value]) -> Value:
        """The first of four values whose choice is set, else the last."""
        a, b, c, d = values
        return Mux(choose[0], a, Mux(choose[1], b, Mux(choose[2], c, d)))

    def _lane(self, m: Module, name: str, own: Value, several: Signal, quad: Signal, thread: list, helper: int):
        """One lane: 4b x 8b for the thread it was given; with `quad` 4b x 4b for it, and 4b x 4b for `helper`."""
        x = Signal.like(self.x[0], name=f"{name}_x")
        w = Signal.like(self.w[0], name=f"{name}_w")
        m.d.comb += [x.eq(thread[0]), w.eq(thread[1])]
        narrow, wide = self._roles(x, w)
        digit, heavy = self._squeeze(m, narrow, several, f"{name}_narrow")
        wide_high, wide_heavy = self._squeeze(m, wide, quad, f"{name}_wide")
        wide_low = low_nibble(wide)
        swapped = self._swapped(narrow, wide)
        if swapped is not None:
            swap = Signal(name=f"{name}_swap")
            m.d.comb += swap.eq(several & ~quad & swapped)
            digit, heavy = Mux(swap, wide[0:4].as_signed() if wide.shape().signed else wide[0:4], digit), heavy & ~swap
            wide_high = Mux(swap, high_nibble(narrow), wide_high)
            wide_low = Mux(swap, low_nibble(narrow), wide_low)
        if name == "back":
            digit, heavy = Mux(own, digit, low_nibble(narrow)), own & heavy
        on_x, on_w = self.x[helper], self.w[helper]
        help_narrow, help_heavy = self._squeeze(m, self._roles(on_x, on_w)[0], quad, f"help_{name}_narrow")
        help_wide, help_wide_heavy = self._squeeze(m, self._roles(on_x, on_w)[1], quad, f"help_{name}_wide")
        enable = self.enable
        high = self._times(m, Mux(enable, digit, 0), wide_high, f"{name}_high")
        low = self._times(
            m, Mux(enable, Mux(quad, help_narrow, digit), 0), Mux(quad, help_wide, wide_low), f"{name}_low"
        )
        return [
            (high, [heavy, wide_heavy]),
            (low, [Mux(quad, help_heavy, heavy), quad & help_wide_heavy]),
        ]
