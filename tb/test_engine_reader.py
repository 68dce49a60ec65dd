# SPDX-License-Identifier: Apache-2.0
"""The words of the engine as bytes for the host: the longest answer there can be."""

import numpy as np

from sysmt.hdl.engine.reader import HostReader
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import ReadTarget
from sysmt.hdl.params.protocol import MAX_READ

from .accel import receive, simulate

CONFIG = EngineConfig(
    array=ArrayConfig(rows=1, cols=1, counters=False),
    **{"fill": 1, "lanes": 1, "activation_words": 1 << 16, "weight_words": 64},
)
"""Words of one byte: an answer has as many as can be."""


def test_an_answer_of_as_many_words_as_it_holds():
    """More than 2**15: the first of them are all asked for, one after the other, and come as they are."""
    words = (1 << 15) + 1
    assert words < MAX_READ
    assert CONFIG.word_bytes == 1
    reader, taken = HostReader(CONFIG), []

    async def memory(ctx) -> None:
        ctx.set(reader.o_address.ready, 1)
        while True:
            ctx.set(reader.i_word.payload, ctx.get(reader.o_address.payload) * 7 & 0xFF)
            ctx.set(reader.i_word.valid, 1)
            await ctx.tick()

    async def testbench(ctx) -> None:
        ctx.set(reader.arguments, {"run": 0, "target": ReadTarget.ACTIVATIONS, "address": 3, "words": words})
        await ctx.tick().repeat(2)
        assert (ctx.get(reader.size), ctx.get(reader.illegal)) == (words, 0)
        ctx.set(reader.start, 1)
        await ctx.tick()
        ctx.set(reader.start, 0)
        await ctx.tick().repeat(30)

    async def host(ctx) -> None:
        await receive(ctx, reader.o, np.random.default_rng(0), 0.0, taken)

    simulate(reader, testbench, memory, host)
    assert len(taken) > 5
    assert taken == [(3 + i) * 7 & 0xFF for i in range(len(taken))]
