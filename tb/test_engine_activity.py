# SPDX-License-Identifier: Apache-2.0
"""What the units of the engine do in every cycle: all work is counted, and waiting names the unit that is slow."""

import numpy as np
import pytest

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.program import Operation
from sysmt.report.program_facts import gather_program
from sysmt.report.program_page import program_markdown
from sysmt.sim.engine.activity import Activity, Record, shares
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import FETCH, computing_cycles, outside, program_cycles
from sysmt.sim.nn.forward import threaded_plan
from sysmt.sim.nn.model import read_model

from .engine_networks import random_network, random_plan
from .test_engine_stream import programs as streamed_programs


def recorded(program):
    records = []
    cycles = program_cycles(program, records=records)
    assert cycles == program_cycles(program), "looking changes nothing"
    return cycles, records


def digits(preset_name="engine_sysmt2_4", **changes):
    network = read_model("digits").network
    config = preset(preset_name, EngineConfig, **changes)
    return compile_network(network, threaded_plan(network, config.array.pe.threads), config)


def reads(layer, config):
    """Words that the filler reads from memory: of the taps inside the image."""
    inside = int((~outside(layer, config)).sum())
    return inside * layer["group_words"] * layer["groups"]


def rows(layer, config):
    """Rows of sums that are requantised."""
    tiles = (layer["groups"] - 1) * layer["n_tiles"] + layer["last_n_tiles"]
    if layer["operation"] == Operation.MATMUL:
        return tiles * ((layer["m_tiles"] - 1) * config.array.rows + layer["last_rows"])
    return tiles * layer["m_tiles"]


@pytest.mark.parametrize("seed", range(6))
def test_all_work_of_a_network_is_counted(seed):
    network, _ = random_network(seed)
    config = preset("engine_sysmt2_4", EngineConfig)
    program = compile_network(network, random_plan(network, config, seed), config)
    cycles, records = recorded(program)
    for layer, taken, record in zip(program.descriptors, cycles, records, strict=True):
        counts = record.counts()
        assert {unit: count.sum() for unit, count in counts.items()} == dict.fromkeys(Record.UNITS, taken)
        assert {int(count[Activity.FETCHES]) for count in counts.values()} == {FETCH}
        matmul = layer["operation"] == Operation.MATMUL
        tiles = (layer["groups"] - 1) * layer["n_tiles"] + layer["last_n_tiles"]
        assert counts["array"][Activity.WORKS] == matmul * layer["steps"] * tiles * layer["m_tiles"]
        assert counts["memory"][Activity.WORKS] == reads(layer, config)
        assert counts["memory"][Activity.RESIDUAL] == layer["add"] * rows(layer, config)
        assert counts["requantiser"][Activity.WORKS] >= rows(layer, config) * config.beats


def waits(record, unit):
    """Of what a unit waits for, the most."""
    counts = record.counts()[unit]
    return max((Activity.DRAINS, *WAITING), key=lambda activity: counts[activity])


WAITING = (Activity.WAITS_FILLER, Activity.WAITS_ARRAY, Activity.WAITS_REQUANTISER, Activity.WAITS_MEMORY)


def test_all_wait_for_the_array_where_it_is_busy():
    _, (_, busy, *_) = recorded(digits())
    assert busy.counts()["array"][Activity.WORKS] > 0.95 * len(busy.array)
    assert waits(busy, "filler") == waits(busy, "requantiser") == Activity.WAITS_ARRAY


def test_the_array_waits_for_few_requantisers():
    """One lane on an array of 8 columns: 8 cycles a row, 64 a tile of 36 steps."""
    _, (first, *_) = recorded(digits("engine_os8", lanes=1))
    assert waits(first, "array") == Activity.WAITS_REQUANTISER
    assert waits(first, "filler") == Activity.WAITS_ARRAY


def test_layers_wait_for_weights_from_the_sdram():
    _, program, _ = streamed_programs(1)
    cycles, records = recorded(program)
    computing = computing_cycles(program)
    for taken, least, record in zip(cycles, computing, records, strict=True):
        for count in record.counts().values():
            assert (count.sum(), count[Activity.WAITS_WEIGHTS]) == (taken, taken - least)
        assert set(record.array[FETCH : FETCH + taken - least]) <= {Activity.WAITS_WEIGHTS}
    assert sum(cycles) > sum(computing)
    facts = gather_program(program, "streamed")
    assert "| waits for weights |" in program_markdown(facts)


def test_spans_are_shares_of_all_cycles():
    cycles, records = recorded(digits())
    for bins in (1, 7, 240):
        found = shares(records, bins)
        assert list(found) == list(Record.UNITS)
        edges = np.linspace(0, sum(cycles), bins + 1).astype(int)
        for unit, values in found.items():
            assert values.shape == (len(Activity), bins)
            np.testing.assert_allclose(values.sum(axis=0), 1)
            counts = sum(record.counts()[unit] for record in records)
            np.testing.assert_allclose((values * np.diff(edges)).sum(axis=1), counts)
    short = Record()
    short.spend(Activity.IDLE, 3)
    assert shares([short], 10)["array"].shape == (len(Activity), 3)
