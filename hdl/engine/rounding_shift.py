# SPDX-License-Identifier: Apache-2.0
"""A right shift by any number of places that rounds to the nearest and saturates, as a pipeline."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

STEPS = (16, 4, 1)
"""Places that a unit of each digit of base 4 stands for, the first stage first."""


class RoundingShift(wiring.Component):
    """`quotient + up` is the magnitude over `2**(places + 1)`, rounded to the nearest.

    The value has the sign `negative`. Ties go towards plus infinity, or, with `away`, away from zero.

    Parameters
    ----------
    width : int
        Bits of the magnitude, at most 64.
    result : int
        Bits of the quotient. A larger one becomes all ones.

    Members
    -------
    magnitude : In(width)
    negative : In(1)
    places : In(6)
        One less than the places that are dropped.
    away : In(1)
    quotient : Out(result)
    up : Out(1)
        The quotient is to be increased by one.
    o_negative : Out(1)
        The sign that goes with them.

    Latency
    -------
    `LATENCY`; a value per cycle.
    """

    block = "requantizer"

    LATENCY = len(STEPS)

    def __init__(self, width: int, result: int):
        self._result = result
        super().__init__(
            {
                "magnitude": In(width),
                "negative": In(1),
                "places": In(6),
                "away": In(1),
                "quotient": Out(result),
                "up": Out(1),
                "o_negative": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # The bit behind the quotient is its half; `below` says whether anything lies under that, `above` over it.
        value: Value = self.magnitude
        below: Value = Const(0, 1)
        above: Value = Const(0, 1)
        negative, away, places = self.negative, self.away, self.places
        for stage, step in enumerate(STEPS):
            # What the stages to come still shift by must stay.
            width = min(len(value), self._result + step)
            moved = Signal(width, name=f"moved_{stage}")
            under, over = Signal(name=f"under_{stage}"), Signal(name=f"over_{stage}")
            with m.Switch(places[-2:]):
                for digit in range(4):
                    start, end = digit * step, digit * step + width
                    with m.Case(digit):
                        m.d.comb += moved.eq(value[start:end])
                        if start:
                            m.d.comb += under.eq(value[:start].any())
                        if end < len(value):
                            m.d.comb += over.eq(value[end:].any())
            held = Cat(moved, below | under, above | over, negative, away, places[:-2])
            register = Signal(len(held), name=f"stage_{stage}", reset_less=True)
            m.d.sync += register.eq(held)
            value, below, above = register[:width], register[width], register[width + 1]
            negative, away, places = register[width + 2], register[width + 3], register[width + 4 :]
        m.d.comb += [
            self.quotient.eq(value[1:] | above.replicate(self._result)),
            self.up.eq(value[0] & (away | ~negative | below)),
            self.o_negative.eq(negative),
        ]
        return m
