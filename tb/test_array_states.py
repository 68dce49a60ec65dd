# SPDX-License-Identifier: Apache-2.0
"""What an array says while it waits, and what is left of it by a reset or a refused tile: streams by hand."""

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal, Value

from sysmt.hdl.array.systolic import SystolicArray
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cosim.packing import pack_steps, unpack_rows
from sysmt.sim.cosim.payloads import last_place, pack_tile, pack_weights
from sysmt.sim.golden.matmul import matmul

from .accel import simulate

KINDS = {
    "asic": {},
    "fpga": {"target": "fpga"},
    "fuse": {"fuse": True},
    "in place": {"drain": "in_place", "target": "fpga", "pipeline": 1},
}
LIMIT = 30


def array(rows=1, cols=1, **fields):
    return ArrayConfig().with_fields(rows=rows, cols=cols, **fields)


async def clear(ctx, reset):
    """A cycle of reset."""
    ctx.set(reset, 1)
    await ctx.tick()
    ctx.set(reset, 0)


class Bench:
    """An array whose streams are set by hand."""

    def __init__(self, config):
        self.config, self.dut = config, SystolicArray(config)
        self.random = np.random.default_rng(5)

    def operands(self, k):
        return (
            self.random.integers(0, 256, (self.config.rows, k), np.uint8),
            self.random.integers(-128, 128, (k, self.config.cols), np.int8),
        )

    async def order(self, ctx, **fields):
        """Give a tile: one of all outputs on all threads unless said otherwise."""
        config = self.config
        plain = {"steps": 1, "threads": config.pe.threads, "rows": config.rows, "cols": config.cols}
        ctx.set(Value.cast(self.dut.i_tile.payload), pack_tile(config, **plain | fields))
        ctx.set(self.dut.i_tile.valid, 1)
        for _ in range(LIMIT):
            taken = ctx.get(self.dut.i_tile.ready)
            await ctx.tick()
            if taken:
                break
        ctx.set(self.dut.i_tile.valid, 0)
        return taken

    async def step(self, ctx, x, w, tap=False):
        """Offer one step until it is taken; returns for how many cycles."""
        ctx.set(Value.cast(self.dut.i_x.payload), pack_steps(x[None])[0])
        ctx.set(Value.cast(self.dut.i_w.payload), pack_weights(self.config, w[None], np.array([tap]))[0])
        for stream in (self.dut.i_x, self.dut.i_w):
            ctx.set(stream.valid, 1)
        cycles, taken = 0, 0
        while not taken:
            assert cycles < LIMIT, "no step is taken"
            taken = ctx.get(self.dut.i_x.ready)
            cycles += 1
            await ctx.tick()
        for stream in (self.dut.i_x, self.dut.i_w):
            ctx.set(stream.valid, 0)
        return cycles

    async def product(self, ctx, x, w):
        """A product of one tile on one thread, its steps in a row."""
        await self.order(ctx, steps=x.shape[1], **({"fuse": 0, "taps": 0} if self.config.fuse else {}))
        for k in range(x.shape[1]):
            await self.step(ctx, x[:, k : k + 1], w[k][:, None])

    async def rows(self, ctx):
        """All rows that come from now on."""
        found, quiet = [], 0
        ctx.set(self.dut.o.ready, 1)
        while quiet < 2 * self.config.latency + 8:
            if ctx.get(self.dut.o.valid):
                found.append(ctx.get(Value.cast(self.dut.o.payload)))
                quiet = 0
            quiet += 1
            await ctx.tick()
        return unpack_rows(found, self.config.pe.acc_width, self.config.cols, last_place(self.config))[0]

    def counter(self, ctx, name):
        return ctx.get(self.dut.counters[name])


