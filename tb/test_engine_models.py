# SPDX-License-Identifier: Apache-2.0
"""Public networks whole on the emitted Verilog of the 8x8 engine with two threads (`make regress`)."""

import numpy as np
import pytest

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, threaded_plan
from sysmt.sim.nn.model import read_model

from .engine_networks import random_inputs
from .shared import shared

BARS = {"resnet8_cifar10": 110_000, "dscnn_kws": 48_000, "autoencoder_ad": 29_000}
"""Cycles from start to done that each takes at most."""


@pytest.mark.parametrize("name", BARS)
def test_cycles_of_public_networks(name):
    """By the model, which the gates are equal to."""
    program = prepare(
        read_model(shared("data", "models", f"{name}_int8.tflite")), preset("engine_sysmt2_8", EngineConfig)
    )
    assert sum(program_cycles(program)) <= BARS[name]


@pytest.mark.regress
@pytest.mark.parametrize("name", BARS)
def test_public_networks_on_the_gates(name):
    """Outputs equal to the golden engine and to the network itself; in every layer the cycles of the model."""
    config = preset("engine_sysmt2_8", EngineConfig)
    model = read_model(shared("data", "models", f"{name}_int8.tflite"))
    program = prepare(model, config)
    network = model.optimised().network
    inputs = random_inputs(network, 2, seed=5)
    with SimulatedEngine(config) as gates:
        gates.load(program)
        run = gates.run(inputs)
    np.testing.assert_array_equal(run.outputs, GoldenEngine(program).run(inputs))
    plan = threaded_plan(network, config.array.pe.threads)
    engine = Golden(config.array.pe, counting=False)
    np.testing.assert_array_equal(run.outputs, Runner(network=network, engine=engine, plan=plan)(inputs))
    assert run.layer_cycles == program_cycles(program)
    assert run.cycles == [sum(run.layer_cycles)] * 2
