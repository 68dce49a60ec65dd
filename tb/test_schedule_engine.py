# SPDX-License-Identifier: Apache-2.0
"""Schedules on the engine: the compiler's blocking against the best, and levels that some tensors pass by."""

import json
import re
from dataclasses import replace
from itertools import product

import pytest

from sysmt.base.errors import ConfigError
from sysmt.base.files import data_folder
from sysmt.boards.definitions import board
from sysmt.cli.main import main
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.cost.schedule.count import STAYS, counted, overfull
from sysmt.sim.cost.schedule.lattice import divisors
from sysmt.sim.cost.schedule.machine import Level, Machine
from sysmt.sim.cost.schedule.machines import machine_of_engine
from sysmt.sim.cost.schedule.nest import LOOPS, Nest, Unrolling
from sysmt.sim.cost.schedule.network import VALUE
from sysmt.sim.cost.schedule.search import search
from sysmt.sim.engine.blocking import OBJECTIVES, schedule_on_engine
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.layer import DoesNotFitError
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.engine.streaming import sdram_bytes
from sysmt.sim.nn.model import read_model

from .engine_networks import bottleneck_network, random_plan
from .test_engine_stream import ROOMY

MODELS = data_folder() / "data" / "models"
SMALL = board("icesugar_pro").networks("sysmt2_4", stream=True, weight_words=432)
"""With an engine so small that the digits' weights come in parts."""


