# SPDX-License-Identifier: Apache-2.0
"""The pooling unit on its own: sums and largest values of pixels one after the other, and what a new layer forgets."""

import numpy as np
import pytest

from sysmt.hdl.engine.pool import PoolUnit
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .accel import simulate

SHAPES = {"eight tiles": (4, 2, 4), "four tiles": (2, 2, 4), "one tile": (2, 2, 1)}
"""Rows and columns of the array, and words' multiple of the rows."""


def config_of(shape: str, target: str) -> EngineConfig:
    rows, cols, fill = SHAPES[shape]
    array = ArrayConfig(rows=rows, cols=cols).with_fields(target=target)
    return EngineConfig(array=array, fill=fill, lanes=1, x_depth=16, activation_words=64)


class Pool:
    """A unit in a simulation, and the rows that it gave.

    Parameters
    ----------
    pause : float
        Share of cycles in which no word is offered, or no row is taken.
    """

    def __init__(self, config: EngineConfig, pause: float = 0.0):
        self.unit, self.config, self.pause = PoolUnit(config), config, pause
        self.random = np.random.default_rng(3)
        self.rows: list[list[int]] = []
        self.ends = 0

    async def tick(self, ctx) -> bool:
        """A cycle, in which a row that is offered may be taken; returns whether a word was."""
        out, port = self.unit.o, self.unit.i
        ready = self.random.random() >= self.pause
        ctx.set(out.ready, ready)
        taken = ctx.get(port.valid & port.ready)
        self.ends += ctx.get(self.unit.done)
        if ready and ctx.get(out.valid):
            row = ctx.get(out.payload)
            assert row.last
            self.rows.append([row.sums[c] for c in range(self.config.array.cols)])
        await ctx.tick()
        return bool(taken)

    async def start(self, ctx, operation: Operation, n_tiles: int, last_n_tiles: int) -> None:
        unit = self.unit
        fields = {"operation": operation, "n_tiles": n_tiles, "last_n_tiles": last_n_tiles}
        for name, value in fields.items():
            ctx.set(unit.layer[name], value)
        ctx.set(unit.start, 1)
        await self.tick(ctx)
        ctx.set(unit.start, 0)
        self.rows.clear()

    async def word(self, ctx, values: np.ndarray, **ends: int) -> None:
        port = self.unit.i
        content = {"word": int.from_bytes(values.astype(np.uint8).tobytes(), "little")} | ends
        # What is on the wires without being valid is no word.
        ctx.set(port.payload, content | {"word": (1 << 8 * len(values)) - 1})
        while self.random.random() < self.pause:
            await self.tick(ctx)
        ctx.set(port.payload, content)
        ctx.set(port.valid, 1)
        while not await self.tick(ctx):
            pass
        ctx.set(port.valid, 0)

    async def layer(self, ctx, operation: Operation, tiles: tuple[int, int], taps: int) -> list[list[int]]:
        """Two groups of two pixels, of random words; returns the rows that are right."""
        size, wanted = self.config.word_bytes, []
        await self.start(ctx, operation, *tiles)
        for group in range(2):
            for pixel in range(2):
                window = self.random.integers(0, 256, (taps, size))
                for tap, values in enumerate(window):
                    last = tap == taps - 1
                    ends = {"fill_end": last, "last_group": group, "layer_end": last and group and pixel}
                    await self.word(ctx, values, **{name: int(value) for name, value in ends.items()})
                pooled = window.max(axis=0) if operation is Operation.MAX else window.sum(axis=0)
                wanted += pooled.reshape(-1, self.config.array.cols)[: tiles[group]].tolist()
        return wanted

    async def drain(self, ctx) -> None:
        for _ in range(20 * self.config.granules):
            await self.tick(ctx)


@pytest.mark.parametrize("target", ["asic", "fpga"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_number_of_tiles(shape, target):
    config = config_of(shape, target)
    pool = Pool(config, pause=0.3)

    async def bench(ctx):
        for layer, tiles in enumerate({(config.granules, 1), (1, config.granules), (config.granules // 2 or 1,) * 2}):
            for operation in (Operation.SUM, Operation.MAX):
                pool.ends = 0
                wanted = await pool.layer(ctx, operation, tiles, taps=1 + 3 * (layer == 0))
                assert not pool.ends, "done before its rows were taken"
                await pool.drain(ctx)
                assert pool.rows == wanted
                assert pool.ends == 1
        assert not ctx.get(pool.unit.error)

    simulate(pool.unit, bench)


@pytest.mark.parametrize("target", ["asic", "fpga"])
def test_a_sum_too_large_is_an_error_until_the_next_layer(target, monkeypatch):
    """In any byte of a word, of words that are taken only, and not of largest values."""
    monkeypatch.setattr(PoolUnit, "WIDTH", 9)
    config = config_of("four tiles", target)
    pool, size = Pool(config), config.word_bytes

    async def bench(ctx):
        for lane in range(size):
            values = np.where(np.arange(size) == lane, 255, 0)
            for operation in (Operation.SUM, Operation.MAX, Operation.SUM):
                await pool.start(ctx, operation, 1, 1)
                assert not ctx.get(pool.unit.error), "an error is forgotten with the next start"
                for tap in range(3):
                    ctx.set(pool.unit.i.payload, {"word": (1 << 8 * size) - 1})
                    for _ in range(4):
                        await pool.tick(ctx)
                    assert not ctx.get(pool.unit.error)
                    await pool.word(ctx, values if tap else values // 255)
                assert not ctx.get(pool.unit.error)
                await pool.word(ctx, values // 255, fill_end=1, last_group=1, layer_end=1)
                assert ctx.get(pool.unit.error) == (operation is Operation.SUM)
                await pool.drain(ctx)
                assert ctx.get(pool.unit.error) == (operation is Operation.SUM)

    simulate(pool.unit, bench)


@pytest.mark.parametrize("target", ["asic", "fpga"])
@pytest.mark.parametrize("operation", [Operation.SUM, Operation.MAX])
def test_a_layer_that_was_left_in_the_middle_is_forgotten(operation, target):
    """Its rows are gone, and nothing of the window that had begun is in the next layer's first pixel."""
    config = config_of("four tiles", target)
    pool = Pool(config)

    async def bench(ctx):
        await pool.start(ctx, operation, config.granules, config.granules)
        await pool.word(ctx, np.full(config.word_bytes, 255), fill_end=1)
        await pool.word(ctx, np.full(config.word_bytes, 255))
        wanted = await pool.layer(ctx, operation, (1, 2), taps=2)
        await pool.drain(ctx)
        assert pool.rows == wanted
        assert pool.ends == 1

    simulate(pool.unit, bench)
