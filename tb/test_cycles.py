# SPDX-License-Identifier: Apache-2.0
"""Cycle models: published totals and speed-ups, golden layers, closed forms, tiles counted one by one."""

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.array import ArrayConfig, PEConfig
from sysmt.sim.cost import METHODS, evaluate, scalesim
from sysmt.sim.cost.array import fuse_cycles, matmul_cycles
from sysmt.sim.cost.fuseconv import FuseConvCycles
from sysmt.sim.cost.scalesim import ScaleSimCycles
from sysmt.sim.cost.speedups import PUBLISHED, speedups
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.networks import NETWORKS, VARIANTS, network
from sysmt.sim.nn.readers.topology import read_topology

from .layers import layer as make_layer
from .shared import shared

ARRAY = ArrayConfig(rows=64, cols=64)
TOTALS = {
    "mobilenet_v1": {"baseline": 2536900, "full": 621300, "half": 375260},
    "mobilenet_v2": {"baseline": 2979156, "full": 576770, "half": 411910},
}
"""Published cycles at 64x64 (FuSeConv, authors' scripts)."""

GOLDEN_NAMES = {"mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2"}
GOLDEN_VARIANTS = {"baseline": "baseline", "full": "FuSeFull", "half": "FuSeHalf"}


@pytest.mark.parametrize("variant", ["baseline", "full", "half"])
@pytest.mark.parametrize("name", TOTALS)
def test_published_totals(name, variant):
    assert evaluate(network(name, variant), ARRAY, method="fuseconv").total == TOTALS[name][variant]


def test_published_speedups():
    """Published with one or two digits, some cut and some rounded: MobileNet-V1's 2.3 is furthest away, at 2.20."""
    rows = speedups(ARRAY)
    assert len(rows) == 20
    for row in rows:
        last_digit = 0.1 if row.published == round(row.published, 1) else 0.01
        assert row.model == pytest.approx(row.published, abs=last_digit), row


@pytest.mark.parametrize("variant", ["baseline", "full", "half"])
@pytest.mark.parametrize("name", TOTALS)
def test_fuseconv_equals_every_golden_line(name, variant):
    path = shared("reference", "fuseconv", f"{GOLDEN_NAMES[name]}_{GOLDEN_VARIANTS[variant]}_64x64.csv")
    with open(path, newline="") as file:
        golden = [{key: int(value) for key, value in row.items() if key != "kind"} for row in csv.DictReader(file)]
    ours = [
        {
            "idx": i,
            "in_h": layer.geometry.size[0],
            "in_w": layer.geometry.size[1],
            "cin": layer.channels,
            "cout": layer.outputs,
            "kh": layer.kernel[0],
            "kw": layer.kernel[1],
            "sh": layer.stride[0],
            "sw": layer.stride[1],
            "ph": layer.geometry.padding[0][0],
            "pw": layer.geometry.padding[1][0],
            "groups": layer.products.count,
            "oh": layer.out_size[0],
            "ow": layer.out_size[1],
            "macs": layer.macs,
            "cycles_floor": FuseConvCycles(64, 64, floor=True).layer_cycles(layer),
            "cycles_unfloored_published": FuseConvCycles(64, 64).layer_cycles(layer),
        }
        for i, layer in enumerate(network(name, variant))
    ]
    assert ours == golden


@pytest.mark.parametrize(
    ("file", "topology", "size"),
    [("Resnet18_64x64_os.csv", "Resnet18.csv", 64), ("mobilenet_32x32_os.csv", "mobilenet.csv", 32)],
)
def test_scalesim_equals_every_golden_line(file, topology, size):
    layers = read_topology(shared("data", "topologies", "scalesim", "conv_nets", topology))
    report = evaluate(layers, ArrayConfig(rows=size, cols=size), method="scalesim")
    with open(shared("reference", "scalesim", file), newline="") as handle:
        golden = list(csv.DictReader(handle))
    for row, expected in zip(report.layers, golden, strict=True):
        name, p = expected["layer"], row.layer.products
        assert row.layer.name == name
        assert row.cycles == int(expected["cycles_scalesim"]), name
        assert row.layer.macs == int(expected["macs"]), name
        assert (p.m, p.n, p.k) == tuple(int(expected[key]) for key in ("Sr", "Sc", "T")), name
        assert scalesim.folds(p.m, p.k, p.n, size, size).count == int(expected["folds"]), name
        assert f"{100 * row.utilisation:.4f}" == expected["overall_util_pct"], name


