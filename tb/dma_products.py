# SPDX-License-Identifier: Apache-2.0
"""A product as a command list, for links without a bus, and the product again from the sums that they bring."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
from amaranth.hdl import Signal

from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import with_data
from sysmt.sim.golden.matmul import matmul

SHAPE = (3, 21, 2)


def listed(config: AccelConfig) -> tuple[Plan, np.ndarray, list[bytes], list[int]]:
    """A product: its plan, what is expected, the commands, and the words of the list with its data."""
    (m, k, n), random = SHAPE, np.random.default_rng(0)
    x, w = random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)
    plan = Plan(x, w, config, config.array.pe.threads)
    product = ListPlan(plan, config.array.pe.threads, 0).listed()
    text = with_data(config, product.commands, product.data.tobytes())
    words = np.frombuffer(text, np.uint8).reshape(-1, config.data_width // 8)
    expected = matmul(x, w, config.array.pe).sums
    return plan, expected, product.commands, [int.from_bytes(word.tobytes(), "little") for word in words]


def outputs(plan: Plan, sums: Iterator[int]) -> np.ndarray:
    """The product from the sums that left, run after run, tile after tile, row after row."""
    array = plan.config.array
    out = np.zeros((SHAPE[0], SHAPE[2]), np.int64)
    for run in plan.runs:
        for m in range(run.m_tiles):
            for n in range(run.n_tiles):
                rows = run.rows if m == run.m_tiles - 1 else array.rows
                for row in range(rows):
                    value = next(sums)
                    value -= (value >> 31) << 32
                    out[(run.m_tile + m) * array.rows + row, run.n_tile + n] += value
    return out


def cycles_of(clock: Signal) -> Callable[[Any], Awaitable[None]]:
    """What makes a cycle of a clock that the testbench drives."""

    async def cycle(ctx) -> None:
        await ctx.delay(5e-7)
        ctx.set(clock, 1)
        await ctx.delay(5e-7)
        ctx.set(clock, 0)

    return cycle
