# SPDX-License-Identifier: Apache-2.0
"""Operands of fewer threads than the array has: a word of a memory holds those of several steps."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Shape, Signal, Value

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import W_WIDTH
from sysmt.hdl.pe.kind import gates_of


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


def weights_from_thread(m: Module, config: ArrayConfig, word: Value, thread: Value) -> Value:
    """The weights of all columns in a word of memory, those of `thread` and the threads behind it first."""
    pe = config.pe
    stored = gates_of(pe).stored_weights(pe, config.w_lanes)
    if stored is None:
        return _lanes_from_thread(m, config, word, W_WIDTH, pe.products, thread)
    parts = []
    for _, field in stored:
        of_column = field.shape.elem_shape
        part = word[field.offset : field.offset + field.width]
        width = Shape.cast(of_column.elem_shape).width
        parts.append(_lanes_from_thread(m, config, part, width, of_column.length, thread))
    return Cat(parts)


def _lanes_from_thread(m: Module, config: ArrayConfig, word: Value, width: int, slots: int, thread: Value) -> Value:
    """The same of a part of it that has so many `slots` of `width` bits for every column."""
    columns = range(config.w_lanes)
    lanes = [Cat(word.word_select(column * slots + slot, width) for column in columns) for slot in range(slots)]
    chosen = from_thread(m, lanes, thread, slots // config.pe.threads)
    return Cat(chosen[slot].word_select(column, width) for column in columns for slot in range(slots))
