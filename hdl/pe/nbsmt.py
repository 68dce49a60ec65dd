# SPDX-License-Identifier: Apache-2.0
"""NB-SMT multipliers: 2 or 4 threads on one flexible multiplier (Shomron and Weiser, MICRO 2020, sections 3 and 4).

Two lanes multiply a 4-bit nibble with an 8-bit operand each. A thread that has the multiplier to itself takes both, for
the high and the low nibble of its narrow operand, so its product is exact. Threads that collide take one lane each,
with one nibble. With 4 threads each lane is a pair of 4b x 4b multipliers, and three
or four colliding threads take one of them each.

            narrow: the operand on the 4-bit port (x; w for the W policies)      wide: the other one
    lane =  nibble(narrow) * wide  << (4 if it is the high nibble)
"""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from sysmt.hdl.common.adders import BitHeap, add, multiply
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig

from .multiplier import Multiplier
from .reduction import fits, high_nibble, low_nibble, rounded, squeeze, weigh


class _NbSmt(Multiplier):
    """What both flexible multipliers share: how one thread's operands go through one lane."""

    config: NbSmtConfig

    def _roles(self, x: Value, w: Value) -> tuple[Value, Value]:
        """(narrow, wide) of one thread."""
        return (w, x) if self.config.rules.reduced_operand == "w" else (x, w)

    def _squeeze(self, m: Module, operand: Value, on: Value, name: str) -> tuple[Signal, Signal]:
        return squeeze(m, operand, on, self.config.rules.checks_width, self.config.rounding, name)

    def _swapped(self, narrow: Value, wide: Value) -> Value | None:
        """Whether colliding operands change ports (Aw, aW): the narrow one does not fit and the wide one does."""
        if not self.config.rules.swaps:
            return None
        return ~fits(narrow) & fits(wide)

    def _active(self) -> list[Value]:
        return [self.x[t].any() & self.w[t].any() for t in range(self.config.threads)]

    def _times(self, m: Module, a: Value, b: Value, name: str) -> Value:
        return multiply(m, a, b, len(a) + len(b), self.config.target, name)

    def _sum(self, m: Module, terms: list[tuple[Value, list[Value]]]) -> None:
        """The sum of the products, each times 16 for every one of its nibbles that is a high one."""
        weighed = []
        for product, flags in terms:
            for is_high in flags:
                product = weigh(product, is_high)
            weighed.append(product)
        m.d.comb += self.product.eq(add(m, weighed, self.config.product_width, self.config.target, "sum"))


