# SPDX-License-Identifier: Apache-2.0
"""Depthwise layers as block-diagonal products: exact on every PE that detects zeros, and as fast as the model says."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim.engine import RtlEngine
from sysmt.sim.cosim.rtl import products as on_rtl
from sysmt.sim.cost.depthwise import block_diagonal, block_diagonal_cycles
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Counters
from sysmt.sim.nn.depthwise import BlockDiagonal
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.layer import MatrixProducts

from .layers import layer
from .references.product import matmul as reference

ZEROS = tuple(name for name, policy in POLICIES.items() if policy.detects_zeros)


def operands(seed, m, taps, channels, filters):
    """Wide and narrow, zero and not: what every policy would reduce."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (m, taps, channels), np.uint8) * (random.random((m, taps, channels)) < 0.8)
    w = random.integers(-128, 128, (taps, channels * filters), np.int8) * (random.random((taps, 1)) < 0.9)
    return x.astype(np.uint8), w.astype(np.int8)


def plainly(x, w):
    """The layer by its definition."""
    filters = w.shape[1] // x.shape[2]
    return np.einsum("mtc,tcf->mcf", x.astype(int), w.astype(int).reshape(len(w), -1, filters)).reshape(len(x), -1)


def lowered(lowering, x, w, pe, multiply=matmul):
    """All products of a lowering."""
    done = [multiply(group.x(x), group.w(w), pe, lowering.threads) for group in lowering.groups()]
    return np.concatenate([p.sums for p in done], axis=1), sum((p.counters for p in done), Counters())


@given(
    st.sampled_from(ZEROS),
    st.sampled_from((1, 2, 4)),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from((1, 3, 4, 9, 10)),
    st.integers(1, 3),
    st.integers(0, 2**16),
)
def test_every_lowering_is_exact_under_every_policy_that_detects_zeros(
    policy, threads, channels, group, taps, filters, seed
):
    pe = PEConfig(threads=threads, policy=policy)
    x, w = operands(seed, 5, taps, channels, filters)
    lowering = BlockDiagonal(channels=channels, filters=filters, taps=taps, group=group, threads=threads)
    sums, counters = lowered(lowering, x, w, pe)
    np.testing.assert_array_equal(sums, plainly(x, w))
    assert counters.reduced == counters.collisions == 0
    golden = Golden(pe).depthwise(x, w, threads)
    np.testing.assert_array_equal(golden.sums, sums)
    assert golden.counters == counters
    assert (
        counters.active
        == counters.busy
        == np.einsum("mtc,tcf->", x != 0, (w != 0).reshape(taps, channels, filters), dtype=int)
    )


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("policy", ZEROS)
def test_the_slow_model_agrees(policy, threads):
    pe = PEConfig(threads=threads, policy=policy)
    x, w = operands(3, 3, 4, 5, 2)
    lowering = BlockDiagonal(channels=5, filters=2, taps=4, group=3, threads=threads)
    for multiply in (matmul, reference):
        sums, counters = lowered(lowering, x, w, pe, multiply)
        np.testing.assert_array_equal(sums, plainly(x, w))
        assert counters == Golden(pe).depthwise(x, w, threads).counters


def test_the_layout_of_the_operands():
    """Channel after channel along K; a column has weights under its own channel only; zero slots at the end."""
    x = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    w = np.arange(1, 31, dtype=np.int8).reshape(3, 10)
    lowering = BlockDiagonal(channels=5, filters=2, taps=3, group=2, threads=4)
    first, second, last = lowering.groups()
    assert [(g.first, g.channels, g.k, g.n) for g in (first, second, last)] == [
        (0, 2, 12, 4),
        (2, 2, 12, 4),
        (4, 1, 12, 2),
    ]
    assert first.slots().tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert second.x(x)[1].tolist() == [17, 22, 27, 18, 23, 28, 0, 0, 0, 0, 0, 0]
    assert second.w(w)[:6].tolist() == [
        [5, 6, 0, 0],
        [15, 16, 0, 0],
        [25, 26, 0, 0],
        [0, 0, 7, 8],
        [0, 0, 17, 18],
        [0, 0, 27, 28],
    ]
    assert not second.w(w)[6:].any()
    assert last.w(w).tolist() == [[9, 10], [19, 20], [29, 30], *[[0, 0]] * 9]


