# SPDX-License-Identifier: Apache-2.0
"""Operands of fewer threads than the array has: a word of a memory holds those of several steps."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value


def from_thread(m: Module, words: Sequence[Value], thread: Value, pairs_per_thread: int) -> list[Signal]:
    """The words of the pairs, those of `thread` and the threads behind it first.

    Pairs that are left over keep their own: no thread that runs has them.
    """
    chosen = [Signal(len(word), name=f"chosen_{pair}") for pair, word in enumerate(words)]
    m.d.comb += [signal.eq(word) for signal, word in zip(chosen, words, strict=True)]
    with m.Switch(thread):
        for first in range(1, len(words) // pairs_per_thread):
            with m.Case(first):
                moved = words[first * pairs_per_thread :]
                m.d.comb += [signal.eq(word) for signal, word in zip(chosen, moved, strict=False)]
    return chosen
