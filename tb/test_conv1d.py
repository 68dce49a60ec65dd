# SPDX-License-Identifier: Apache-2.0
"""The row-broadcast dataflow (FuSeConv) in the gates, against the golden model: sums, counters and cycles."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cosim.rtl import emitted_array, products
from sysmt.sim.cosim.simulator import SimulationError, available
from sysmt.sim.cost.array import fuse_cycles, matmul_cycles
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.golden.conv1d import ConvRows, convolve_rows, image_of_rows, rows_of_image
from sysmt.sim.golden.fuseconv import conv1d
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Counters
from sysmt.sim.nn.networks import network

from .mutants import one_bug_per_component

QUICK = "icarus" if available("icarus") else "verilator"
NAMES = ("active", "busy", "collisions", "reduced")
STALLS = (0.3, 0.2, 0.4)


def array(threads=1, rows=3, cols=4, **fields):
    return ArrayConfig().with_fields(threads=threads, rows=rows, cols=cols, fuse=True, **fields)


def rows(seed, count, length, taps, stride=1):
    """Lines with zeros, narrow and wide operands, every one with its own filter."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (count, length)) * (random.random((count, length)) < 0.7)
    w = random.integers(-128, 128, (count, taps)) >> random.integers(0, 6, (count, taps))
    return ConvRows(x.astype(np.uint8), w.astype(np.int8), stride)


def product(seed, m, k, n):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)


def check(config, jobs, simulator=QUICK, stalls=(0.0, 0.0, 0.0), design=None):
    """Run on the simulated RTL and compare sums and counters with the models."""
    result = products(jobs, config, simulator, stalls, design=design)
    counted = Counters()
    for (x, w, threads), sums in zip(jobs, result.sums, strict=True):
        golden = convolve_rows(x, config.pe, threads) if w is None else matmul(x, w, config.pe, threads)
        np.testing.assert_array_equal(sums, golden.sums)
        counted += golden.counters
    assert not result.refused
    assert {name: result.counters[name] for name in NAMES} == {name: getattr(counted, name) for name in NAMES}
    return result


def mixed(threads):
    """Wide, narrow, strided, throttled, many rows and few, between matrix products as short as one step."""
    some = [(rows(1, 3, 6, 3), None, None), (rows(2, 2, 1, 1), None, None), (*product(3, 3, 1, 4), None)]
    some += [(rows(4, 1, 2, 2), None, 1), (*product(5, 4, 9, 5), None), (rows(6, 7, 12, 5, 2), None, None)]
    some += [(rows(7, 3, 4, 1), None, threads), (*product(8, 2, 1, 2), None), (rows(9, 2, 1, 1), None, None)]
    return some + [(rows(10, 4, 13, 4, 3), None, None), (rows(11, 2, 9, 9), None, 1), (*product(12, 3, 5, 4), None)]


CASES = [
    array(),
    array(drain="in_place", pipeline=1),
    pytest.param(array(rows=4, cols=2, target="fpga"), marks=pytest.mark.regress),
    array(2),
    array(2, policy="A", drain="in_place"),
    pytest.param(array(2, policy="min", rows=1, cols=1), marks=pytest.mark.regress),
    array(4, policy="S+Aw", rows=1, cols=2),
]


@pytest.mark.parametrize("config", CASES, ids=lambda c: f"{c.pe.threads}-{c.pe.policy}-{c.rows}x{c.cols}-{c.drain}")
def test_both_kinds_of_tile_back_to_back_and_stalling(config):
    check(config, mixed(config.pe.threads), stalls=STALLS)


def test_the_same_under_verilator():
    check(array(), mixed(1), "verilator", STALLS)


@pytest.mark.parametrize("config", [array(), array(drain="in_place", pipeline=1), array(2)], ids=str)
@pytest.mark.parametrize("shape", [(7, 11, 3, 1), (2, 3, 2, 2), (4, 9, 1, 3)], ids=str)
def test_cycles_equal_the_model(config, shape):
    count, length, taps, stride = shape
    job = rows(1, *shape)
    result = check(config, [(job, None, None)])
    assert result.cycles == fuse_cycles(count, job.pixels, taps, config, stride=stride)


@pytest.mark.parametrize("config", [array(rows=1), array(cols=7, drain="in_place")], ids=str)
def test_a_narrow_tile_waits_only_for_what_it_is_narrower(config):
    """The second tile's only tap would otherwise reach columns before the last step of the tile before does.

    A drain in place takes no longer: its cycles count.
    """
    wide, narrow = rows(1, 1, config.cols, 1), rows(2, 1, 1, 1)
    apart = check(config, [(wide, None, None), (narrow, None, None)])
    steps = config.fuse_steps(config.cols, 1) + config.fuse_steps(1, 1)
    assert apart.cycles == steps + (config.cols - 1) + config.latency


@pytest.mark.parametrize("drain", ["overlap", "in_place"])
def test_narrow_tiles_while_the_sums_before_them_are_drained(drain):
    """Short tiles of many widths on many rows: a tap comes past sums that wait for their drain."""
    widths = (5, 1, 2, 5, 3, 1, 4, 2, 5, 1)
    tiles = [(rows(seed, 4, width, 1), None, None) for seed, width in enumerate(widths)]
    check(array(rows=4, cols=5, drain=drain), tiles + [(*product(9, 4, 1, 5), None), tiles[1]])


