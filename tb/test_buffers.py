# SPDX-License-Identifier: Apache-2.0
"""Buffers and stream registers on their own, with random stalls, against lists; seeded bugs."""

import numpy as np
import pytest

from sysmt.hdl.accel.buffers import Buffer
from sysmt.hdl.common.skid_buffer import SkidBuffer

from .accel import receive, send, simulate
from .mutants import one_bug_per_component, seeded_bug


@pytest.mark.parametrize("register", [False, True])
@pytest.mark.parametrize("how", [{}, {"checked": False}, {"checked": False, "holds": True}], ids=str)
def test_a_buffer_gives_words_in_order(register, how):
    unit, random, out = Buffer(12, 16, register, **how), np.random.default_rng(0), []
    words, addresses = random.integers(0, 4096, 16).tolist(), random.integers(0, 16, 60).tolist()

    async def bench(ctx):
        for address, word in enumerate(words):
            ctx.set(unit.write, 1)
            ctx.set(unit.address, address)
            ctx.set(unit.data, word)
            await ctx.tick()
        ctx.set(unit.write, 0)
        await send(ctx, unit.i, addresses, random, 0.3)
        await ctx.tick().repeat(20)

    async def sink(ctx):
        await receive(ctx, unit.o, np.random.default_rng(1), 0.5, out)

    async def watch(ctx):
        inside = 0
        ports = (unit.i.valid & unit.i.ready, unit.o.valid & unit.o.ready, unit.o.valid, unit.resident)
        async for _, _, taken, given, offered, resident in ctx.tick().sample(*ports):
            assert resident == (inside > (register and offered)), "a register behind it has a word of its own"
            inside += taken - given

    simulate(unit, bench, sink, watch)
    assert out == [words[a] for a in addresses]


def test_a_buffer_keeps_up():
    """A word per cycle, `latency` cycles later."""
    unit, out = Buffer(8, 16, True), []

    async def bench(ctx):
        ctx.set(unit.o.ready, 1)
        ctx.set(unit.i.valid, 1)
        for _ in range(12):
            out.append(ctx.get(unit.o.valid))
            await ctx.tick()

    simulate(unit, bench)
    assert out == [0, 0] + [1] * 10


def through_register(pause: float) -> tuple[list[int], list[int]]:
    """What went through a stream register, and what came out."""
    unit, words, out = SkidBuffer(8), np.random.default_rng(0).integers(0, 256, 80).tolist(), []

    async def bench(ctx):
        await send(ctx, unit.i, words, np.random.default_rng(1), pause)
        await ctx.tick().repeat(20)

    async def sink(ctx):
        await receive(ctx, unit.o, np.random.default_rng(2), 0.5, out)

    simulate(unit, bench, sink)
    return words, out


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_stream_register_keeps_order(pause):
    words, out = through_register(pause)
    assert out == words


def test_a_stream_register_keeps_up():
    unit, taken = SkidBuffer(8), []

    async def bench(ctx):
        ctx.set(unit.o.ready, 1)
        ctx.set(unit.i.valid, 1)
        for _ in range(6):
            taken.append((ctx.get(unit.i.ready), ctx.get(unit.o.valid)))
            await ctx.tick()

    simulate(unit, bench)
    assert taken == [(1, 0)] + [(1, 1)] * 5


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("Mux(full, spare, self.i.payload)", "Mux(full, self.i.payload, spare)"),
        ("with m.If(~full)", "with m.If(1)"),
    ],
)
def test_seeded_bugs_of_the_stream_register_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.common.skid_buffer", "SkidBuffer", right, wrong):
        words, out = through_register(0.0)
    assert out != words
