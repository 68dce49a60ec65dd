# SPDX-License-Identifier: Apache-2.0
"""Which descriptors the post-processing can compute with."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.engine.ports import LayerLayout
from sysmt.hdl.engine.ranges import computable
from sysmt.hdl.params.program import HALF

from .accel import simulate


class Check(wiring.Component):
    """`computable` of the descriptor of the cycle before."""

    layer: In(LayerLayout)
    legal: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.legal.eq(computable(self.layer))
        return m


GOOD = {
    "add": 1,
    "main_multiplier": HALF,
    "residual_multiplier": 2**31 - 1,
    "residual_shift": -31,
    "add_multiplier": 2**31 - 1,
    "add_shift": 30,
    "zero_point": -128,
    "high": 127,
}


def legal(**changes: int) -> bool:
    unit, seen = Check(), []

    async def bench(ctx):
        for name, value in {**GOOD, **changes}.items():
            ctx.set(unit.layer[name], value)
        await ctx.tick()
        seen.append(bool(ctx.get(unit.legal)))

    simulate(unit, bench)
    return seen[0]


def test_legal_descriptors():
    halves = {"main_multiplier": 5, "main_shift": -3, "residual_multiplier": HALF, "residual_shift": 0}
    for changes in ({}, halves, {"main_zero": 127}, {"add_low": -128}, {"add_shift": -31}):
        assert legal(**changes), changes


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in ("zero_point", "low", "high") for value in (128, -129)),
        *({name: 128} for name in ("main_zero", "residual_zero", "add_zero_point", "add_low", "add_high")),
        *({"residual_multiplier": value} for value in (2**31, 2**32 - 1)),
        *({"residual_shift": value} for value in (1, -32, 127, -128)),
        *({"add_shift": value} for value in (31, -32)),
        {"add_multiplier": 2**31},
        {"main_multiplier": HALF + 1},
        {"main_shift": -1},
    ],
)
def test_other_descriptors_are_refused(change):
    assert not legal(**change)


def test_scales_of_an_addition_that_is_not_made_are_not_looked_at():
    assert legal(add=0, main_multiplier=1, residual_multiplier=2**31, add_shift=127)
