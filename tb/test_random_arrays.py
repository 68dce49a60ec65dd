# SPDX-License-Identifier: Apache-2.0
"""Random arrays against a second opinion: RTL beside the slow reference, sums, counters and cycles.

Every field is drawn, and so are the sizes of products, threads and stalls; what a configuration refuses is drawn again.
"""

import dataclasses

import numpy as np
import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import CLUSTERS, DRAINS, ArrayConfig
from sysmt.hdl.params.kinds.nbsmt import ROUNDINGS
from sysmt.hdl.params.kinds.sparq import TRIMS, WINDOWS
from sysmt.hdl.params.pe import PIPELINES, TARGETS
from sysmt.hdl.params.policy import POLICIES
from sysmt.sim.cosim import rtl
from sysmt.sim.cost.array import sequence_cycles
from sysmt.sim.golden.conv1d import ConvRows

from . import pysim
from .mutants import seeded_bug
from .references import product as reference

FEW, MANY = range(10), range(10, 210)
SIZES = {2: ((1, 1), (1, 2), (2, 1)), 12: tuple((r, c) for r in range(1, 5) for c in range(1, 4))}
"""Rows and columns, by the most PEs: the simulator compiles every one."""


def random_config(random, most):
    """Any array that is not refused, of few PEs."""
    flip = (False, True)
    kinds = {
        "nbsmt": {"threads": (1, 2, 4), "policy": tuple(POLICIES), "rounding": ROUNDINGS, "fuse": (False, False, True)},
        "sparq": {"pairs": (1, 2), "window": tuple(WINDOWS), "trim": TRIMS, "vsparq": (True, True, False)}
        | {"signed_window": (False, True), "stc": flip},
    }
    targets = {
        "asic": {"pipeline": PIPELINES[:2], "clock_gating": flip, "cluster": (1, *CLUSTERS)},
        "fpga": {"pipeline": PIPELINES, "dsp": flip},
    }
    while True:
        name, target = ("nbsmt", "sparq")[random.random() < 0.4], TARGETS[random.integers(len(TARGETS))]
        choices = kinds[name] | targets[target] | {"target": (target,)}
        choices |= {"drain": DRAINS, "counters": flip, "acc_width": (17, 18, 20, 24, 31, 32)}
        drawn = {field: values[random.integers(len(values))] for field, values in choices.items()}
        rows, cols = SIZES[most][random.integers(len(SIZES[most]))]
        try:
            return ArrayConfig().with_fields(kind=name, rows=rows, cols=cols, **drawn)
        except ConfigError:
            continue


def operands(random, m, k, n):
    live = random.random(2)
    x = random.integers(0, 256, (m, k)) * (random.random((m, k)) < live[0])
    # Narrow ones, too.
    x = np.where(random.random((m, k)) < 0.3, x & 15, x)
    w = random.integers(-128, 128, (k, n)) * (random.random((k, n)) < 0.3 + 0.7 * live[1])
    return x.astype(np.uint8), w.astype(np.int8)


def with_two_of_four(random, w):
    """The weights with two at random of each four along K at zero."""
    keys = random.random((len(w) + -len(w) % 4, w.shape[1])).reshape(-1, 4, w.shape[1])
    kept = (keys.argsort(axis=1).argsort(axis=1) < 2).reshape(-1, w.shape[1])[: len(w)]
    return np.where(kept, w, 0).astype(np.int8)


def longest(pe):
    """The longest K on any number of threads: exact products of narrow lanes take two steps."""
    return pe.k_max // 2 if pe.kind == "sparq" and pe.narrow.bits < 4 else pe.k_max


def random_jobs(random, config):
    """Products and, where the array has them, 1-D convolutions; each on any number of threads."""
    jobs = []
    for _ in range(random.integers(1, 4)):
        m, n = (int(random.integers(1, 2 * size + 2)) for size in (config.rows, config.cols))
        threads = config.pe.throttles[random.integers(len(config.pe.throttles))]
        if config.fuse and random.random() < 0.5:
            taps = int(random.integers(1, min(6, config.pe.k_max) + 1))
            x, w = operands(random, m, taps + int(random.integers(0, 6)), taps)
            rows = ConvRows(x, np.ascontiguousarray(w[:1].repeat(m, axis=0)), stride=int(random.integers(1, 4)))
            jobs.append((rows, None, threads))
        else:
            k = int(random.integers(1, min(17, longest(config.pe)) + 1))
            x, w = operands(random, m, k, n)
            if getattr(config.pe, "stc", False) and threads == config.pe.threads:
                w = with_two_of_four(random, w)
            jobs.append((x, w, threads))
    return jobs


