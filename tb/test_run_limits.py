# SPDX-License-Identifier: Apache-2.0
"""A run whose tiles are not all in the memories ends, however many there are, and leaves no row that can be read."""

import itertools

import pytest
from amaranth.sim import Simulator

from sysmt.hdl.accel.controller import Controller
from sysmt.hdl.params.accel import AccelConfig

from .accel import PERIOD, small
from .mutants import seeded_bug

SIZES = [
    *itertools.product((1, 2, 3, 4, 5), (1, 2, 3, 5), (1, 2, 3, 4)),
    *((0xFFFF, 0xFFFF, steps) for steps in (1, 4)),
    *((0xFFFF, 1, 1), (1, 0xFFFF, 1)),
    *((1 << bits | 1, 1, 1) for bits in (3, 5, 15)),
    *((1, 1 << bits | 1, 1) for bits in (3, 5, 15)),
]
"""Rows and columns of tiles, and steps."""
MEMORIES = [{"depth": 4, "result_rows": 8, "channels": 4}, {"depth": 4, "result_rows": 32, "channels": 4}]
"""Four tiles of two rows each, of three steps at most; more tiles than steps."""


def produced(config: AccelConfig, sizes: list[tuple[int, int, int]]) -> list[int]:
    """Rows that every run leaves; each follows when the one before is finished."""
    controller, found = Controller(config), []
    rows, most = config.array.rows, config.result_rows // config.array.rows + 2

    async def bench(ctx):
        for stream in (controller.o_tile, controller.o_x, controller.o_w):
            ctx.set(stream.ready, 1)
        for number, (m, n, steps) in enumerate(sizes, 1):
            order = {"run": number, "steps": steps, "m_tiles": m, "n_tiles": n, "rows": rows, "cols": 1, "threads": 0}
            ctx.set(controller.i_run.payload, order)
            ctx.set(controller.i_run.valid, 1)
            tiles = 0
            for _ in range(most * (max(steps, rows) + 2) + 4):
                tiles += ctx.get(controller.o_tile.valid)
                await ctx.tick()
                ctx.set(controller.i_run.valid, 0)
            assert tiles <= most
            for row in range(tiles * rows):
                ctx.set(controller.i_rows.valid, 1)
                ctx.set(controller.i_rows.payload.last, row % rows == rows - 1)
                await ctx.tick()
            ctx.set(controller.i_rows.valid, 0)
            assert ctx.get(controller.finished) == number, (m, n, steps)
            found.append(ctx.get(controller.produced[number & 1]))

    simulator = Simulator(controller)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def expected(config: AccelConfig, m: int, n: int, steps: int) -> int:
    rows = m * n * config.array.rows
    return rows if rows <= config.result_rows and max(m, n) * steps <= config.depth else 0


@pytest.mark.parametrize("memories", MEMORIES, ids=["few tiles", "few steps"])
def test_runs_of_all_sizes(memories):
    config = small(**memories)
    assert produced(config, SIZES) == [expected(config, *sizes) for sizes in SIZES]


def test_cycles_are_counted_from_the_first_step():
    """However long a run has waited for that, and not beyond its end."""
    controller, counted = Controller(small()), []
    last_row = (controller.i_rows.valid, controller.i_rows.payload.last)

    async def bench(ctx):
        order = {"run": 1, "steps": 1, "m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 1, "threads": 0}
        for stream in (controller.o_tile, controller.o_x, controller.o_w):
            ctx.set(stream.ready, 1)
        ctx.set(controller.i_run.payload, order)
        ctx.set(controller.i_run.valid, 1)
        await ctx.tick()
        ctx.set(controller.i_run.valid, 0)
        for cycles, signals in ((20, ()), (1, (controller.step,)), (9, ()), (1, last_row), (20, ())):
            for signal in signals:
                ctx.set(signal, 1)
            await ctx.tick().repeat(cycles)
            for signal in signals:
                ctx.set(signal, 0)
            counted.append((ctx.get(controller.figures.steps), ctx.get(controller.figures.cycles)))

    simulator = Simulator(controller)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    assert counted == [(0, 0), (1, 1), (1, 10), (1, 11), (1, 11)]


BUGS = [
    ("misfit.eq(beyond |", "misfit.eq("),
    ("x_address[-1] | w_address[-1] |", "x_address[-1] |"),
    ("x_address[-1] | w_address[-1] |", "w_address[-1] |"),
    (" | (tiles >= self._tiles.stop - 2)", ""),
    ("(last_n & last_m) | beyond", "last_n & last_m"),
    ("Mux(fits[i], row + 1, 0)", "row + 1"),
]


@pytest.mark.parametrize(
    ("right", "wrong"), [BUGS[0], *(pytest.param(*bug, marks=pytest.mark.regress) for bug in BUGS[1:])]
)
def test_seeded_bugs_are_found(right, wrong):
    def check() -> None:
        for memories in MEMORIES:
            test_runs_of_all_sizes(memories)

    with seeded_bug("sysmt.hdl.accel.controller", "Controller", right, wrong), pytest.raises(AssertionError):
        check()
