# SPDX-License-Identifier: Apache-2.0
"""The order of a product's runs: whole, within the memories, never more bytes over the link than row by row."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmt.base.errors import ConfigError
from sysmt.boards.plan import Plan
from sysmt.boards.session import Session
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.presets import ACCELERATORS
from sysmt.hdl.params.protocol import ARGUMENTS, CRC, HEADER, Opcode
from sysmt.hdl.params.registers import STATE
from sysmt.sim.cost.runs.order import best_runs, chosen_runs, plain_runs
from sysmt.sim.cost.runs.product import AccelProduct, link_bytes
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.requantize import Requantize

SMALL = {
    name: dataclasses.replace(ACCELERATORS[name], depth=32, result_rows=32, slot=128, channels=16)
    for name in ("accel_os2", "accel_sysmt2_4", "accel_sysmt4_2")
}
SMALL["2:4"] = SMALL["accel_sysmt2_4"].with_fields(array={"kind": "sparq", "stc": True, "cols": 3})


class CountingLink:
    """A link that counts the bytes of its frames; every result is zero."""

    def __init__(self, config: AccelConfig):
        self.config, self.out, self.back = config, 0, 0

    def registers(self, first: int, count: int) -> list[int]:
        return [STATE["runs"].to_int({"issued": 1, "finished": 1})]

    def submit(self, command: Opcode, payload: bytes) -> bytes:
        around = HEADER.size + CRC.size + 2
        arguments = ARGUMENTS[command].unpack(payload)
        each = self.config.array.cols * (1 if arguments.get("requantize") else 4)
        answer = bytes(arguments["rows"] * each if command is Opcode.READ else 0)
        assert len(payload) + around - 2 <= self.config.slot
        self.out += around + len(payload)
        self.back += around + 1 + len(answer)
        return answer

    def wait(self, *requests: bytes) -> list[bytes]:
        return list(requests)


def unit(n: int) -> Requantize:
    shape = np.zeros(n, np.int64)
    return Requantize(multiplier=shape + (1 << 30), shift=shape - 1, bias=shape, zero_point=0, low=-128, high=127)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(SMALL)), st.integers(1, 40), st.integers(1, 300), st.integers(1, 30), st.booleans())
def test_bytes_are_those_of_the_session(name, m, k, n, requantized):
    config = SMALL[name]
    threads = config.array.pe.threads
    x, w = np.zeros((m, k), np.uint8), np.zeros((k, n), np.int8)
    plan = Plan(x, w, config, threads, requantized)
    link = CountingLink(config)
    session = Session(link, config, plan, threads, unit(n) if plan.on_board else None)
    session.work(list(plan.runs), np.zeros((m, n), np.int64), lambda done: None)
    counted = link_bytes(plan.product, plan.runs)
    assert (link.out, link.back) == (counted.out, counted.back)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(SMALL)), st.integers(1, 60), st.integers(1, 400), st.integers(1, 60), st.booleans())
def test_never_more_bytes_and_every_output_once(name, m, k, n, requantized):
    config = SMALL[name]
    threads = config.array.pe.threads
    whole = config.array.pe.steps(k, threads) <= config.depth
    product = AccelProduct(m, k, n, config, threads, requantized and whole)
    plain, best, chosen = plain_runs(product), best_runs(product), chosen_runs(product)
    bytes_of = {key: link_bytes(product, runs).total for key, runs in (("plain", plain), ("best", best))}
    assert bytes_of["best"] <= bytes_of["plain"]
    assert chosen == (best if bytes_of["best"] <= 0.9 * bytes_of["plain"] else plain)
    for runs in (plain, best):
        seen = np.zeros((product.m_tiles, product.n_tiles, product.steps), int)
        for run in runs:
            assert run.m_tiles * run.steps <= config.depth
            assert run.n_tiles * run.steps <= config.depth
            assert run.m_tiles * run.n_tiles * config.array.rows <= config.result_rows
            assert run.n_tiles * config.array.cols <= config.channels
            part = (slice(run.m_tile, run.m_tile + run.m_tiles), slice(run.n_tile, run.n_tile + run.n_tiles))
            seen[(*part, slice(run.first, run.first + run.steps))] += 1
            assert run.m_tile + run.m_tiles <= product.m_tiles
            assert run.n_tile + run.n_tiles <= product.n_tiles
        assert (seen == 1).all()
        if product.requantized:
            assert all(run.steps == product.steps for run in runs)


@pytest.mark.parametrize("name", ["accel_sysmt2_8", "accel_sysmt4_8", "accel_os16"])
def test_a_large_product_moves_far_fewer_bytes(name):
    config = ACCELERATORS[name]
    product = AccelProduct(512, 1152, 256, config, config.array.pe.threads)
    plain, chosen = link_bytes(product, plain_runs(product)), link_bytes(product, chosen_runs(product))
    assert chosen.total < 0.75 * plain.total


def test_a_product_of_too_many_runs_is_refused():
    """Before any of them is planned: their order would be sought for minutes."""
    product = "^product 4096x4096x11008 must take at most 1048576 runs of the array, not 11272192; split it, .*"
    with pytest.raises(ConfigError, match=product):
        AccelProduct(4096, 4096, 11008, ACCELERATORS["accel_os8"], 1)
    assert AccelProduct(2048, 2048, 2048, ACCELERATORS["accel_os8"], 1).m_tiles == 256


def test_sums_are_those_of_the_product():
    """The parts of every run, multiplied by the golden model's rule for whole products, add up in any order."""
    config = SMALL["accel_os2"]
    random = np.random.default_rng(3)
    x, w = random.integers(0, 256, (9, 150), np.uint8), random.integers(-128, 128, (150, 11), np.int8)
    plan = Plan(x, w, config, 1)
    assert len({run.first for run in plan.runs}) > 1
    out = np.zeros((9, 11), np.int64)
    rows, cols = config.array.rows, config.array.cols
    for run in plan.runs:
        steps = {
            "x": plan.x_words(run).reshape(run.m_tiles, run.steps, rows).astype(np.int64),
            "w": plan.w_words(run).view(np.int8).reshape(run.n_tiles, run.steps, cols).astype(np.int64),
        }
        tiles = np.einsum("msr,nsc->mnrc", steps["x"], steps["w"])
        plan.accumulate(run, tiles.reshape(-1, cols), out)
    np.testing.assert_array_equal(out, matmul(x, w, config.array.pe).sums)
