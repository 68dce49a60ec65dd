# SPDX-License-Identifier: Apache-2.0
"""Tiles at the limits of what an array can run: the longest ones, with the largest sums, and those on fewer threads."""

import numpy as np
import pytest

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cosim import rtl
from sysmt.sim.golden.conv1d import ConvRows, convolve_rows
from sysmt.sim.golden.matmul import matmul

from . import pysim


@pytest.fixture(autouse=True)
def in_amaranth(monkeypatch):
    """No simulator to be built."""
    monkeypatch.setattr(rtl, "run", pysim.run)


def array(rows=1, cols=1, **fields):
    return ArrayConfig().with_fields(rows=rows, cols=cols, counters=False, **fields)


def name(config):
    return "-".join(f"{v}" for v in config.as_dict().values())


LONG = [
    array(cols=2, acc_width=18),
    array(acc_width=20, threads=4, target="fpga"),
    array(cols=3, acc_width=18, fuse=True),
    array(acc_width=19, kind="sparq", target="fpga"),
]


@pytest.mark.parametrize("config", LONG, ids=name)
def test_the_longest_tiles_are_exact_and_a_longer_one_is_refused(config):
    """On any number of threads, back to back: the largest sums that there can be, of either sign."""
    jobs, pe = [], config.pe
    for threads in pe.throttles:
        for weight in (-128, 127):
            w = np.full((pe.k_max, config.cols), weight, np.int8)
            jobs.append((np.full((1, pe.k_max), 255, np.uint8), w, threads))
    more = {"fuse": 0, "taps": 0} if config.fuse else {}
    beyond = {"steps": pe.k_max // pe.threads + 1, "threads": pe.threads, "rows": 1, "cols": 1} | more
    found = rtl.products(jobs, config, then=beyond, design=object())
    assert found.refused
    for (x, w, threads), sums in zip(jobs, found.sums, strict=True):
        np.testing.assert_array_equal(sums, matmul(x, w, pe, threads).sums)


@pytest.mark.parametrize("config", [config for config in LONG if config.fuse], ids=name)
def test_the_longest_filters_are_exact_and_a_longer_one_is_refused(config):
    """As many taps as a sum can hold, each of them a phase of its own: `max_steps`."""
    taps = config.pe.k_max
    assert config.fuse_steps(config.cols, taps, taps) == config.max_steps
    x = np.full((1, taps * config.cols), 255, np.uint8)
    jobs = [(ConvRows(x, np.full((1, taps), weight, np.int8), stride=taps), None, None) for weight in (-128, 127)]
    beyond = {"steps": config.max_steps, "threads": 1, "rows": 1, "cols": 1, "fuse": 1, "taps": taps + 1}
    found = rtl.products(jobs, config, then=beyond, design=object())
    assert found.refused
    for (rows, _, _), sums in zip(jobs, found.sums, strict=True):
        assert rows.pixels == config.cols
        np.testing.assert_array_equal(sums, convolve_rows(rows, config.pe).sums)


@pytest.mark.parametrize(
    "config",
    [
        array(threads=4, target="fpga"),
        array(threads=4, policy="min", target="fpga"),
        array(kind="sparq", pairs=4, target="fpga"),
        array(kind="sparq", signed_window=True, target="fpga"),
    ],
    ids=name,
)
def test_operands_of_threads_that_do_not_run_are_ignored(config, monkeypatch):
    """Whatever lies in their place: the tile says on how many it runs, not its operands."""
    random, pe = np.random.default_rng(6), config.pe
    x, w = random.integers(0, 256, (1, 13), np.uint8), random.integers(-128, 128, (13, 1), np.int8)
    running = np.concatenate([np.full(pe.steps(13, threads), threads) for threads in pe.throttles])

    def run(name, bench, vectors, *_, **__):
        idle = np.arange(pe.threads) >= running[:, None, None]
        filled = {
            key: np.where(idle, random.integers(low, low + 255, vectors[key].shape), vectors[key])
            for key, low in (("x", 1), ("w", -128))
        }
        return pysim.run(name, bench, vectors | {key: v.astype(vectors[key].dtype) for key, v in filled.items()})

    monkeypatch.setattr(rtl, "run", run)
    zeros = [99] * len(pe.throttles) if pe.zero_width else None
    jobs = [(x, w, threads) for threads in pe.throttles]
    found = rtl.products(jobs, config, zeros=zeros, design=object())
    for threads, sums in zip(pe.throttles, found.sums, strict=True):
        np.testing.assert_array_equal(sums, matmul(x, w, pe, threads, zero=99 if zeros else 0).sums)
