# SPDX-License-Identifier: Apache-2.0
"""The array's counters on their own: one step of every number of threads, when it is counted, and convolutions."""

import numpy as np
import pytest

from sysmt.hdl.array.counters import EventCounters
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cosim import rtl
from sysmt.sim.golden.conv1d import ConvRows, convolve_rows
from sysmt.sim.golden.matmul import matmul

from . import pysim
from .accel import simulate

ROWS, COLS = 2, 3
EVENTS = ("active", "busy", "collisions", "reduced")


@pytest.mark.parametrize("target", ["asic", "fpga"])
@pytest.mark.parametrize("policy", ["S+A", "Aw", "min"])
def test_a_step_of_each_number_of_threads(policy, target):
    """As golden, `ArrayConfig.counting[1]` cycles after it entered and not before."""
    config = ArrayConfig(rows=ROWS, cols=COLS).with_fields(threads=4, policy=policy, target=target)
    counters, random = EventCounters(config), np.random.default_rng(1)
    steps = [(threads, *_operands(random, threads)) for threads in (1, 2, 4) * 4]
    seen: list[dict[str, int]] = []

    async def bench(ctx):
        for threads, x, w in steps:
            tile = {"steps": 1, "threads": threads.bit_length() - 1, "rows": ROWS, "cols": COLS}
            ctx.set(counters.tile, tile)
            ctx.set(counters.x, _bits(x.T, threads))
            ctx.set(counters.w, _bits(w, threads))
            for cycle in range(config.counting[1]):
                ctx.set(counters.step, cycle == 0)
                assert ctx.get(counters.counters.steps) == len(seen)
                await ctx.tick()
            seen.append({name: ctx.get(counters.counters[name]) for name in EVENTS})
            assert ctx.get(counters.counters.steps) == len(seen)

    simulate(counters, bench)
    expected = dict.fromkeys(EVENTS, 0)
    for (threads, x, w), found in zip(steps, seen, strict=True):
        counted = matmul(x, w, config.pe, threads).counters
        expected = {name: expected[name] + getattr(counted, name) for name in EVENTS}
        assert found == expected
    assert all(expected.values()), "nothing of a kind happened"


@pytest.mark.parametrize("target", ["asic", "fpga"])
def test_convolutions_of_weights_that_are_reduced(target, monkeypatch):
    """What is asked of weights alone counts once for every output that the tap reaches, full tile or not."""
    monkeypatch.setattr(rtl, "run", pysim.run)
    config = ArrayConfig(rows=2, cols=2).with_fields(threads=2, policy="W", fuse=True, target=target)
    random, jobs = np.random.default_rng(3), []
    for count, pixels, taps in ((2, 5, 3), (1, 1, 4), (3, 2, 2)):
        x = random.integers(0, 256, (count, pixels + taps - 1), np.uint8)
        jobs.append((ConvRows(x, random.integers(-128, 128, (count, taps), np.int8)), None, None))
    counted = [convolve_rows(rows, config.pe).counters for rows, _, _ in jobs]
    found = rtl.products(jobs, config, stalls=(0.2, 0.1, 0.1), design=object())
    assert {name: found.counters[name] for name in EVENTS} == {
        name: sum(getattr(one, name) for one in counted) for name in EVENTS
    }
    assert found.counters["reduced"]


def _operands(random: np.random.Generator, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Activations [ROWS, threads] and weights [threads, COLS], some of them zero, some of four bits."""
    x = random.integers(0, 256, (ROWS, threads)) >> random.choice((0, 4, 8), (ROWS, threads))
    w = random.integers(-128, 128, (threads, COLS)) * random.choice((0, 1, 1), (threads, COLS))
    return x.astype(np.uint8), w.astype(np.int8)


def _bits(operands: np.ndarray, threads: int) -> int:
    """Operands [threads, lanes] of a step: lane after lane, four threads each, of which the others are zero."""
    step = np.zeros((operands.shape[1], 4), np.uint8)
    step[:, :threads] = operands.T.astype(np.uint8)
    return int.from_bytes(step.tobytes(), "little")
