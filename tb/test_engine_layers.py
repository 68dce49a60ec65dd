# SPDX-License-Identifier: Apache-2.0
"""The check of simulated gates layer by layer: it agrees where they are right, and names the layer that is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.hdl.params.program import Memory
from sysmt.sim.cosim.layers import check_layers
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.cosim.simulator import available
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.golden import GoldenEngine

from .engine_networks import random_inputs, random_network, random_plan
from .test_engine_rtl import CONFIGS

pytestmark = pytest.mark.skipif(not available("verilator"), reason="Verilator is not installed")


class OtherWeights(SimulatedEngine):
    """Gates with one wrong weight in the memory."""

    def load(self, program):
        words = program.images[Memory.WEIGHTS].copy()
        words[program.descriptors[-1]["w_base"]] ^= 0x55
        super().load(replace(program, images=program.images | {Memory.WEIGHTS: words}))


def test_layers_are_compared_one_by_one():
    engine = CONFIGS["4x4x2"]
    network, _ = random_network(1)
    program = compile_network(network, random_plan(network, engine, 1), engine)
    inputs = random_inputs(network, 2, 1)
    with SimulatedEngine(engine) as gates:
        found = check_layers(gates, program, inputs[:1])
        assert [layer.name for layer in found] == [layer.name for layer in program.layers]
        assert all(layer.agrees for layer in found)
        np.testing.assert_array_equal(gates.run(inputs).outputs, GoldenEngine(program).run(inputs))
    with OtherWeights(engine) as gates:
        found = check_layers(gates, program, inputs[:1])
        assert [layer.equal for layer in found] == [True] * (len(found) - 1) + [False]
