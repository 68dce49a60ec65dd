# SPDX-License-Identifier: Apache-2.0
"""SPARQ in engines: zero points taken off in the array, depthwise layers on one thread, what is refused."""

import re

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import config_of, identity
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.cosim.verilator import SimulationError
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan, threaded_plan

from .engine_networks import random_inputs, random_network, random_plan
from .mutants import seeded_bug
from .test_engine_golden import assert_equal
from .test_engine_rtl import check_layers


def config(rows: int, cols: int, fill: int, lanes: int, **pe: object) -> EngineConfig:
    array = ArrayConfig(rows=rows, cols=cols, counters=False).with_fields(kind="sparq", target="fpga", **pe)
    sizes = {"activation_words": 1024, "weight_words": 4096, "scatter_words": 4096, "parameter_words": 256}
    return EngineConfig(array=array, fill=fill, lanes=lanes, x_depth=256, layers=16, **sizes)


SIGNED = config(4, 4, 2, 2, signed_window=True)
CONFIGS = {
    "signed": SIGNED,
    "signed, two pairs": config(2, 4, 4, 4, signed_window=True, pairs=2, trim="raw", window="5opt", pipeline=2),
    "unsigned": config(4, 2, 1, 1, vsparq=False),
}
ODD = 6
"""Seed of a network with a layer of odd K, whose output shows what lies beside the last operand."""
SEEDS = (0, 2, *range(3, 8))


def network_of(name: str, seed: int):
    return random_network(seed + 100 * list(CONFIGS).index(name))[0]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", [0, 2, *(pytest.param(seed, marks=pytest.mark.regress) for seed in SEEDS[2:])])
def test_every_tensor_is_the_networks(name, seed):
    network, engine = network_of(name, seed), CONFIGS[name]
    assert_equal(network, random_plan(network, engine, seed), engine, random_inputs(network, 2, seed))


def test_a_step_without_an_operand_has_the_zero_point():
    network = network_of("signed", ODD)
    assert_equal(network, threaded_plan(network, 2), SIGNED, random_inputs(network, 1, 1))


def test_zero_points_are_taken_off():
    """Trimming distances loses less: the network is farther from exact on an engine that trims activations."""
    network = network_of("signed", 0)
    inputs = random_inputs(network, 8, 1)
    exact = Runner(network=network, engine=Golden(SIGNED.array.pe), plan=exact_plan(network))(inputs)
    plain = SIGNED.with_fields(array=SIGNED.array.with_fields(signed_window=False))
    errors = []
    for engine in (plain, SIGNED):
        program = compile_network(network, threaded_plan(network, 2), engine)
        np.testing.assert_array_equal(GoldenEngine(program, exact=True).run(inputs), exact)
        errors.append(np.abs(GoldenEngine(program).run(inputs).astype(int) - exact).mean())
    assert 0 < errors[1] < errors[0]


def test_the_registers_say_it():
    assert config_of(identity(SIGNED, "0.1.0")) == SIGNED


@pytest.mark.regress
@pytest.mark.parametrize("name", CONFIGS)
def test_emitted_engines_equal_the_golden_one(name):
    """Bytes and cycles of every layer."""
    with SimulatedEngine(CONFIGS[name]) as gates:
        for seed in SEEDS:
            network = network_of(name, seed)
            compiled = compile_network(network, random_plan(network, CONFIGS[name], seed), CONFIGS[name])
            check_layers(gates, compiled, random_inputs(network, 1, seed), f"seed {seed}")


BUGS = [
    ("sysmt.hdl.engine.tiles", "TileIssuer", "zero.eq(layer.pad_value)", "zero.eq(layer.pad_value ^ 1)"),
    ("sysmt.hdl.engine.transposer", "Transposer", "self.pad_value.replicate(array.rows)", "0"),
]


@pytest.mark.regress
@pytest.mark.parametrize("bug", BUGS, ids=[bug[1] for bug in BUGS])
def test_a_seeded_bug_is_caught(bug):
    engine = SIGNED.with_fields(chunks=1 + BUGS.index(bug))  # One that no cache has as it should be.
    network = network_of("signed", ODD)
    compiled = compile_network(network, threaded_plan(network, 2), engine)
    with seeded_bug(*bug), SimulatedEngine(engine) as gates, pytest.raises((AssertionError, SimulationError)):
        check_layers(gates, compiled, random_inputs(network, 1, 1), "a bug")


def test_exact_products_in_two_steps_are_refused():
    network, engine = network_of("unsigned", 3), config(4, 2, 1, 1, window="6opt")
    message = " on 1 of 2 threads needs two steps for a product, which an engine does not take: run it on 2 threads, "
    with pytest.raises(UserError, match=f"^layer 't[0-9]+'{re.escape(message)}or choose PEs that are exact in one"):
        compile_network(network, exact_plan(network), engine)