@pytest.mark.parametrize("policy", [name for name in POLICIES if name not in ZEROS])
def test_policies_without_zero_detection_run_channel_by_channel(policy):
    config = ArrayConfig(pe=PEConfig(threads=2, policy=policy))
    assert block_diagonal(MatrixProducts(16, 100, 9, 1), config) == BlockDiagonal(channels=16, filters=1, taps=9)
    x, w = operands(1, 5, 9, 2, 1)
    message = (
        "depthwise layers must run channel by channel and on one thread of this PE, not 1 channels on 2: it reduces "
        "operands of a lone thread; choose a policy that detects zeros"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Golden(config.pe).depthwise(x, w, 2)
    grouped = BlockDiagonal(channels=2, filters=1, taps=9, group=2)
    with pytest.raises(ConfigError, match=r"^depthwise layers must .* not 2 channels on 1: "):
        block_diagonal_cycles(grouped, 5, config)
    sums, counters = lowered(replace(grouped, threads=2), x, w, config.pe)
    assert counters.reduced > 0


@pytest.mark.parametrize("drain", ["overlap", "in_place"])
@pytest.mark.parametrize(
    ("rows", "cols", "threads", "shape"),
    [
        (4, 4, 2, MatrixProducts(6, 9, 9, 1)),
        (4, 4, 4, MatrixProducts(3, 9, 9, 1)),
        (2, 3, 4, MatrixProducts(7, 5, 4, 1)),
        (4, 4, 2, MatrixProducts(5, 9, 3, 2)),
        (2, 2, 2, MatrixProducts(2, 3, 9, 5)),
    ],
)
def test_the_rtl_computes_counts_and_takes_what_the_models_say(rows, cols, threads, drain, shape):
    config = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=threads), drain=drain)
    x, w = operands(5, shape.m, shape.k, shape.count, shape.n)
    engine = RtlEngine(config)
    found, golden = engine.depthwise(x, w, threads), Golden(config.pe).depthwise(x, w, threads)
    np.testing.assert_array_equal(found.sums, golden.sums)
    assert found.counters == golden.counters
    chosen = block_diagonal(shape, config, threads)
    assert engine.cycles == block_diagonal_cycles(chosen, shape.m, config)
    for group in range(1, 4):
        other = BlockDiagonal.of(shape, group, threads)
        run = on_rtl([(g.x(x), g.w(w), threads) for g in other.groups()], config)
        np.testing.assert_array_equal(np.concatenate(run.sums, axis=1), golden.sums)
        assert run.cycles == block_diagonal_cycles(other, shape.m, config) >= engine.cycles or group * shape.n > cols


def test_threads_hold_different_channels():
    """Steps per 8x8 outputs of a 3x3 layer: 72 with one column at a time, then T times fewer."""
    shape = MatrixProducts(8, 8, 9, 1)
    for threads, steps in ((1, 72), (2, 36), (4, 18)):
        lowering = block_diagonal(shape, preset(f"sysmt{threads}_8" if threads > 1 else "os8", ArrayConfig))
        assert sum(group.steps(PEConfig(threads=threads)) for group in lowering.groups()) == steps
        assert lowering.operands_per_step(PEConfig(threads=threads)) == threads


def test_the_number_of_channels_is_chosen_for_the_least_padding():
    """Four threads, five columns: four channels a product leave no zero slot, five would."""
    config = ArrayConfig(rows=2, cols=5, pe=PEConfig(threads=4))
    assert block_diagonal(MatrixProducts(40, 100, 9, 1), config).group == 4


def test_k_is_bounded_by_the_accumulator():
    config = ArrayConfig(pe=PEConfig(threads=2, acc_width=20))
    assert config.pe.k_max == 16
    assert block_diagonal(MatrixProducts(8, 64, 4, 1), config).group == 4
    with pytest.raises(ConfigError, match=r"^K = 25 could overflow acc_width = 20: at most 16 fit"):
        block_diagonal(MatrixProducts(8, 64, 25, 1), config)


def test_layers_take_what_their_products_take():
    config = preset("sysmt2_8", ArrayConfig)
    one = layer(kind="depthwise", height=12, width=10, channels=20, outputs=40, kernel=(3, 3), stride=(2, 1))
    cycles = block_diagonal_cycles(block_diagonal(one.products, config), one.pixels, config)
    assert RtlCycles(config).layer_cycles(one) == cycles
    assert RtlCycles(config, block_diagonal=False).layer_cycles(one) > cycles
