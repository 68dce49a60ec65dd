# SPDX-License-Identifier: Apache-2.0
"""Runs follow one another while results of earlier ones are on their way, whatever waits: tiles, addresses, results."""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pytest
from amaranth.hdl import Module

from sysmt.hdl.accel.controller import Controller
from sysmt.hdl.accel.core import place
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig

from .accel import simulate, small

CONFIG = small()
RUNS = [
    # m_tiles, n_tiles, steps, rows, cols, threads
    (1, 1, 1, 2, 1, 0),
    (2, 2, 1, 1, 1, 1),
    (4, 1, 2, 1, 1, 1),  # Of the same half as the first one, with more tiles.
    (1, 3, 2, 2, 1, 0),
    (1, 1, 8, 1, 1, 1),
    (1, 4, 1, 2, 1, 0),
    (2, 2, 4, 2, 1, 1),
    (1, 1, 1, 1, 1, 0),
    (2, 1, 1, 1, 1, 1),
    (1, 1, 1, 2, 1, 0),
]
"""All within the memories: four tiles, eight steps of either operand."""


@dataclass
class Seen:
    """What left a controller, and how many runs were unfinished when it took one."""

    tiles: list = field(default_factory=list)
    x: list = field(default_factory=list)
    w: list = field(default_factory=list)
    writes: list = field(default_factory=list)
    unfinished: list = field(default_factory=list)
    produced: list = field(default_factory=list)


def expected(config: AccelConfig) -> Seen:
    seen, rows = Seen(), config.array.rows
    for number, (m_tiles, n_tiles, steps, m, n, threads) in enumerate(RUNS, 1):
        half = number & 1
        for i, j in product(range(m_tiles), range(n_tiles)):
            last = (m if i == m_tiles - 1 else rows, n if j == n_tiles - 1 else config.array.cols)
            seen.tiles.append((steps, threads, *last))
            seen.x += [half * config.depth + i * steps + step for step in range(steps)]
            seen.w += [half * config.depth + j * steps + step for step in range(steps)]
        results = m_tiles * n_tiles * rows
        seen.writes += [half * config.result_rows + row for row in range(results)]
        seen.produced.append(results)
    return seen


def runs(pause: float, wait: int, seed: int) -> Seen:
    """All runs, offered at once; rows of a tile come back `wait` cycles after its last operand, or later."""
    controller, seen, random = Controller(CONFIG), Seen(), np.random.default_rng(seed)
    streams = {"tiles": controller.o_tile, "x": controller.o_x, "w": controller.o_w}
    names = ("steps", "threads", "rows", "cols")

    async def bench(ctx):
        cycle, taken, rows, back = 0, 0, 0, []
        while ctx.get(controller.finished) < len(RUNS):
            cycle += 1
            assert cycle < 5000, "the runs do not end"
            ctx.set(controller.i_run.valid, taken < len(RUNS))
            if taken < len(RUNS):
                fields = zip(("m_tiles", "n_tiles", "steps", "rows", "cols", "threads"), RUNS[taken], strict=True)
                ctx.set(controller.i_run.payload, {"run": taken + 1, **dict(fields)})
            for stream in streams.values():
                ctx.set(stream.ready, random.random() >= pause)
            comes = bool(back) and back[0] <= cycle and random.random() >= pause
            ctx.set(controller.i_rows.valid, comes)
            # What is not valid may say anything.
            last = rows % CONFIG.array.rows == CONFIG.array.rows - 1 if comes else random.integers(2)
            ctx.set(controller.i_rows.payload.last, int(last))
            if ctx.get(controller.i_run.valid & controller.i_run.ready):
                seen.unfinished.append(taken - ctx.get(controller.finished))
                taken += 1
            for name, stream in streams.items():
                if ctx.get(stream.valid & stream.ready):
                    payload = stream.payload
                    value = tuple(ctx.get(payload[n]) for n in names) if name == "tiles" else ctx.get(payload)
                    getattr(seen, name).append(value)
            # A tile whose operands have all left comes back.
            steps = np.cumsum([tile[0] for tile in seen.tiles])
            while len(back) + rows // CONFIG.array.rows < int((steps <= min(len(seen.x), len(seen.w))).sum()):
                back.append(cycle + wait)
            if ctx.get(controller.write):
                seen.writes.append(ctx.get(controller.address))
                rows += 1
                if rows % CONFIG.array.rows == 0:
                    back.pop(0)
            before = ctx.get(controller.finished)
            await ctx.tick()
            if ctx.get(controller.finished) != before:
                seen.produced.append(ctx.get(controller.produced[(before + 1) & 1]))

    simulate(controller, bench)
    return seen


@pytest.mark.parametrize(
    ("pause", "wait"), [(0.0, 1), (0.0, 30), (0.5, 1), (0.7, 4)], ids=["at once", "late", "pauses", "more pauses"]
)
def test_runs_leave_and_return_in_order(pause, wait):
    """At most two are unfinished, and the second is taken before the first has ended."""
    seen, wanted = runs(pause, wait, 1), expected(CONFIG)
    wanted.unfinished = seen.unfinished
    assert seen == wanted
    assert set(seen.unfinished) == {0, 1}


def steps_and_cycles(batches: list[list[tuple[int, int, int]]], array: ArrayConfig) -> tuple[list[list[int]], dict]:
    """Cycles in which the array takes a step, per batch of runs without a gap between them, and the figures."""
    config = small(array=array)
    controller, found, figures = Controller(config), [], {}
    m = Module()
    m.submodules.controller = controller
    core = place(m, config, controller, None)
    core.connect(m)
    core.drive(m)

    async def bench(ctx):
        cycle, number = 0, 0
        for batch in batches:
            left, found_now = list(batch), []
            while left or ctx.get(controller.issued) != ctx.get(controller.finished):
                assert cycle < 2000, "the runs do not end"
                ctx.set(controller.i_run.valid, len(left) > 0)
                if left:
                    sizes = dict(zip(("m_tiles", "n_tiles", "steps"), left[0], strict=True))
                    rest = {"run": number + 1, "rows": array.rows, "cols": array.cols, "threads": 0}
                    ctx.set(controller.i_run.payload, sizes | rest)
                    if ctx.get(controller.i_run.ready):
                        left.pop(0)
                        number += 1
                if ctx.get(core.array.i_x.valid & core.array.i_x.ready):
                    found_now.append(cycle)
                cycle += 1
                await ctx.tick()
            found.append(found_now)
            ctx.set(controller.i_run.valid, 0)
            await ctx.tick().repeat(12)
            cycle += 12
        figures.update({name: ctx.get(controller.figures[name]) for name in ("steps", "span", "cycles")})

    simulate(m, bench)
    return found, figures


@pytest.mark.parametrize("steps", [1, 5])
def test_a_span_is_from_the_first_step_to_the_last(steps):
    """Of tiles whose operands wait for the drain of the tile before, and of those that do not."""
    array = ArrayConfig(rows=4, cols=1, counters=False, drain="in_place", pe=PEConfig(target="fpga"))
    found, figures = steps_and_cycles([[(1, 1, steps), (2, 1, steps)], [(2, 1, steps)], [(1, 1, 1)]], array)
    assert [len(batch) for batch in found] == [3 * steps, 2 * steps, 1]
    assert figures["steps"] == sum(map(len, found))
    spans = [batch[-1] - batch[0] + 1 for batch in found]
    assert spans[0] > len(found[0]), "no operand has waited"
    assert figures["span"] == sum(spans)
    assert figures["cycles"] > figures["span"]