def test_a_plain_depthwise_layer_on_the_array_without_the_dataflow():
    """One product of a single column per channel, as `rtl` counts it."""
    config = ArrayConfig().with_fields(threads=1, rows=3, cols=4)
    jobs = [(*product(seed, 10, 9, 1), None) for seed in range(5)]
    assert check(config, jobs).cycles == matmul_cycles(10, 9, 1, config, count=5)


def test_an_order_with_no_taps_or_more_taps_than_steps_is_refused():
    fine = {"steps": 3, "threads": 1, "rows": 1, "cols": 1, "fuse": 1, "taps": 3}
    for bad in ({"taps": 0}, {"taps": 4}):
        assert products([(rows(1, 1, 4, 1), None, None)], array(), QUICK, then=fine | bad).refused


@given(
    st.tuples(*[st.integers(1, 7)] * 3),
    st.integers(1, 5),
    st.sampled_from(("row", "col")),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(0, 3)] * 2),
    st.integers(0, 255),
)
def test_lines_of_an_image_are_its_convolution(shape, taps, axis, stride, padding, fill):
    random = np.random.default_rng(sum(shape))
    x = random.integers(0, 256, shape, np.uint8)
    w = random.integers(-128, 128, (taps, shape[2]), np.int8)
    more = {"axis": axis, "stride": stride, "padding": padding, "fill": fill}
    if taps > shape[axis == "row"] + sum(padding):
        with pytest.raises(UserError, match=r"^kernel must fit into the padded image: "):
            rows_of_image(x, w, **more)
        return
    sums = convolve_rows(rows_of_image(x, w, **more), PEConfig()).sums
    np.testing.assert_array_equal(image_of_rows(sums, shape[2], axis), conv1d(x, w, **more))


def test_without_fuse_no_trace_of_it_is_emitted():
    plain = emitted_array(array().with_fields(fuse=False)).verilog
    assert not re.search(r"i_row|\btap\b|\bfuse|holds|exposed|line_", plain)


def test_conv1d_on_model_and_gates(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x, w = product(1, 30, 3, 3)
    np.save("x.npy", x.reshape(5, 6, 3))
    np.save("w.npy", w)
    words = ["conv1d", "x.npy", "w.npy", "-o", "o.npy", "--axis", "col", "--stride", "2", "1", "--padding", "1", "1"]
    words += ["--preset", "os4", "--simulator", QUICK, "--json"]
    expected = conv1d(x.reshape(5, 6, 3), w, axis="col", stride=(2, 1), padding=(1, 1))
    facts = []
    for on in ("golden", "rtl"):
        assert main([*words, "--on", on]) == 0
        facts.append(json.loads(capsys.readouterr().out))
        np.testing.assert_array_equal(np.load("o.npy"), expected)
    assert facts[0] == facts[1]
    assert main([*words, "--stride", "0", "1"]) == 2
    assert "stride must be" in capsys.readouterr().err


BUGS = {
    "taps do not reach the row": (r"(assign \S+ += )o_w \| i_row;", r"\1o_w;"),
    "columns keep their weights": (r"(assign \S+ += )skew_fuse_1 \? 8'h00 : (\S+ ;)", r"\1\2"),
    "waiting for operands does not freeze": (r"(assign holds = )[^;]+;", r"\g<1>1'h0;"),
    "no wait for exposed columns": (r"(assign \S+ += )[^;]*\bexposed\b[^;]* >= [^;]+;", r"\g<1>1'h0;"),
}


@one_bug_per_component(("bug", "stalls"), list(zip(BUGS, [STALLS] * 3 + [(0.0, 0.0, 0.0)], strict=True)))
def test_a_seeded_bug_is_caught(bug, stalls):
    config = array()
    design = emitted_array(config)
    broken = re.sub(*BUGS[bug], design.verilog)
    assert broken != design.verilog, "nothing to break"
    with pytest.raises((AssertionError, SimulationError)):
        check(config, mixed(1), stalls=stalls, design=replace(design, verilog=broken))


def block(config, stage, simulator="verilator"):
    """Convolutions of a FuSe stage at their real sizes, each layer a run of its own."""
    for layer in stage:
        along = layer.kind == "fuse_row"
        random = np.random.default_rng(layer.channels)
        x = random.integers(0, 256, (*layer.geometry.size, layer.channels), np.uint8)
        w = random.integers(-128, 128, (layer.kernel[along], layer.channels), np.int8)
        job = rows_of_image(
            x, w, axis="row" if along else "col", stride=layer.stride, padding=layer.geometry.padding[along]
        )
        result = check(config, [(job, None, None)], simulator)
        assert result.cycles == RtlCycles(config).layer_cycles(layer)


@pytest.mark.regress
def test_a_whole_mobilenet_v2_block_at_real_size():
    """The block that takes 14x14 to 7x7: its FuSe-Half stage and both pointwise products, on 16x16."""
    config = array(rows=16, cols=16, target="fpga")
    layers = network("mobilenet_v2", "half")
    rows = [i for i, layer in enumerate(layers) if layer.kind == "fuse_row"]
    at = next(i for i in rows if layers[i].stride == (2, 2) and layers[i].geometry.size[0] == 14)
    expand, row, col, project = layers[at - 1 : at + 3]
    assert (row.kind, col.kind) == ("fuse_row", "fuse_col")
    block(config, (row, col))
    for layer in (expand, project):
        shape = layer.products
        result = check(config, [(*product(1, shape.m, shape.k, shape.n), None)], "verilator")
        assert result.cycles == RtlCycles(config).layer_cycles(layer)
