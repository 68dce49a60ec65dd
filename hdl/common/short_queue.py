# SPDX-License-Identifier: Apache-2.0
"""A queue of a few words in registers, of which every place is seen from outside."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ShapeLike
from amaranth.lib.wiring import In, Out


def thermometer(level: Value, push: Value, pop: Value) -> Value:
    """What a count, as so many ones from bit 0 on, is after one more and one less: never full and one more alone."""
    one_less, one_more = level >> 1, (level << 1 | 1)[: len(level)]
    found: Value = Mux(pop, Mux(push, level, one_less), Mux(push, one_more, level))
    return found


class ShortQueue(wiring.Component):
    """Words move on towards place 0 whenever one is taken, so that the oldest is a register, not a selection.

    Parameters
    ----------
    shape : shape
        Of a word.
    depth : int
        At least 1.

    Members
    -------
    push, i : In(1), In(shape)
        A word comes: only where there is room, or one is taken in the same cycle.
    pop : In(1)
        The oldest is taken: only when there is one.
    o : Out(shape)
        The oldest word.
    level : Out(depth)
        Place p holds a word. Place 0 is the oldest, and there are no gaps.

    Latency
    -------
    1 cycle; a word per cycle, with `depth` 1 only if the last is taken in that cycle.
    """

    block = "registers"

    def __init__(self, shape: ShapeLike, depth: int):
        self.shape, self.depth = shape, depth
        super().__init__({"push": In(1), "i": In(shape), "pop": In(1), "o": Out(shape), "level": Out(depth)})

    def elaborate(self, platform):
        m = Module()
        level = self.level
        words = [Signal(len(Value.cast(self.i)), name=f"word_{p}", reset_less=True) for p in range(self.depth)]
        for p, word in enumerate(words):
            follows = level[p + 1] if p + 1 < self.depth else 0
            precedes = level[p - 1] if p else 1
            with m.If(self.pop & follows):
                m.d.sync += word.eq(words[min(p + 1, self.depth - 1)])
            with m.Elif(self.push & Mux(self.pop, level[p], precedes & ~level[p])):
                m.d.sync += word.eq(self.i)
        m.d.comb += Value.cast(self.o).eq(words[0])
        m.d.sync += level.eq(thermometer(level, self.push, self.pop))
        return m
