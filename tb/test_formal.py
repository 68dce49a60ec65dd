# SPDX-License-Identifier: Apache-2.0
"""Bounded proofs say in which cycle something fails, and refuse assumptions that no run keeps to."""

import pytest
from amaranth.hdl import Assert, Assume, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from .formal import check


class Counting(wiring.Component):
    """Counts cycles with `go`, must not come to 4, and may be assumed never to be 3."""

    go: In(1)

    def __init__(self, void: bool = False):
        super().__init__()
        self.void = void

    def elaborate(self, platform):
        m = Module()
        count = Signal(4)
        m.d.sync += count.eq(count + 1 if self.void else count + self.go)
        m.d.comb += [Assume(~ResetSignal()), Assert(count != 4)]
        if self.void:
            m.d.comb += Assume(count != 3)
        return m


def test_the_first_cycle_that_fails_is_found_and_none_before_it():
    assert check(Counting(), 4) is None
    assert check(Counting(), 5).endswith("in cycle 4")


def test_a_proof_about_no_run_is_refused():
    assert check(Counting(void=True), 2) is None
    with pytest.raises(RuntimeError, match="^what is assumed contradicts itself$"):
        check(Counting(void=True), 6)
