# SPDX-License-Identifier: Apache-2.0
"""Layers whose K is too long for the accumulator: cut, and summed by the host; or refused where nobody sums."""

import json
from itertools import pairwise

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, Runner, exact_plan
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse
from sysmt.sim.quant.layer_stats import planned_cycles
from tb.references.interpreter import reference_outputs

from .int8_networks import small_content, small_images, small_network
from .tflite_models import ModelBuilder

SHORT = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=2, acc_width=20, policy="A"))
"""At most 16 products fit its accumulators."""


def fully_connected(k: int, n: int = 3) -> bytes:
    rng = np.random.default_rng(k)
    model = ModelBuilder()
    x = model.tensor((1, k), "int8", 0.05, -128)
    w = model.constant(rng.integers(-127, 128, (n, k)).astype(np.int8), 0.01)
    y = model.tensor((1, n), "int8", 0.1 * k**0.5, 3)
    return model.content([x], [model.node("FULLY_CONNECTED", [x, w], y)])


def test_longer_than_32_bits_hold():
    """K = 70,000, and operands that overflow 32 bits where the zero point is not yet taken off."""
    content = fully_connected(70000)
    rng = np.random.default_rng(2)
    inputs = rng.integers(-128, 128, (2, 1, 70000)).astype(np.int8)
    expected = np.concatenate([found[0] for found in reference_outputs(content, [[one] for one in inputs])])
    np.testing.assert_array_equal(Model(build(parse(content))).run([inputs[:, 0]])[0], expected)
    assert len(np.unique(expected)) > 3


@pytest.mark.parametrize(
    "pe",
    [
        SHORT.pe,
        SparqConfig(acc_width=20),
        SparqConfig(pairs=2, acc_width=20, window="6opt"),
        SparqConfig(acc_width=22, window="7opt"),
    ],
    ids=["nbsmt", "sparq", "sparq, 3 bits", "sparq, 2 bits"],
)
def test_parts_add_up(pe):
    """Every thread count: one thread is exact, more of them are the sum of the golden model's parts."""
    rng = np.random.default_rng(4)
    k = 3 * pe.k_part + 5
    x = rng.integers(0, 256, (6, k)).astype(np.uint8) * (rng.random((6, k)) < 0.5).astype(np.uint8)
    w = rng.integers(-128, 128, (k, 5)).astype(np.int8)
    exact = x.astype(np.int64) @ w
    for threads in pe.throttles:
        found = Golden(pe).product(x, w, threads)
        edges = [*range(0, k, pe.k_part), k]
        parts = [matmul(np.ascontiguousarray(x[:, a:b]), w[a:b], pe, threads) for a, b in pairwise(edges)]
        np.testing.assert_array_equal(found.sums, sum(part.sums for part in parts))
        assert found.counters.active == sum(part.counters.active for part in parts)
        if threads < pe.threads:
            np.testing.assert_array_equal(found.sums, exact)


def test_a_network_on_short_accumulators():
    """One thread gives what wide accumulators give."""
    network = small_network()
    inputs = np.random.default_rng(3).integers(-128, 128, (4, 6, 6, 3)).astype(np.int8)
    wide = Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network))(inputs)
    short = Runner(network=network, engine=Golden(SHORT.pe), plan=exact_plan(network))
    np.testing.assert_array_equal(short(inputs), wide)


@pytest.mark.regress
def test_the_verilog_takes_the_cycles_that_are_reported(tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(small_content())
    np.savez(tmp_path / "in.npz", images=small_images(1))
    options = ["--threads", "2", "--size", "4", "--set", "acc_width=20", "--on", "rtl", "--json"]
    assert main(["infer", str(tmp_path / "m.tflite"), str(tmp_path / "in.npz"), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"] is True
    assert found["cycles_simulated"] == found["cycles"]


@pytest.mark.parametrize("threads", [1, 2])
def test_cycles_are_those_of_the_parts(threads):
    layer = small_network().linears[1]
    parts = [16, 16, 16, 16, 8]
    expected = sum(matmul_cycles(36, k, 8, SHORT, threads) for k in parts)
    assert planned_cycles(layer, SHORT, LayerPlan(threads=threads)) == expected


def test_compile_refuses_what_the_engine_cannot_add():
    config = EngineConfig(array=SHORT, lanes=2)
    network = small_network()
    with pytest.raises(UserError) as error:
        compile_network(network, exact_plan(network), config)
    assert str(error.value) == (
        "layer 't3' must add at most 16 products with acc_width = 20, not 27; widen it, or let the host add parts "
        "(`sysmt infer`)"
    )
