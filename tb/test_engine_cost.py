# SPDX-License-Identifier: Apache-2.0
"""What `sysmt compile` says of every layer before it runs: padding, and bytes of its weights and of its output."""

import pytest

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory, Operation
from sysmt.sim.engine.activity import Activity
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cost import program_cost
from sysmt.sim.engine.cycles import program_cycles

from .engine_networks import random_network, random_plan

ENGINES = [
    EngineConfig(array=ArrayConfig(rows=4, cols=4).with_fields(threads=2), lanes=2, patch=patch) for patch in (1, 2)
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("config", ENGINES, ids=["", "patches"])
def test_padding_is_what_the_steps_hold_beyond_the_macs(config, seed):
    network, _ = random_network(seed)
    program = compile_network(network, random_plan(network, config, seed), config)
    records = []
    cost = program_cost(program, program_cycles(program, records=records))
    layers = [row for row in cost["layers"] if row["where"] == "engine"]
    assert len(layers) == len(records)
    for row, record, fields in zip(layers, records, program.descriptors, strict=True):
        if fields["operation"] != Operation.MATMUL:
            assert row["padding"] is None
            assert row["weight_bytes"] == 0
            continue
        multiplications = record.counts()["array"][Activity.WORKS] * 16 * (1 << fields["threads"])
        assert multiplications * (1 - row["padding"]) == pytest.approx(row["macs"])
        assert 0 <= row["padding"] < 1
    assert sum(row["weight_bytes"] for row in layers) == program.images[Memory.WEIGHTS].size
    assert layers[-1]["output_bytes"] == program.output_words * config.word_bytes
