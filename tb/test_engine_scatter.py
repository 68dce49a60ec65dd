# SPDX-License-Identifier: Apache-2.0
"""The scatter table: its words fill the memory that the configuration sizes for it, and are read again and again."""

import numpy as np
import pytest

from sysmt.hdl.engine.scatter import ScatterReader
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.scatter import scatter_word

from .accel import receive, simulate

CONFIG = EngineConfig(array=ArrayConfig(rows=4, cols=4), fill=1, x_depth=64, scatter_words=40)
CYCLES, LATENCY = 40, 4
"""How long it is looked at, and cycles before the first word."""


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("fill", [1, 2, 4])
def test_a_word_is_as_wide_as_the_memory(threads, fill):
    config = EngineConfig(array=ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=threads)), fill=fill, x_depth=64)
    word = scatter_word(config)
    width = config.memories["scatter"][0]
    assert sum(field.width for field in word.fields.values()) == width
    entries = {f"{name}_{i}": value for i in range(fill) for name, value in (("valid", 1), ("zero", 0), ("pair", 0))}
    values = {"last": 1, "advance": 0, **entries, **{f"step_{i}": 63 - i for i in range(fill)}}
    assert word.from_int(word.to_int(values)) == values
    assert word.to_int(values) < 1 << width


def words_read(base: int, words: int, pause: float) -> tuple[list[tuple[int, int]], bool]:
    """Words of a table in a memory where every word is its own address, each with whether it ends the table."""
    reader, found, said = ScatterReader(CONFIG), [], []

    async def memory(ctx):
        while True:
            address = ctx.get(reader.address)
            await ctx.tick()
            ctx.set(reader.word, address)

    async def bench(ctx):
        ctx.set(reader.base, base)
        ctx.set(reader.words, words)
        await ctx.tick().repeat(10)
        assert not found, "it is not enabled"
        ctx.set(reader.enable, 1)
        await ctx.tick().repeat(CYCLES)
        said.append(bool(ctx.get(reader.error)))

    async def take(ctx):
        await receive(ctx, reader.o, np.random.default_rng(1), pause, found, lambda p: (p.entry.as_bits(), p.table_end))

    simulate(reader, bench, memory, take)
    return found, said[0]


@pytest.mark.parametrize("pause", [0.0, 0.4])
@pytest.mark.parametrize(("base", "words"), [(0, 1), (7, 3), (38, 2), (37, 3), (0, 40)])
def test_a_table_is_read_again_from_its_first_word_on(base, words, pause):
    """A word per cycle; also where it ends with the memory."""
    found, error = words_read(base, words, pause)
    assert not error
    assert len(found) == CYCLES + 1 - LATENCY if not pause else len(found) > 15
    assert found == [(base + i % words, int(i % words == words - 1)) for i in range(len(found))]


@pytest.mark.parametrize(("base", "words"), [(39, 2), (40, 1), (1 << 15, 3), ((1 << 16) - 1, 4)])
def test_words_beyond_the_memory_are_reported_and_end_the_table(base, words):
    found, error = words_read(base, words, 0.2)
    assert error
    assert [end for _, end in found] == [
        int(i % words == words - 1 or base + i % words >= 40) for i in range(len(found))
    ]
