# SPDX-License-Identifier: Apache-2.0
"""A counter of the beats of a row."""

from amaranth.hdl import Const, Module, Mux, Signal, Value


def beat_counter(m: Module, name: str, enable: Value, beats: int) -> Value:
    """The beat of its row, 0 to `beats` - 1, counted in the cycles in which `enable` is high."""
    if beats == 1:
        return Const(0, 1)
    beat = Signal(range(beats), name=name)
    with m.If(enable):
        m.d.sync += beat.eq(Mux(beat == beats - 1, 0, beat + 1))
    return beat