SCALESIM_LAYERS = (
    Layer.gemm("A", 5, 3, 2),
    Layer.gemm("B", 13, 30, 9),
    Layer.gemm("C", 1, 17, 20),
    Layer.gemm("D", 40, 5, 3),
    make_layer(
        name="F",
        kind="conv",
        height=10,
        width=9,
        channels=4,
        outputs=6,
        kernel=(3, 3),
        stride=(2, 2),
        ceil_mode=True,
    ),
    make_layer(name="G", kind="conv", height=7, width=7, channels=5, outputs=3),
)


@pytest.mark.parametrize(
    ("dataflow", "cycles", "percent"),
    [
        ("os", [15, 419, 153, 99, 409, 129], [16.6667, 69.8091, 18.5185, 50.5051, 88.0196, 47.4806]),
        ("ws", [13, 527, 349, 97, 521, 115], [19.2308, 55.5028, 8.1184, 51.5464, 69.0979, 53.2609]),
        ("is", [21, 719, 144, 335, 944, 407], [11.9048, 40.6815, 19.6759, 14.9254, 38.1356, 15.0491]),
    ],
)
def test_scalesim_equals_what_it_printed_in_every_dataflow(dataflow, cycles, percent):
    """Recorded from SCALE-Sim 3.0.0 on a 4x3 array: total cycles and overall utilisation."""
    report = evaluate(SCALESIM_LAYERS, ArrayConfig(rows=4, cols=3), method="scalesim", dataflow=dataflow)
    assert [row.cycles for row in report.layers] == cycles
    assert [round(100 * row.utilisation, 4) for row in report.layers] == percent


def test_scalesim_first_layer_of_resnet18():
    """What SCALE-Sim 3.0.0 prints; its output size, 110, is rounded up."""
    fields = {"height": 224, "width": 224, "channels": 3, "outputs": 64, "kernel": (7, 7), "stride": (2, 2)}
    layer = make_layer(name="Conv1", kind="conv", **fields, ceil_mode=True)
    assert ScaleSimCycles(64, 64).layer_cycles(layer) == 51869


@pytest.mark.parametrize(("dataflow", "cycles"), [("os", 55), ("ws", 74), ("is", 197)])
def test_scalesim_runs_depthwise_channels_one_by_one(dataflow, cycles):
    """Recorded from SCALE-Sim 3.0.0 on a 4x3 array: what it prints for each of the four channels of a "DP" layer."""
    fields = {"height": 9, "width": 8, "channels": 4, "outputs": 8, "kernel": (3, 3), "stride": (2, 2)}
    layer = make_layer(name="DP1", kind="depthwise", **fields, ceil_mode=True)
    assert ScaleSimCycles(4, 3, dataflow).layer_cycles(layer) == 4 * cycles


def test_fuseconv_counts_the_whole_padded_line():
    """14 pixels and one of padding on each side take two folds of an array 14 across, one of an array 16 across."""
    layer = make_layer(
        name="x", kind="fuse_row", height=14, width=14, channels=4, outputs=4, kernel=(1, 3), padding=(0, 1)
    )
    assert FuseConvCycles(14, 14).layer_cycles(layer) == 4 * 2 * (14 + 3)
    assert FuseConvCycles(14, 16).layer_cycles(layer) == 4 * 1 * (16 + 3)
    fields = {"height": 14, "width": 14, "channels": 4, "outputs": 4}
    col = make_layer(kind="fuse_col", kernel=(3, 1), padding=(1, 0), **fields)
    assert FuseConvCycles(14, 16).layer_cycles(col) == 4 * 2 * (14 + 3)


configs = st.builds(
    ArrayConfig,
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    pe=st.builds(PEConfig, threads=st.sampled_from((1, 2, 4)), pipeline=st.sampled_from((0, 1))),
    drain=st.sampled_from(("overlap", "in_place")),
)


def tile_by_tile(widths, steps_of, config):
    """Start every tile when the one before has handed its sums over, and that when the drain has room for them."""
    start, ready = 0, 0
    for width in widths:
        over = start + steps_of(width)
        if config.drain == "overlap":
            over = max(over, ready)
            start, ready = over, over + config.rows
        else:
            start = over + config.rows
    return over + config.latency


def split(size, limit):
    return [min(limit, size - at) for at in range(0, size, limit)]


