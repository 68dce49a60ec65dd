# SPDX-License-Identifier: Apache-2.0
"""Depthwise layers as matrix products: exact on every PE that detects zeros, and as fast as the model says."""

import itertools
import re
from dataclasses import asdict, replace

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
from sysmt.sim.cost.depthwise import (
    block_diagonal,
    block_diagonal_cycles,
    depthwise_cycles,
    depthwise_lowering,
)
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Counters
from sysmt.sim.nn.depthwise import BlockDiagonal
from sysmt.sim.nn.depthwise_patches import DepthwiseLowering
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.geometry import Geometry
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
    golden = Golden(pe).depthwise(x, w)
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
        assert counters == Golden(pe).depthwise(x, w).counters


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
def test_policies_without_zero_detection_run_on_one_thread(policy):
    config, alone = (ArrayConfig(pe=PEConfig(threads=threads, policy=policy)) for threads in (2, 1))
    products = MatrixProducts(16, 100, 9, 1)
    assert block_diagonal(products, config) == block_diagonal(products, alone)
    x, w = operands(1, 5, 9, 2, 1)
    message = (
        "depthwise layers must run on one thread of this PE, not 2 channels on 2: it reduces operands of a lone "
        "thread; choose a policy that detects zeros"
    )
    grouped = BlockDiagonal(channels=2, filters=1, taps=9, group=2, threads=2)
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        block_diagonal_cycles(grouped, 5, config)
    sums, counters = lowered(grouped, x, w, config.pe)
    assert counters.reduced > 0
    small = layer(kind="depthwise", height=3, width=3, channels=2, outputs=2, kernel=(3, 3), padding=(1, 1))
    large = layer(kind="depthwise", height=24, width=24, channels=8, outputs=8, kernel=(3, 3), padding=(1, 1))
    assert depthwise_lowering(small, config) == depthwise_lowering(small, alone)
    assert depthwise_lowering(large, config) == depthwise_lowering(large, alone) != DepthwiseLowering.of(large)
    exact, counters = lowered(replace(grouped, threads=1), x, w, config.pe)
    np.testing.assert_array_equal(exact, Golden(PEConfig()).depthwise(x, w).sums)
    assert counters.reduced == 0
    for engine in (Golden(config.pe), RtlEngine(config)):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            engine.depthwise(x, w, DepthwiseLowering.of(small, group=2, threads=2))


@pytest.mark.parametrize(
    ("rows", "cols", "threads", "drain", "shape"),
    [
        (4, 4, 2, "overlap", MatrixProducts(6, 9, 9, 1)),
        (4, 4, 4, "overlap", MatrixProducts(3, 9, 9, 1)),
        (4, 4, 2, "overlap", MatrixProducts(5, 9, 3, 2)),
        (2, 2, 2, "in_place", MatrixProducts(2, 3, 9, 5)),
        (2, 2, 2, "in_place", MatrixProducts(6, 9, 9, 1)),
        pytest.param(2, 3, 4, "overlap", MatrixProducts(7, 5, 4, 1), marks=pytest.mark.regress),
        pytest.param(2, 3, 4, "in_place", MatrixProducts(7, 5, 4, 1), marks=pytest.mark.regress),
        pytest.param(2, 2, 2, "overlap", MatrixProducts(2, 3, 9, 5), marks=pytest.mark.regress),
        pytest.param(4, 4, 4, "in_place", MatrixProducts(3, 9, 9, 1), marks=pytest.mark.regress),
    ],
)
def test_the_rtl_computes_counts_and_takes_what_the_models_say(rows, cols, threads, drain, shape):
    config = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=threads), drain=drain)
    x, w = operands(5, shape.m, shape.k, shape.count, shape.n)
    golden = Golden(config.pe).depthwise(x, w)
    fastest = block_diagonal_cycles(block_diagonal(shape, config, threads), shape.m, config)
    for group in range(1, 4):
        lowering = BlockDiagonal.of(shape, group, threads)
        run = on_rtl([(g.x(x), g.w(w), threads) for g in lowering.groups()], config)
        np.testing.assert_array_equal(np.concatenate(run.sums, axis=1), golden.sums)
        assert {name: run.counters[name] for name in ("active", "busy", "collisions", "reduced")} == asdict(
            golden.counters
        )
        assert run.cycles == block_diagonal_cycles(lowering, shape.m, config)
        assert run.cycles >= fastest or group * shape.n > cols