class NbSmt2(_NbSmt):
    """Two threads: two multipliers of 4b x 8b.

    Colliding, thread t takes lane t. Alone, a thread has its high nibble on lane 0 and its low one on lane 1, so that
    lane 0 rests while operands are narrow, whichever thread they belong to. A lane that rests has zeros on both of
    its ports: it does not toggle with the operands.
    """

    def elaborate(self, platform):
        m = Module()
        uses = self._active() if self.config.rules.detects_zeros else [1, self.mode[0]]
        use, alone = ([Signal(name=f"{name}_{t}") for t in range(2)] for name in ("use", "alone"))
        both = Signal()
        m.d.comb += [use[t].eq(uses[t]) for t in range(2)]
        m.d.comb += [alone[0].eq(use[0] & ~use[1]), alone[1].eq(use[1] & ~use[0]), both.eq(use[0] & use[1])]
        high, low = (self._lane(m, lane, use[lane], alone[1 - lane], both) for lane in range(2))
        self._sum(m, [low, high])
        return m

    def _lane(self, m: Module, lane: int, use: Signal, borrows: Signal, both: Signal) -> tuple:
        """Lane `lane`: a nibble of its own thread, or with `borrows` one of the other, which is alone."""
        (narrow, wide), (other_narrow, other_wide) = (self._roles(self.x[t], self.w[t]) for t in (lane, 1 - lane))
        is_low, is_high, swap, own, other = (
            Signal(name=f"{name}_{lane}") for name in ("light", "heavy", "swap", "own", "other")
        )
        small = fits(narrow) if self.config.rules.checks_width else Const(0, 1)
        squeezed = both & ~small & ~swap
        swapped = self._swapped(narrow, wide)
        if swapped is not None:
            m.d.comb += swap.eq(both & swapped)
        if lane == 0:
            empty, other_empty = (~high_nibble(v).any() for v in (narrow, other_narrow))
            m.d.comb += [
                is_low.eq(both & small),
                is_high.eq(use & ~Mux(both, small, empty) & ~swap),
                own.eq(use & (both | ~empty)),
                other.eq(borrows & ~other_empty),
            ]
        else:
            m.d.comb += [is_low.eq(use & (small | ~both)), is_high.eq(squeezed), own.eq(use), other.eq(borrows)]
        low = low_nibble(narrow)
        if narrow.shape().signed:
            low = Cat(low, low[3] & both).as_signed()
        nibbles = [
            (is_low, low),
            (is_high, rounded(narrow, squeezed, self.config.rounding)),
            (other, low_nibble(other_narrow) if lane else high_nibble(other_narrow)),
        ]
        wides = [(own & ~swap, wide), (other, other_wide)]
        if swapped is not None:
            nibbles.append((swap, wide[0:4].as_signed() if wide.shape().signed else wide[0:4]))
            wides.append((swap, narrow))
        # `enable` is the last to arrive.
        nibble, operand = Mux(self.enable, self._one_of(nibbles), 0), self._one_of(wides)
        if lane:
            return self._times(m, nibble, operand, f"m{lane}"), [is_high]
        # The other way round the high bits of the nibble, which are seldom set, pass the most adders.
        return self._times(m, operand, nibble, f"m{lane}"), [~(is_low | swap)]

    @staticmethod
    def _one_of(choices: list[tuple[Value, Value]]) -> Value:
        """The value whose choice is on, zero where none is: one and-or per bit."""
        return reduce(or_, (Mux(on, value, 0) for on, value in choices))


class NbSmt4(_NbSmt):
    """Four threads: two lanes, each a pair of 4b x 4b multipliers that can also serve one thread each."""

    def elaborate(self, platform):
        m = Module()
        several, quad = Signal(), Signal()
        if self.config.rules.detects_zeros:
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
        matrix = BitHeap(m, self.config.product_width, "sum")
        for i, (product, (is_high, other)) in enumerate(terms):
            is_low, one, both = (Signal(name=f"{name}_{i}") for name in ("light", "one", "both"))
            m.d.comb += [
                is_low.eq(self.enable & ~is_high & ~other),
                one.eq(self.enable & (is_high ^ other)),
                both.eq(self.enable & is_high & other),
            ]
            matrix.add_shifted(product, [(is_low, 0), (one, 4), (both, 8)])
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
            nibble, is_high = self._squeeze(m, narrow, several, f"{name}_narrow")
        else:
            squeezed, is_high = self._squeeze(m, narrow, Const(1, 1), f"{name}_narrow")
            nibble, is_high = Mux(several, squeezed, low_nibble(narrow)), several & is_high
        wide_high, wide_is_high = self._squeeze(m, wide, quad, f"{name}_wide")
        wide_low = low_nibble(wide)
        swapped = self._swapped(narrow, wide)
        if swapped is not None:
            swap = Signal(name=f"{name}_swap")
            m.d.comb += swap.eq(several & ~quad & swapped)
            nibble, is_high = (
                Mux(swap, wide[0:4].as_signed() if wide.shape().signed else wide[0:4], nibble),
                is_high & ~swap,
            )
            wide_high = Mux(swap, high_nibble(narrow), wide_high)
            wide_low = Mux(swap, low_nibble(narrow), wide_low)
        help_narrow, help_wide = self._roles(self.x[helper], self.w[helper])
        # The helper is looked at with `quad` only.
        help_narrow, help_is_high = self._squeeze(m, help_narrow, Const(1, 1), f"help_{name}_narrow")
        help_wide, help_wide_is_high = self._squeeze(m, help_wide, Const(1, 1), f"help_{name}_wide")
        high = self._times(m, nibble, wide_high, f"{name}_high")
        low = self._times(m, Mux(quad, help_narrow, nibble), Mux(quad, help_wide, wide_low), f"{name}_low")
        return [(high, [is_high, wide_is_high]), (low, [Mux(quad, help_is_high, is_high), quad & help_wide_is_high])]
