# SPDX-License-Identifier: Apache-2.0
"""Engines on 2:4 weights: layers that have them on all threads, the others exactly on fewer."""

import re

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine_protocol import config_of, identity
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.sdram import SdramConfig
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.cosim.verilator import SimulationError
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.streaming import streamed
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.nn.forward import LayerPlan, Plan, exact_plan, threaded_plan

from .engine_networks import random_inputs, random_network
from .mutants import seeded_bug
from .test_engine_golden import assert_equal
from .test_engine_rtl import check_layers
from .test_engine_stream import CHIP
from .test_sparq_engine import config

SPARSE = config(4, 4, 2, 2, stc=True)
CONFIGS = {
    "one pair": SPARSE,
    "two pairs": config(2, 4, 4, 4, stc=True, pairs=2, trim="raw", window="5opt", pipeline=2),
    "odd words": config(2, 1, 1, 1, stc=True, window="2opt"),
}


def sparse_plan(network, engine, seed) -> Plan:
    """Weights of most layers pruned to 2:4; those of the others as they are, on any threads that take them."""
    rng, pe = np.random.default_rng(seed), engine.array.pe
    layers = []
    for linear in network.linears:
        weights = linear.weights
        if rng.random() < 0.7:
            weights = golden_of(pe).with_zeros(weights, pe)
        most = golden_of(pe).most_threads(weights, pe)
        threads = [t for t in pe.throttles if t <= most]
        likely = most if rng.random() < 0.6 else int(rng.choice(threads))
        layers.append(LayerPlan(threads=1 if linear.depthwise else likely, weights=weights))
    return tuple(layers)


def on_all_threads(program, engine) -> int:
    return sum(1 << layer["threads"] == engine.array.pe.threads for layer in program.descriptors)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.regress) for seed in range(1, 8))])
def test_every_tensor_is_the_networks(name, seed):
    network, engine = random_network(seed)[0], CONFIGS[name]
    program = assert_equal(network, sparse_plan(network, engine, seed), engine, random_inputs(network, 2, seed))
    assert program.images[Memory.WEIGHTS].shape[1] == engine.array.pe.weight_bytes(engine.array.cols)


def test_dense_layers_are_refused_on_all_threads_by_their_name():
    network = random_network(0)[0]
    message = ": w must have at most 2 non-zero weights in each group of 4 along K with stc = True, not "
    with pytest.raises(
        UserError, match=f"^layer '[^']+'{re.escape(message)}.*; prune it to 2:4, or run fewer threads$"
    ):
        compile_network(network, threaded_plan(network, 2), SPARSE)
    assert on_all_threads(compile_network(network, exact_plan(network), SPARSE), SPARSE) == 0


def test_the_registers_say_it():
    assert config_of(identity(SPARSE, "0.1.0")) == SPARSE


@pytest.mark.regress
@pytest.mark.parametrize("name", CONFIGS)
def test_emitted_engines_equal_the_golden_one(name):
    """Bytes and cycles of every layer."""
    engine, sparse, throttled = CONFIGS[name], 0, 0
    with SimulatedEngine(engine) as gates:
        for seed in range(7):
            network = random_network(seed)[0]
            compiled = compile_network(network, sparse_plan(network, engine, seed), engine)
            check_layers(gates, compiled, random_inputs(network, 1, seed), f"seed {seed}")
            sparse += on_all_threads(compiled, engine)
            throttled += len(compiled.descriptors) - on_all_threads(compiled, engine)
    assert sparse
    assert throttled


ROOMY = config(4, 1, 1, 1, stc=True)
STREAMED = ROOMY.with_fields(
    stream=SdramConfig(chip=CHIP), weight_words=512, parameter_words=128, chunks=512, layers=256
)
"""Words of the weight memory are one and a half of the SDRAM."""


def streamed_programs(seeds):
    for seed in seeds:
        network = random_network(seed)[0]
        roomy = compile_network(network, sparse_plan(network, ROOMY, seed), ROOMY)
        yield roomy, streamed(roomy, STREAMED), random_inputs(network, 2, seed)


def test_weights_come_from_an_sdram():
    assert STREAMED.weight_stream.words_per_word() == 2
    for roomy, program, inputs in streamed_programs([1]):
        np.testing.assert_array_equal(GoldenEngine(roomy).run(inputs), GoldenEngine(program).run(inputs))
        assert on_all_threads(program, STREAMED)


@pytest.mark.regress
def test_emitted_engines_take_them_from_an_sdram():
    with SimulatedEngine(STREAMED) as gates:
        for _, program, inputs in streamed_programs(range(4)):
            gates.load(program)
            np.testing.assert_array_equal(gates.run(inputs).outputs, GoldenEngine(program).run(inputs))


@pytest.mark.regress
def test_a_seeded_bug_is_caught():
    """Weights of later steps, on fewer threads than all, are those of the first."""
    engine = SPARSE.with_fields(chunks=3)  # One that no cache has as it should be.
    network = random_network(0)[0]
    compiled = compile_network(network, exact_plan(network), engine)
    bug = seeded_bug(
        "sysmt.hdl.engine.engine",
        "Engine",
        "weights_from_thread(m, config.array, weights, filler.o_thread)",
        "weights_from_thread(m, config.array, weights, Signal(1))",
    )
    with bug, SimulatedEngine(engine) as gates, pytest.raises((AssertionError, SimulationError)):
        check_layers(gates, compiled, random_inputs(network, 1, 0), "a bug")