geometries = st.builds(
    lambda size, kernel, stride, dilation, padding: (size, kernel, stride, dilation, padding),
    st.tuples(st.integers(5, 9), st.integers(5, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(0, 1), st.integers(0, 2)),
)


def images(seed, size, kernel, stride, dilation, padding, channels, filters, batch=2):
    """A depthwise layer, what lies under its kernel, and its weights."""
    (height, width), outputs = size, channels * filters
    one = layer(
        kind="depthwise",
        height=height,
        width=width,
        channels=channels,
        outputs=outputs,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=padding,
    )
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (batch, height, width, channels), np.uint8)
    image *= random.random(image.shape) < 0.8
    w = random.integers(-128, 128, (one.geometry.taps, outputs), np.int8)
    return one, one.geometry.im2col(image, 7), w * (random.random((len(w), 1)) < 0.9).astype(np.int8)


@given(
    geometries,
    st.tuples(st.integers(1, 4), st.integers(1, 3)),
    st.integers(1, 5),
    st.integers(1, 2),
    st.integers(1, 3),
    st.sampled_from((1, 2, 4)),
    st.integers(0, 2**16),
)
def test_patches_are_exact_whatever_the_geometry(geometry, patch, channels, filters, group, threads, seed):
    one, under, w = images(seed, *geometry, channels, filters)
    pe = PEConfig(threads=threads)
    lowering = DepthwiseLowering.of(one, patch, group, threads)
    done = [matmul(u, v, pe, threads) for u, v in lowering.products(under, w)]
    golden = Golden(pe).depthwise(under, w, lowering)
    np.testing.assert_array_equal(golden.sums, plainly(under, w))
    np.testing.assert_array_equal(lowering.sums([product.sums for product in done]), golden.sums)
    counters = sum((product.counters for product in done), Counters())
    assert counters == golden.counters
    assert counters.reduced == counters.collisions == 0


def test_a_patch_is_the_layer_with_a_larger_kernel_and_stride():
    one, _, w = images(3, (8, 8), (3, 3), (2, 2), (1, 1), (0, 0), 2, 1)
    image = np.random.default_rng(8).integers(0, 256, (1, 12, 12, 2), np.uint8)
    under = Geometry(size=(12, 12), kernel=(3, 3), stride=(2, 2)).im2col(image)[: 25 * 1]
    lowering = replace(DepthwiseLowering.of(one), out_size=(5, 5), patch=(1, 5))
    (u, _), (_, v) = lowering.products(under, w)
    large = Geometry(size=(12, 12), kernel=(3, 11), stride=(2, 10)).im2col(image)
    np.testing.assert_array_equal(u.reshape(5, 33), large[:, :, 0])
    # Pixel p of the patch has the filter 2 p columns further right.
    filters = v.reshape(3, 11, 5)
    for p in range(5):
        np.testing.assert_array_equal(filters[:, 2 * p : 2 * p + 3, p], w[:, 1].reshape(3, 3))
        assert np.count_nonzero(filters[:, :, p]) == np.count_nonzero(w[:, 1])


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize(
    ("geometry", "channels", "filters"),
    [
        (((5, 6), (3, 3), (1, 1), (1, 1), (1, 1)), 5, 1),
        (((7, 5), (3, 2), (2, 1), (1, 1), (0, 1)), 3, 2),
        (((6, 6), (2, 2), (1, 3), (2, 1), (0, 0)), 2, 1),
    ],
)
def test_the_fastest_lowering_on_the_rtl(geometry, channels, filters, threads):
    config = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=threads))
    one, under, w = images(9, *geometry, channels, filters, batch=1)
    lowering = depthwise_lowering(one, config)
    engine = RtlEngine(config)
    found, golden = engine.depthwise(under, w, lowering), Golden(config.pe).depthwise(under, w, lowering)
    np.testing.assert_array_equal(found.sums, golden.sums)
    assert found.counters == golden.counters
    assert engine.cycles == depthwise_cycles(lowering, 1, config) == RtlCycles(config, optimise=True).layer_cycles(one)
    plain = RtlEngine(config)
    np.testing.assert_array_equal(plain.depthwise(under, w).sums, golden.sums)
    assert plain.cycles == RtlCycles(config, 1).layer_cycles(one)
    assert engine.cycles < plain.cycles or lowering == DepthwiseLowering.of(one)


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from((1, 2, 4)),
    st.sampled_from(("overlap", "in_place")),
    geometries,
    st.integers(1, 7),
    st.integers(1, 2),
)
def test_no_lowering_is_faster_than_the_fastest(rows, cols, threads, drain, geometry, channels, filters):
    config = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=threads), drain=drain)
    one, _, _ = images(0, *geometry, channels, filters)
    chosen = depthwise_lowering(one, config)
    assert chosen.blocks.group * chosen.blocks.filters <= max(cols, chosen.filters)
    fastest = depthwise_cycles(chosen, 1, config)
    high, wide = one.out_size
    for patch in itertools.product(range(1, high + 1), range(1, wide + 1)):
        for group in range(1, channels + 1):
            other = DepthwiseLowering.of(one, patch, group, threads)
            if other.blocks.group * other.blocks.filters <= cols:
                assert depthwise_cycles(other, 1, config) >= fastest


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