def chains(size, levels):
    """All factors of a loop per level."""
    if levels == 1:
        return [(size,)]
    return [(first, *rest) for first in divisors(size) for rest in chains(size // first, levels - 1)]


@pytest.mark.parametrize("held", [("input", "output"), ("output",), ("weights",)])
def test_what_passes_a_level_by_stays_nowhere_in_it(held):
    """The search finds what trying everything finds, when nothing that a level lacks may stay in it."""
    levels = (
        Level(name="PE", words=(1, 1, 1), energy=(0.5, 0.1, 0.2)),
        Level(name="buffer", words=(12, 8, 6), energy=(3.0, 2.0, 1.0), tensors=held),
        Level(name="memory", energy=(20.0, 11.0, 7.0)),
    )
    machine = Machine(levels=levels, hop=0.0, rows=2, cols=2)
    nest = Nest((1, 1, 8, 1, 4, 6, 1))
    unrolling = Unrolling(((("OX", 2),), (("OC", 2),)))
    least = float("inf")
    for ox, oc, ic in product(chains(4, 3), chains(2, 3), chains(6, 3)):
        blocking = dict.fromkeys(LOOPS, (1, 1, 1)) | {"OX": ox, "OC": oc, "IC": ic}
        for inner, outer in product(STAYS, held):
            found = counted(nest, machine, unrolling, blocking, (inner, outer))
            if not overfull(found):
                least = min(least, found.energy)
                assert all(found.accesses[1][tensor] == 0 for tensor in STAYS if tensor not in held)
    found = search(nest, machine, unrolling)
    assert found.energy == pytest.approx(least)
    assert found.stays[1] in held


def test_tensors_of_a_level_are_known_ones():
    for tensors in ((), ("sums",), ("weights", "input")):
        with pytest.raises(ConfigError, match=r"^tensors of a must be some of input, output, weights, not "):
            Level(name="a", words=4, tensors=tensors)


def check(program):
    """The compiler's blocking fits, moves what the program moves, and is within 10 % of the best."""
    for objective in OBJECTIVES:
        found = schedule_on_engine(program, objective)
        assert sum(row.layer.macs for row in {id(r.layer): r for r in found.layers}.values()) == sum(
            layer.macs for layer in program.layers
        )
        for row in found.layers:
            assert overfull(row.driver) == []
            ratio = VALUE[objective](row.driver) / VALUE[objective](row.best)
            assert 1 <= ratio <= 1.1, (row.layer.name, objective, ratio)
    if program.config.stream is not None:
        own = sum(row.count * row.driver.traffic for row in found.layers)
        assert 0.9 * own <= sum(sdram_bytes(program)) <= 1.02 * own
    return found


def test_the_compiler_takes_the_best_blocking():
    model = read_model("digits")
    on_chip = check(prepare(model, preset("engine_sysmt2_4", EngineConfig)))
    assert all(row.driver.energy == row.best.energy for row in on_chip.layers)
    streamed = prepare(model, SMALL)
    assert any("(1/" in layer.name for layer in streamed.layers)
    found = check(streamed)
    assert found.machine == machine_of_engine(SMALL)
    assert len(found.layers) < len(streamed.layers)  # parts are one layer


def test_parts_of_a_layer_are_of_one_size():
    program = prepare(read_model("digits"), SMALL)
    tiles = {}
    for layer, fields in zip(program.layers, program.descriptors, strict=True):
        tiles.setdefault(layer.tensor, []).append(fields["n_tiles"])
    parts = [sizes for sizes in tiles.values() if len(sizes) > 1]
    assert parts
    for sizes in parts:
        assert max(sizes) - min(sizes[:-1]) == 0
        assert max(sizes) == -(-sum(sizes) // len(sizes))


def test_bands_of_rows_are_products_of_their_own():
    network = bottleneck_network(2)
    plan = random_plan(network, ROOMY, 2)
    roomy = compile_network(network, plan, replace(ROOMY, activation_words=1 << 14, x_depth=1024, layers=512))
    for part in range(95, 20, -15):
        words = roomy.activation_words * part // 100
        try:
            program = compile_network(network, plan, replace(roomy.config, activation_words=words))
        except DoesNotFitError:
            break
    banded = [layer.name for layer in program.layers if "(rows " in layer.name]
    assert banded
    found = schedule_on_engine(program)
    names = [row.layer.name for row in found.layers]
    products = [
        (layer, fields["m_tiles"] * program.config.array.rows)
        for layer, fields in zip(program.layers, program.descriptors, strict=True)
        if layer.macs
    ]
    assert set(banded) & set(names) == {layer.name for layer, _ in products if "(rows " in layer.name}
    rows = {(row.layer.name, row.best.nest.size["OX"]) for row in found.layers}
    assert rows == {(layer.name, pixels) for layer, pixels in products}


@pytest.mark.skipif(not MODELS.exists(), reason="the models of MLPerf Tiny are not at hand: set SYSMT_DATA")
@pytest.mark.parametrize("name", ["resnet8_cifar10", "dscnn_kws", "autoencoder_ad"])
def test_public_models_are_blocked_as_well_as_can_be(name):
    model = read_model(MODELS / f"{name}_int8.tflite")
    check(prepare(model, preset("engine_sysmt2_8", EngineConfig)))
    check(prepare(model, board("ulx3s").networks(stream=True)))


def test_the_command_shows_both(capsys):
    words = ["schedule", "digits", "--machine", "engine", "--array", "4x4", "--threads", "2"]
    assert main(words) == 0
    heading = capsys.readouterr().out.splitlines()[0]
    assert heading.split()[-1] == "compiler"
    assert main([*words, "--json", "--stream", "--objective", "traffic"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [level["name"] for level in facts["machine"]["levels"]] == ["PE", "buffers", "memories", "SDRAM"]
    assert all(row["driver"]["traffic"] >= row["schedule"]["traffic"] for row in facts["layers"])
    assert main(["schedule", "digits", "--machine", "engine", "--board", "ulx3s", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["machine"]["rows"], facts["machine"]["threads"]) == (8, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digits", "--machine", "engine"], "array must be given, as --array 8x8, or a board .*, as --board ulx3s"),
        (["digits"], "array must be given, as --array 16x16"),
        (["digits", "--array", "8x8", "--stream"], "stream must come with --machine engine, not with eyeriss"),
        (["digits", "--array", "8x8", "--board", "ulx3s"], "board must come with --machine engine, not with eyeriss"),
        (
            ["--gemm", "8,8,8", "--machine", "engine", "--array", "8x8"],
            "machine engine must have a model that can be compiled, not .*",
        ),
        (
            ["digits", "--machine", "engine", "--array", "8x8", "--objective", "cycles"],
            "objective must be energy or traffic on an engine, not 'cycles'; sysmt compile counts cycles",
        ),
        (
            ["digits", "--machine", "engine", "--array", "8x8", "--unroll", "OC,IC"],
            "size-memories, unroll and no-optimise must be left out with machine engine",
        ),
        (["mobilenet_v2", "--machine", "engine", "--array", "8x8"], "model must be a .tflite .*; convert it"),
        (["digits", "--machine", "engine", "--board", "icebreaker"], "board 'icebreaker' is too small .*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(words, message, capsys):
    assert main(["schedule", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(f"sysmt schedule: error: {message}", line), line
