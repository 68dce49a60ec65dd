# SPDX-License-Identifier: Apache-2.0
"""Cycles of many arrays at once are those of one array after the other."""

import random

import numpy as np
import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost import evaluate
from sysmt.sim.cost.batch import UNABLE, Planned, batch_cycles
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.networks import network
from sysmt.sim.nn.readers import read_network

PES = (
    PEConfig(),
    PEConfig(threads=2),
    PEConfig(threads=4, policy="A"),
    PEConfig(threads=4, policy="S+aW", pipeline=1),
    PEConfig(threads=2, target="fpga", pipeline=3),
    PEConfig(kind="sparq", pairs=1),
    PEConfig(kind="sparq", pairs=4, window="7opt"),
)
SIZES = (1, 2, 3, 8, 12, 31)


def arrays(count, seed):
    """Arrays of all sorts, the same for the same seed."""
    chosen = random.Random(seed)
    found = []
    for _ in range(count):
        pe = chosen.choice(PES)
        cluster = chosen.choice((1, 2)) if pe.target == "asic" else 1
        rows, cols, drain = chosen.choice(SIZES), chosen.choice(SIZES), chosen.choice(("overlap", "in_place"))
        found.append(ArrayConfig(rows=rows, cols=cols, pe=pe, drain=drain, cluster=cluster))
    return found


def assert_equal(layers, configs):
    together = batch_cycles(layers, configs)
    for config, row in zip(configs, together, strict=True):
        assert row.tolist() == [found.cycles for found in evaluate(layers, config).layers], config


@pytest.mark.parametrize(
    ("name", "variant"),
    [("mobilenet_v2", "baseline"), ("mobilenet_v1", "half"), ("digits", "baseline")],
)
def test_networks_take_the_cycles_of_the_command(name, variant):
    assert_equal(read_network(name, variant), arrays(10, seed=f"{name} {variant}"))


def test_odd_layers():
    image = Geometry(size=(7, 9), kernel=(3, 5), stride=(2, 1), dilation=(1, 2), padding=((1, 1), (4, 4)))
    depthwise = Layer(name="d", kind="depthwise", geometry=image, channels=5, outputs=10, batch=3)
    assert_equal([depthwise, Layer.gemm("g", 1, 1, 1), Layer.gemm("h", 100, 63, 65, batch=2)], arrays(60, seed=1))


def test_a_reduction_too_long_is_marked_where_the_command_refuses_it():
    layers = [Layer.gemm("short", 4, 2, 4), Layer.gemm("long", 4, 100, 4)]
    narrow = ArrayConfig(rows=4, cols=4, pe=PEConfig(acc_width=17))
    found = batch_cycles(layers, [narrow, ArrayConfig(rows=4, cols=4)])
    assert (found == UNABLE).tolist() == [[False, True], [False, False]]
    with pytest.raises(ConfigError):
        evaluate(layers, narrow)
    depthwise = next(layer for layer in network("mobilenet_v1") if layer.kind == "depthwise")
    assert batch_cycles([depthwise], [narrow]).tolist() == [[UNABLE]]
    with pytest.raises(ConfigError):
        evaluate([depthwise], narrow)


def test_planned_layers_run_on_their_threads():
    layers = list(network("mobilenet_v1"))
    configs = [config for config in arrays(60, seed=2) if config.pe.threads >= 2]
    plan = [
        None if i % 3 == 0 or layer.kind == "depthwise" else Planned(layer.products.k + i, 1 + i % 2)
        for i, layer in enumerate(layers)
    ]
    found = batch_cycles(layers, configs, plan)
    for config, row in zip(configs, found, strict=True):
        for layer, planned, cycles in zip(layers, plan, row.tolist(), strict=True):
            if planned is not None:
                steps = config.pe.steps(planned.slots, planned.threads)
                assert cycles == RtlCycles(config, planned.threads).layer_cycles(layer, steps)
            else:
                assert cycles == evaluate([layer], config).total


def test_a_planned_reduction_too_long_for_the_accumulator_is_cut():
    config = ArrayConfig(rows=4, cols=4, pe=PEConfig(acc_width=20, threads=2))
    layer, longest = Layer.gemm("long", 9, 100, 5), config.pe.steps(config.pe.k_part, 2)
    for slots in (100, 4 * longest, 2 * longest + 1):
        found = batch_cycles([layer], [config], [Planned(slots, 2)])
        assert found.item() == RtlCycles(config, 2).layer_cycles(layer, config.pe.steps(slots, 2))


def test_nothing_gives_nothing():
    assert batch_cycles([], arrays(3, seed=3)).shape == (3, 0)
    assert batch_cycles([Layer.gemm("g", 1, 1, 1)], []).shape == (0, 1)
    assert batch_cycles([Layer.gemm("g", 1, 1, 1)], arrays(3, seed=3)).dtype == np.int64
