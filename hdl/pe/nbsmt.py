# SPDX-License-Identifier: Apache-2.0
"""NB-SMT multipliers: 2 or 4 threads on one flexible multiplier (Shomron and Weiser, MICRO 2020, sections 3 and 4).

Two lanes multiply a 4-bit digit with an 8-bit operand each. A thread that has the multiplier to itself takes the high
digit of its narrow operand on its own lane and lends the other lane the low digit, so its product is exact. Threads
that collide take one lane each, with one digit. With 4 threads each lane is a pair of 4b x 4b multipliers, and three
or four colliding threads take one of them each.

            narrow: the operand on the 4-bit port (x; w for the W policies)      wide: the other one
    lane =  digit(narrow) * wide  << (4 if the digit is heavy)
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ..numeric import fits, high_nibble, low_nibble, squeeze, weigh
from ..sums import BitMatrix, add, multiply
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
            first, last = [Const(1, 1), Const(0, 1), Const(0, 1)], [quad, Const(0, 1), several]
        front = [self._pick(first, [v[t] for t in (0, 1, 2, 3)]) for v in (self.x, self.w)]
        back = [self._pick(last, [v[t] for t in (3, 2, 1, 0)]) for v in (self.x, self.w)]
        terms = [
            *self._lane(m, "front", several, quad, front, 1),
            *self._lane(m, "back", several, quad, back, 2),
        ]
        self._sum(m, terms)
        return m

    def _sum(self, m: Module, terms: list[tuple[Value, list[Value]]]) -> None:
        """As for all; a product is weighed and stopped in one choice, where two in a row would be twice the cells."""
        matrix = BitMatrix(m, self.config.product_width, "sum")
        for i, (product, (heavy, other)) in enumerate(terms):
            light, one, both = (Signal(name=f"{name}_{i}") for name in ("light", "one", "both"))
            m.d.comb += [
                light.eq(self.enable & ~heavy & ~other),
                one.eq(self.enable & (heavy ^ other)),
                both.eq(self.enable & heavy & other),
            ]
            matrix.add_shifted(product, [(light, 0), (one, 4), (both, 8)])
        m.d.comb += self.product.eq(matrix.reduce())

    @staticmethod
    def _pick(choose: list[Value], values: list[Value]) -> Value:
        """The first of four values whose choice is set, else the last: one and-or per bit."""
        a, b, c = choose
        picked = Const(0, 0)
        for on, value in zip([a, ~a & b, ~a & ~b & c, ~(a | b | c)], values, strict=True):
            picked = picked | Mux(on, value.as_unsigned(), 0)
        return picked

    def _lane(self, m: Module, name: str, several: Signal, quad: Signal, thread: list, helper: int):
        """One lane: 4b x 8b for the thread it was given; with `quad` 4b x 4b for it, and 4b x 4b for `helper`."""
        x = Signal.like(self.x[0], name=f"{name}_x")
        w = Signal.like(self.w[0], name=f"{name}_w")
        m.d.comb += [x.eq(thread[0]), w.eq(thread[1])]
        narrow, wide = self._roles(x, w)
        if name == "front":
            digit, heavy = self._squeeze(m, narrow, several, f"{name}_narrow")
        else:
            squeezed, heavy = self._squeeze(m, narrow, Const(1, 1), f"{name}_narrow")
            digit, heavy = Mux(several, squeezed, low_nibble(narrow)), several & heavy
        wide_high, wide_heavy = self._squeeze(m, wide, quad, f"{name}_wide")
        wide_low = low_nibble(wide)
        swapped = self._swapped(narrow, wide)
        if swapped is not None:
            swap = Signal(name=f"{name}_swap")
            m.d.comb += swap.eq(several & ~quad & swapped)
            digit, heavy = Mux(swap, wide[0:4].as_signed() if wide.shape().signed else wide[0:4], digit), heavy & ~swap
            wide_high = Mux(swap, high_nibble(narrow), wide_high)
            wide_low = Mux(swap, low_nibble(narrow), wide_low)
        help_narrow, help_wide = self._roles(self.x[helper], self.w[helper])
        # The helper is looked at with `quad` only.
        help_narrow, help_heavy = self._squeeze(m, help_narrow, Const(1, 1), f"help_{name}_narrow")
        help_wide, help_wide_heavy = self._squeeze(m, help_wide, Const(1, 1), f"help_{name}_wide")
        high = self._times(m, digit, wide_high, f"{name}_high")
        low = self._times(m, Mux(quad, help_narrow, digit), Mux(quad, help_wide, wide_low), f"{name}_low")
        return [(high, [heavy, wide_heavy]), (low, [Mux(quad, help_heavy, heavy), quad & help_wide_heavy])]
