# SPDX-License-Identifier: Apache-2.0
"""Counters: of the beats of a row, and of loops inside each other."""

from collections.abc import Mapping

from amaranth.hdl import Const, Module, Mux, Signal, Value


def beat_counter(m: Module, name: str, enable: Value, beats: int) -> Value:
    """The beat of its row, 0 to `beats` - 1, counted in the cycles in which `enable` is high."""
    if beats == 1:
        return Const(0, 1)
    beat = Signal(range(beats), name=name)
    with m.If(enable):
        m.d.sync += beat.eq(Mux(beat == beats - 1, 0, beat + 1))
    return beat


def count_loops(
    m: Module, start: Value, enable: Value, limits: Mapping[str, Value], ends: Mapping[str, Signal]
) -> dict[str, Signal]:
    """Counters, each inside the next one of `limits`, that count down in the cycles in which `enable` is high.

    Parameters
    ----------
    start : Value
        Begins all loops.
    limits : mapping of str to Value
        Rounds of every loop, the innermost first; one at least. Looked at when the loop begins.
    ends : mapping of str to Signal
        High in the last round. They are registers, for the comparison is made the round before.

    Returns
    -------
    dict of str to Signal
        Rounds that are left, with the one under way.
    """
    lefts = {}
    for name, limit in limits.items():
        left, single = Signal(len(limit), name=f"left_{name}"), limit == 1
        with m.If(enable):
            m.d.sync += [
                left.eq(Mux(ends[name], limit, left - 1)),
                ends[name].eq(Mux(ends[name], single, left == 2)),
            ]
        with m.If(start):
            m.d.sync += [left.eq(limit), ends[name].eq(single)]
        enable = enable & ends[name]
        lefts[name] = left
    return lefts
