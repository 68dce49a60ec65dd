# SPDX-License-Identifier: Apache-2.0
"""The im2col unit against the im2col of the models: random windows, scatter tables, arrays, with stalls and without."""

import numpy as np
import pytest

from sysmt.hdl.engine.filler import Filler
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig

from .accel import simulate
from .engine_filler import Player, expected_fills, expected_rows, play
from .engine_tables import random_table
from .engine_windows import random_window

ARRAYS = {
    "2x2, two threads": (2, 2, 2, 2),
    "4x4, two threads": (4, 4, 2, 2),
    "3x3": (3, 3, 1, 1),
    "4x2, four threads": (4, 2, 4, 4),
    "1x1": (1, 1, 1, 2),
}
TARGETS = "asic", "fpga"
"""Words are transposed in SRAM, or in registers."""


def configuration(rows: int, cols: int, threads: int, fill: int, target: str = "fpga") -> EngineConfig:
    return EngineConfig(
        array=ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=threads, target=target)),
        fill=fill,
        lanes=1,
        x_depth=16,
        activation_words=200,
        scatter_words=512,
    )


def image_of(window, random) -> np.ndarray:
    return random.integers(0, 256, (window.words, window.config.word_bytes), dtype=np.uint8)


def fills_agree(config: EngineConfig, seed: int, pause: float) -> None:
    random = np.random.default_rng(seed)
    window = random_window(config, random)
    table = random_table(config, window.geometry.taps * window.group_words, random)
    image, pad = image_of(window, random), int(random.integers(256))
    runs = play(Player(window, table, pause=pause, seed=seed, pad_value=pad), image, layers=2)
    expected = expected_fills(window, table, image, pad)
    for run in runs:
        assert not run.error
        assert len(run.fills) == len(expected) == len(run.filled)
        assert run.done == run.filled[-1]
        for found, right in zip(run.fills, expected, strict=True):
            assert np.array_equal(found[right >= 0], right[right >= 0])


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("seed", range(4))
def test_operands_are_those_of_im2col(array, seed):
    fills_agree(configuration(*ARRAYS[array], TARGETS[seed // 2]), seed, 0.3 * (seed % 2))


def rows_agree(config: EngineConfig, seed: int, pause: float) -> None:
    random = np.random.default_rng(seed)
    window = random_window(config, random, pooling=True)
    tiles = {name: int(random.integers(1, config.granules + 1)) for name in ("n_tiles", "last_n_tiles")}
    image, pad = image_of(window, random), int(random.integers(256))
    for run in play(Player(window, None, pause=pause, seed=seed, pad_value=pad, **tiles), image, layers=2):
        assert run.rows == expected_rows(window, image, pad, **tiles)
        assert not run.error
        assert run.done
        assert not run.filled


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("seed", range(4))
def test_pooled_rows(array, seed):
    rows_agree(configuration(*ARRAYS[array], TARGETS[seed // 2]), seed, 0.3 * (seed % 2))


def quickly(player: Player, image: np.ndarray) -> tuple[list[int], int]:
    """Cycles from `start` to each `filled` and to `done`, when every half is freed in the cycle after it is filled."""
    filler = player.design.filler
    filled: list[int] = []
    finished = 0

    async def testbench(ctx):
        nonlocal finished
        await player.load(ctx, image)
        ctx.set(filler.layer.as_value(), player.window.descriptor(**player.changes))
        ctx.set(filler.start, 1)
        ctx.set(filler.o_x.ready, 1)
        ctx.set(filler.o_pool.ready, 1)
        await ctx.tick()
        ctx.set(filler.start, 0)
        cycle = 1
        while not ctx.get(filler.done):
            ctx.set(filler.i_x.payload, {"step": 0, "half": 0, "frees": 1})
            ctx.set(filler.i_x.valid, ctx.get(filler.filled))
            if ctx.get(filler.filled):
                filled.append(cycle)
            cycle += 1
            await ctx.tick()
        finished = cycle

    simulate(player.design, testbench)
    return filled, finished


@pytest.mark.parametrize("array", ARRAYS)
def test_cycles_of_fills(array):
    """Exact, whatever the window: no gap between taps, groups and tiles."""
    for seed, target in enumerate((*TARGETS, "asic")):
        config = configuration(*ARRAYS[array], target)
        random = np.random.default_rng(seed)
        window = random_window(config, random)
        groups = window.geometry.taps * window.group_words
        table = random_table(config, groups, random)
        filled, done = quickly(Player(window, table), image_of(window, random))
        fill = groups * config.array.rows + table.extra
        first = Filler.first_fill(config) + fill - table.dropped
        assert [*filled, done] == [first + i * fill for i in range(window.groups * window.m_tiles)]


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("tiles", [1, 2])
def test_cycles_of_pooling(array, tiles):
    config = configuration(*ARRAYS[array], TARGETS[tiles - 1])
    tiles = min(tiles, config.granules)
    window = random_window(config, np.random.default_rng(tiles), pooling=True)
    image = image_of(window, np.random.default_rng(0))
    _, done = quickly(Player(window, None, n_tiles=tiles, last_n_tiles=tiles), image)
    pixels = window.groups * window.pixels
    taps = window.geometry.taps
    assert done == Filler.FIRST_WORD + taps + (pixels - 1) * max(taps, tiles) + tiles
