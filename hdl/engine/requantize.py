# SPDX-License-Identifier: Apache-2.0
"""Requantisation of 32-bit sums to 8 bits, one every cycle.

Bit for bit `sysmt.sim.golden.requantize`.
"""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.accel.ports import Channel
from sysmt.hdl.common.delay_line import delay_line
from sysmt.hdl.params.engine import REQUANTIZER_LATENCY

from .ports import SUM_WIDTH
from .rounding_shift import RoundingShift

Later = Callable[..., Value]
"""A value, a name, and how many cycles later it is wanted, by default one."""
PART = 16
"""Bits of a factor of one product: what a DSP block of every supported FPGA multiplies."""
QUOTIENT = 8
"""Bits of the magnitude in front of the clamp: any larger one ends at the same limit, as int8 zero points are added."""


class RequantizerLane(wiring.Component):
    """`clamp(zero_point + multiply(sum + bias, multiplier, shift), low, high)`, as TFLite's int8 reference kernels.

    Both variants are one formula on the magnitude A of the product: `floor((A + R) / 2**(31 - shift))`, with
    R = 2**(30 - shift), for `double` and a shift to the right 2**30 more, and for negative values 1 less. A left shift
    needs no second rounding, since no bit is lost in front of it. The product of 32 x 32 bits (twice the multiplier,
    so that the half of the first rounding is the top of a part) is four of 16 x 16 bits, or two of 32 x 16 bits.

    Parameters
    ----------
    blocks : bool
        Products are those of the DSP blocks of an FPGA. Else there are two, in fewer and longer steps, and results wait
        the cycles that this leaves, for they are narrower than anything before.

    Members
    -------
    sum : In(signed(32))
    channel : In(Channel)
    double : In(1)
        The variant: 1 rounds twice (`double`), 0 once (`single`).
    zero_point, low, high : In(signed(8))
        All four must be stable while a value is inside.
    result : Out(signed(8))
    overflow : Out(1)
        Goes with `result`, which then means nothing: `sum + bias`, or with `double` that after its left shift, is not
        within 32 bits, or the multiplier is not within 31 bits, or the shift not within -31..30.

    Latency
    -------
    `LATENCY`; a value every cycle, it never stalls.

    Source: TensorFlow Lite, kernels/internal/common.cc; docs/numerics.md, "Requantisation".
    """

    block = "requantizer"

    LATENCY = REQUANTIZER_LATENCY

    def __init__(self, blocks: bool = True) -> None:
        self._blocks = blocks
        super().__init__(
            {
                "sum": In(signed(SUM_WIDTH)),
                "channel": In(Channel),
                "double": In(1),
                "zero_point": In(signed(8)),
                "low": In(signed(8)),
                "high": In(signed(8)),
                "result": Out(signed(8)),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        def later(value: Value, name: str, cycles: int = 1) -> Value:
            return delay_line(m, value, 1, name, reset_less=True, cycles=cycles)

        # Sum, then magnitude and sign: in cells in one cycle.
        value = Signal(signed(SUM_WIDTH + 1), reset_less=True)
        multiplier, shift = self.channel.multiplier, self.channel.shift
        if self._blocks:
            m.d.sync += value.eq(self.sum + self.channel.bias)
            multiplier, shift = later(multiplier, "multiplier"), later(shift, "shift")
        else:
            m.d.comb += value.eq(self.sum + self.channel.bias)
        magnitude, sign = Signal(SUM_WIDTH, reset_less=True), Signal(reset_less=True)
        outside = Signal(reset_less=True)
        legal = (shift[5:] == shift[7].replicate(3)) & (shift[:6] != 31) & (shift[:6] != 32) & ~multiplier[-1]
        m.d.sync += [
            magnitude.eq(Mux(value[-1], -value, value)),
            sign.eq(value[-1]),
            outside.eq((value[-1] != value[-2]) | ~legal),
        ]
        of_sum, shift = shift[:6], later(shift[:6], "shift_2")
        digits = value[: SUM_WIDTH - 1] ^ value[-1].replicate(SUM_WIDTH - 1)
        if self._blocks:
            of_sum, digits, outside = shift, later(digits, "digits"), later(outside, "outside_2")
        left = self.double & ~of_sum[-1]
        # In double, bits that the left shift would push out: as many of the highest as there are places.
        pushed = Signal(reset_less=True)
        m.d.sync += pushed.eq(left & _any_of_highest(m, digits, of_sum[:5]))
        outside = outside | pushed

        doubled = later(multiplier[: SUM_WIDTH - 1] << 1, "doubled")
        scaled = self._in_blocks if self._blocks else self._in_cells
        whole, fraction, negative, twice, shift = scaled(m, later, magnitude, doubled, sign, shift)
        m.submodules.rounding = rounding = RoundingShift(4 * PART - 1, QUOTIENT)
        # 31 - shift
        places = Cat(~shift[:5], shift[5])
        if self._blocks:
            negative, places, twice = later(negative, "negative_3"), later(places, "places"), later(twice, "away")
        m.d.comb += [
            rounding.magnitude.eq(Cat(fraction, whole)),
            rounding.negative.eq(negative),
            rounding.places.eq(places),
            rounding.away.eq(twice),
        ]

        # Sign, zero point and clamp.
        total = Signal(signed(QUOTIENT + 2), reset_less=True)
        flip = rounding.o_negative
        code = Cat(rounding.quotient ^ flip.replicate(QUOTIENT), flip).as_signed()
        m.d.sync += total.eq(code + self.zero_point + Cat(rounding.up ^ flip).as_unsigned())
        result = self.result if self._blocks else Signal(signed(8), name="clamped", reset_less=True)
        m.d.sync += result.eq(total[:8])
        with m.If(total < self.low):
            m.d.sync += result.eq(self.low)
        with m.Elif(total > self.high):
            m.d.sync += result.eq(self.high)
        if not self._blocks:
            m.d.comb += self.result.eq(later(result, "waiting", 3).as_signed())
        m.d.comb += self.overflow.eq(later(outside, "outside_3", self.LATENCY - (3 if self._blocks else 1)))
        return m

    def _in_blocks(
        self, m: Module, later: Later, magnitude: Value, doubled: Value, sign: Value, shift: Value
    ) -> tuple[Value, Value, Value, Value, Value]:
        """Magnitude times twice the multiplier, its high half rounded as `double` does first.

        Returns that half, the low one, and, of the cycle before them, the sign, whether it was rounded, and the shift.
        """
        a = magnitude.word_select(0, PART), magnitude.word_select(1, PART)
        b = doubled[:PART], doubled[PART:]
        products = {}
        for i in range(2):
            for j in range(2):
                products[i, j] = Signal(2 * PART, name=f"product_{i}{j}", reset_less=True)
                m.d.sync += products[i, j].eq(a[i] * b[j])
        negative = later(sign, "negative", 2)
        shift = later(shift, "shift_3", 2)
        middle = Signal(2 * PART + 1, reset_less=True)
        m.d.sync += middle.eq(products[0, 1] + products[1, 0])
        lowest, high = later(products[0, 0], "lowest"), later(products[1, 1], "highest")
        fraction = Signal(2 * PART + 2, reset_less=True)
        m.d.sync += fraction.eq(middle + lowest[PART:])
        lowest, high = later(lowest[:PART], "lowest_2"), later(high, "highest_2")
        negative, shift = later(negative, "negative_2"), later(shift, "shift_4")

        # The first rounding of `double`, to the high half.
        twice = self.double & shift[-1]
        half = twice & fraction[PART - 1] & (~negative | Cat(lowest, fraction[: PART - 1]).any())
        whole = Signal(2 * PART - 1, reset_less=True)
        m.d.sync += whole.eq(high + fraction[PART:] + half)
        return whole, Cat(later(lowest, "lowest_3"), later(fraction[:PART], "fraction_2")), negative, twice, shift

    def _in_cells(
        self, m: Module, later: Later, magnitude: Value, doubled: Value, sign: Value, shift: Value
    ) -> tuple[Value, Value, Value, Value, Value]:
        """As `_in_blocks`, three cycles earlier, and all of the same cycle."""
        low, high = Signal(signed(3 * PART), reset_less=True), Signal(3 * PART, reset_less=True)
        product = Signal(4 * PART, reset_less=True)
        b = Cat(doubled, 0)
        m.d.sync += [
            low.eq(booth(m, magnitude, b[: PART + 1], "low")),
            high.eq(booth(m, magnitude, b[PART:], "high")),
            product.eq((low + (high << PART)) << 1),
        ]
        negative, shift = later(sign, "negative", 2), later(shift, "shift_3", 2)
        fraction = product[: 2 * PART]
        twice = self.double & shift[-1]
        half = twice & fraction[-1] & (~negative | fraction[:-1].any())
        whole = Signal(2 * PART - 1)
        m.d.comb += whole.eq(product[2 * PART :] + half)
        return whole, fraction, negative, twice, shift


def booth(m: Module, a: Value, bits: Value, name: str) -> Value:
    """`a`, unsigned, times a sum of digits -2 to 2: a row for each two bits of a factor (A. D. Booth, 1951).

    Rows of negative digits are inverted: they lack 1 in their lowest place, where the next row has room, and their sign
    reaches to the end, which is a constant of all rows together where it is inverted, too.

    Parameters
    ----------
    bits : Value
        Those of the factor, signed, an even number of them; and in front the one below its lowest, or 0.

    Returns
    -------
    Value
        Modulo 2 to the power of the bits of both factors.
    """
    size, signs = len(a) + 1, 0
    below: Value = Const(0, 1)
    rows: list[Value] = []
    for i in range(0, len(bits) - 1, 2):
        lowest, middle, highest = bits[i], bits[i + 1], bits[i + 2]
        one, two = lowest ^ middle, (lowest & middle & ~highest) | (~lowest & ~middle & highest)
        row = Signal(size, name=f"{name}_row_{i}")
        digit = (Cat(a, 0) & one.replicate(size)) | (Cat(0, a) & two.replicate(size))
        m.d.comb += row.eq(digit ^ highest.replicate(size))
        rows.append(Cat(below, 0, row, ~highest) << i)
        signs += 1 << (i + size)
        below = highest
    rows.append(below << (len(bits) - 1))
    return ((sum(rows, start=Const(0)) >> 2) - signs)[: len(a) + len(bits) - 1]


def _any_of_highest(m: Module, value: Value, count: Value) -> Value:
    """Whether one of the `count` highest bits of a value is set: whole groups of four, and part of one more."""
    bits = value[::-1]
    groups = [bits[i : i + 4] for i in range(0, len(bits), 4)]
    before, part = Signal(name="groups_before"), Signal(3, name="group")
    with m.Switch(count[2:]):
        for i, group in enumerate(groups):
            with m.Case(i):
                m.d.comb += part.eq(group)
                if i:
                    m.d.comb += before.eq(bits[: 4 * i].any())
    rest = count[:2]
    return before | (part[0] & (rest > 0)) | (part[1] & (rest > 1)) | (part[2] & (rest > 2))