def expected(job, config, zero):
    """Sums and counters, by the slow reference."""
    x, w, threads = job
    if not isinstance(x, ConvRows):
        return reference.matmul(x, w, config.pe, threads, zero)
    starts = np.arange(x.pixels) * x.stride
    windows = [np.stack([row[s : s + x.taps] for s in starts]) for row in x.x]
    filters = [np.ascontiguousarray(f[:, None]) for f in x.w]
    parts = [reference.matmul(a, f, config.pe, threads) for a, f in zip(windows, filters, strict=True)]
    return dataclasses.replace(parts[0], sums=np.stack([part.sums[:, 0] for part in parts]))


def check(seed, monkeypatch, most=2):
    """One configuration, its products back to back."""
    random = np.random.default_rng(seed)
    config = random_config(random, most)
    jobs = random_jobs(random, config)
    stalls = tuple(random.choice([0.0, 0.3, 0.6], 3).tolist()) if random.random() < 0.7 else (0.0, 0.0, 0.0)
    signed = getattr(config.pe, "signed_window", False)
    zeros = random.integers(0, 256, len(jobs)).tolist() if signed else [0] * len(jobs)
    monkeypatch.setattr(rtl, "run", pysim.run)
    found = rtl.products(jobs, config, stalls=stalls, zeros=zeros if signed else None, design=object())
    assert not found.refused, config
    wanted = [expected(job, config, zero) for job, zero in zip(jobs, zeros, strict=True)]
    for sums, product in zip(found.sums, wanted, strict=True):
        np.testing.assert_array_equal(sums, product.sums, str(config))
    if any(isinstance(x, ConvRows) for x, *_ in jobs):
        return  # Counted by steps of the row, which the reference does not have.
    if config.counters:
        total = {name: sum(getattr(p.counters, name) for p in wanted) for name in config.pe.EVENTS}
        assert {name: found.counters[name] for name in config.pe.EVENTS} == total, config
    if not any(stalls):
        tiles = [
            (-(-len(x) // config.rows) * -(-w.shape[1] // config.cols), config.pe.steps(len(w), threads))
            for x, w, threads in jobs
        ]
        assert found.cycles == sequence_cycles(tiles, config), config


@pytest.mark.parametrize("seed", FEW)
def test_ten_random_arrays(seed, monkeypatch):
    check(seed, monkeypatch)


@pytest.mark.regress
@pytest.mark.parametrize("seed", MANY)
def test_two_hundred_random_arrays(seed, monkeypatch):
    check(seed, monkeypatch, 12)


def test_the_draw_reaches_every_value():
    configs = [random_config(np.random.default_rng(seed), 12) for seed in MANY]
    drawn = [config.as_dict() for config in configs]
    for field, values in {
        "kind": ("nbsmt", "sparq"),
        "policy": POLICIES,
        "rounding": ROUNDINGS,
        "window": WINDOWS,
        "trim": TRIMS,
        "vsparq": (False, True),
        "drain": DRAINS,
        "target": TARGETS,
        "pipeline": PIPELINES,
        "cluster": CLUSTERS,
        "threads": (1, 2, 4),
        **dict.fromkeys(("fuse", "counters", "dsp", "clock_gating", "signed_window", "stc"), (False, True)),
    }.items():
        assert {row[field] for row in drawn if field in row} == set(values), field
    assert len(set(configs)) == len(configs)


def test_a_seeded_bug_is_found(monkeypatch):
    """A sum that goes on from tile to tile."""
    with seeded_bug("sysmt.hdl.pe.element", "ProcessingElement", "base = Mux(begin, 0, total)", "base = total"):
        for seed in FEW:
            try:
                check(seed, monkeypatch)
            except AssertionError:
                return
    pytest.fail("no random array found it")