@given(configs, *[st.integers(1, 40)] * 3, st.integers(1, 3))
def test_rtl_products_tile_by_tile(config, m, k, n, count):
    tiles = [across for _ in range(count) for _ in split(m, config.rows) for across in split(n, config.cols)]
    steps = -(-k // config.pe.threads)
    assert matmul_cycles(m, k, n, config, count=count) == tile_by_tile(tiles, lambda _: steps, config)
    assert matmul_cycles(m, k, n, config, 1, count=count) == tile_by_tile(tiles, lambda _: k, config)


@given(configs, st.integers(1, 40), st.integers(1, 30), st.integers(1, 7), st.integers(1, 2))
def test_rtl_convolutions_tile_by_tile(config, rows, pixels, taps, stride):
    widths = sorted(split(pixels, config.cols))
    tiles = [width for width in widths for _ in split(rows, config.rows)]
    part = -(-taps // config.pe.threads)
    phases = [len(range(phase, part, stride)) for phase in range(min(stride, part))]
    expected = tile_by_tile(tiles, lambda width: sum(width - 1 + count for count in phases), config)
    assert fuse_cycles(rows, pixels, taps, config, stride=stride) == expected


def test_rtl_runs_every_stage_of_a_layer_on_its_own_rows():
    fields = {"height": 10, "width": 7, "channels": 3, "outputs": 3, "stride": (2, 1)}
    row = make_layer(name="row", kind="fuse_row", kernel=(1, 3), padding=(0, 1), **fields)
    col = make_layer(name="col", kind="fuse_col", kernel=(5, 1), padding=(2, 0), **fields)
    report = evaluate([row, col], ArrayConfig(rows=4, cols=4))
    assert report.layers[0].cycles == fuse_cycles(5 * 3, 7, 3, ArrayConfig(rows=4, cols=4))
    assert report.layers[1].cycles == fuse_cycles(7 * 3, 5, 5, ArrayConfig(rows=4, cols=4), stride=2)


def test_rtl_depthwise_is_one_column_per_channel():
    layer = make_layer(
        name="x", kind="depthwise", height=8, width=8, channels=5, outputs=5, kernel=(3, 3), padding=(1, 1)
    )
    cycles = evaluate([layer], ArrayConfig(rows=16, cols=16), optimise=False).total
    assert cycles == (5 * 4 - 1) * 16 + 9 + ArrayConfig(rows=16, cols=16).latency


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [8, 64, 256])
def test_no_layer_does_more_than_the_array_can(method, size):
    config = ArrayConfig(rows=size, cols=size)
    for name in NETWORKS:
        for variant in VARIANTS:
            report = evaluate(network(name, variant), config, method=method)
            assert all(0 < row.utilisation <= 1 for row in report.layers)
            assert report.total == sum(row.cycles for row in report.layers)


def test_threads_lengthen_no_layer():
    layers = network("mobilenet_v2", "half")
    two = ArrayConfig(rows=16, cols=16, pe=PEConfig(threads=2))
    one = evaluate(layers, ArrayConfig(rows=16, cols=16))
    throttled = evaluate(layers, two, threads=1)
    assert throttled == one
    for before, after in zip(one.layers, evaluate(layers, two).layers, strict=True):
        assert after.cycles <= before.cycles


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "hdl"}, "method must be one of rtl, fuseconv, scalesim, not 'hdl'"),
        ({"method": "scalesim", "dataflow": "rs"}, "dataflow must be one of os, ws, is, not 'rs'"),
        ({"dataflow": "ws"}, "dataflow must be os with method rtl, not 'ws'; method scalesim has all three"),
        ({"threads": 2}, "threads must be one of 1, not 2"),
    ],
)
def test_impossible_choices_are_refused(options, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        evaluate(network("mobilenet_v1"), ARRAY, **options)


def test_threads_of_a_model_without_them_are_refused():
    config = ArrayConfig(pe=PEConfig(threads=2))
    with pytest.raises(UserError, match=r"^threads must be 1 with method fuseconv, not 2; method rtl has threads$"):
        evaluate(network("mobilenet_v1"), config, method="fuseconv")


def test_a_reduction_that_could_overflow_is_refused_with_its_layer():
    config = ArrayConfig(pe=PEConfig(acc_width=17))
    with pytest.raises(ConfigError, match=r"^layer stem: K = 27 could overflow acc_width = 17: at most 2 fit"):
        evaluate(network("mobilenet_v1"), config)


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_empty_products_are_refused(shape):
    with pytest.raises(UserError, match=r"^[MKN] must be at least 1, not 0$"):
        matmul_cycles(*shape, ARRAY)


def test_every_published_speedup_is_compared():
    assert {name: set(row) for name, row in PUBLISHED.items()} == {name: set(VARIANTS[1:]) for name in NETWORKS}