@pytest.mark.parametrize("kind", KINDS)
def test_cycles_without_operands_are_counted_while_a_tile_waits_for_them(kind):
    """Before its first step and between two; either stream may be the late one. An idle array waits for nothing."""
    bench = Bench(array(**KINDS[kind]))
    tiles = [{"fuse": 0, "taps": 0}, {"fuse": 1, "taps": 2}] if bench.config.fuse else [{}]

    async def run(ctx):
        ctx.set(bench.dut.o.ready, 1)
        x, w = bench.operands(1)
        await bench.order(ctx, **tiles[0])
        # From the order to the first step that can be taken.
        soonest = await bench.step(ctx, x, w) - 1
        await bench.rows(ctx)
        assert bench.counter(ctx, "stalls_operands") == 0
        for tile in tiles:
            for early in (bench.dut.i_x, bench.dut.i_w):
                before = bench.counter(ctx, "stalls_operands")
                await bench.order(ctx, **tile | {"steps": 2})
                for late in (4, 7):
                    ctx.set(early.valid, 1)
                    for _ in range(late):
                        assert not ctx.get(early.ready)
                        await ctx.tick()
                    assert await bench.step(ctx, x, w, tap=True) == 1
                await bench.rows(ctx)
                assert bench.counter(ctx, "stalls_operands") - before == 4 - soonest + 7

    simulate(bench.dut, run)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_counted_so_many_cycles_after_it_is_taken(kind):
    bench = Bench(array(**KINDS[kind]))

    async def run(ctx):
        ctx.set(bench.dut.o.ready, 1)
        await bench.product(ctx, np.full((1, 1), 255, np.uint8), np.full((1, 1), 127, np.int8))
        for _ in range(sum(bench.config.counting) - 1):
            assert bench.counter(ctx, "steps") == bench.counter(ctx, "active") == 0
            await ctx.tick()
        assert bench.counter(ctx, "steps") == bench.counter(ctx, "active") == 1

    simulate(bench.dut, run)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_forgets_the_tiles_before_it(kind):
    """One of which steps are missing, or all are there and rows wait; and one that waits behind it."""
    bench, reset = Bench(array(2, 1, **KINDS[kind])), Signal()
    more = {"fuse": 0, "taps": 0} if bench.config.fuse else {}

    async def run(ctx):
        for steps in (2, 4):
            x, w = bench.operands(4)
            ctx.set(bench.dut.o.ready, 0)
            await bench.order(ctx, steps=4, **more)
            for k in range(steps):
                await bench.step(ctx, x[:, k : k + 1], w[k][:, None])
            await bench.order(ctx, steps=3, **more)
            for _ in range(bench.config.latency + 3):
                await ctx.tick()
            await clear(ctx, reset)
            assert not ctx.get(bench.dut.o.valid)
            assert ctx.get(Value.cast(bench.dut.counters)) == 0
            x, w = bench.operands(3)
            await bench.product(ctx, x, w)
            golden = matmul(x, w, bench.config.pe)
            np.testing.assert_array_equal(await bench.rows(ctx), golden.sums)
            assert bench.counter(ctx, "steps") == 3
            assert bench.counter(ctx, "active") == golden.counters.active

    simulate(ResetInserter(reset)(bench.dut), run)


@pytest.mark.parametrize("kind", ["fpga", "fuse"])
def test_a_refused_tile_is_the_last_one_until_reset(kind):
    """The one before it is delivered, and a good one behind it is not taken; after a reset it is."""
    bench, reset = Bench(array(2, 2, counters=False, **KINDS[kind])), Signal()
    more = {"fuse": 0, "taps": 0} if bench.config.fuse else {}
    beyond = {"steps": bench.config.pe.k_max + 1}

    async def run(ctx):
        for wrong in ({"steps": 0}, beyond, {"threads": 2}, {"rows": 0}, {"rows": 3}, {"cols": 0}, {"cols": 3}):
            x, w = bench.operands(2)
            await bench.product(ctx, x, w)
            assert not ctx.get(bench.dut.refused)
            assert await bench.order(ctx, **more | wrong)
            np.testing.assert_array_equal(await bench.rows(ctx), matmul(x, w, bench.config.pe).sums)
            assert ctx.get(bench.dut.refused)
            assert not await bench.order(ctx, **more)
            assert ctx.get(bench.dut.refused)
            await clear(ctx, reset)

    simulate(ResetInserter(reset)(bench.dut), run)
