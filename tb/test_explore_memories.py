# SPDX-License-Identifier: Apache-2.0
"""`sysmt explore` of memories: engines compiled for every size, accelerators with the bytes that their host sends."""

import json
import random
import re
import shlex

import pytest

from sysmt.base.errors import UserError
from sysmt.boards.definitions import board as board_of
from sysmt.cli.arguments import settings_on_board
from sysmt.cli.commands.programs import _engine
from sysmt.cli.main import main, parser_of
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.report.explore_page import columns_of
from sysmt.sim.cost.schedule.network import schedule_on_accelerator
from sysmt.sim.cost.silicon import predict
from sysmt.sim.cost.silicon.memories import MACROS, memory_area
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.engine.streaming import sdram_bytes
from sysmt.sim.explore.engines import on_engine
from sysmt.sim.explore.space import space_of
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.readers import read_network

from .explorations import run

ARRAYS = ("rows=4", "cols=4,8", "kind=nbsmt", "threads=1,2", "cluster=1")
BOARD = "icesugar_pro"
"""Engines with its SDRAM were placed."""
SIZES = ("weight_kib=1,2,4,16", "activation_kib=1,2,8")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store") / "r.sqlite"


@pytest.fixture(scope="module")
def in_cells(store):
    return run(store, "digits", liberty="sky130hd", engine=True, settings=(*ARRAYS, *SIZES))


@pytest.fixture(scope="module")
def on_board(store):
    settings = (*ARRAYS, "dsp=false,true", "weight_words=256,1024", "activation_kib=4", "stream=false,true")
    return run(store, "digits", board=BOARD, engine=True, settings=settings)


def test_cycles_are_those_of_the_compiler(in_cells, on_board):
    model = read_model("digits")
    sampled = random.Random(3).sample(in_cells.points, 6) + on_board.points
    for point in sampled:
        program = prepare(model, point.built)
        assert point.cycles == (sum(program_cycles(program)),)
        assert point.traffic == sum(sdram_bytes(program))
    assert {point.built.stream is None for point in sampled} == {False, True}
    streamed = [point for point in on_board.points if point.built.stream is not None]
    assert all(point.traffic > 0 for point in streamed)


def test_memories_make_the_difference(in_cells):
    """What is too small runs nothing; more memory is more area, and never slower."""
    assert in_cells.left_out["cannot run a network"] > 0
    by_core = {}
    for point in in_cells.points:
        built = point.built
        by_core.setdefault(point.config, []).append((built.weight_words, built.activation_words, point))
    for rows in by_core.values():
        for words, held, point in rows:
            for more, other, larger in rows:
                if more >= words and other >= held and larger is not point:
                    assert larger.area > point.area
                    assert larger.cycles <= point.cycles
    assert all(
        found.built.weight_words * found.built.weight_bytes in (1024, 2048, 4096, 16384) for found in in_cells.points
    )


def test_why_nothing_runs_is_told(store):
    with pytest.raises(UserError, match=r"of 4 4 cannot run a network \(.*weights.*\): widen them$"):
        run(store, "digits", liberty="sky130hd", engine=True, settings=(*ARRAYS, "weight_words=4", "activation_kib=8"))


def test_area_is_logic_and_memories(in_cells):
    for point in in_cells.points[::5]:
        silicon = predict(point.built, "sky130hd")
        assert point.facts["logic"][0] == pytest.approx(silicon.area.value, rel=1e-5)
        assert point.area == pytest.approx(silicon.area.value + silicon.memory_area.value, rel=1e-5)
        assert silicon.memory_area.low < silicon.memory_area.value <= silicon.memory_area.high
    (bits, one), (more, two) = MACROS["sky130hd"]
    # A memory that is a macro is as large as that.
    config = in_cells.points[0].built
    for words, area in ((bits, one), (more, two), (3 * more, 3 * two)):
        deep, base = (memory_area("sky130hd", config.with_fields(weight_words=n)) for n in (words // 32, 2))
        assert config.weight_bytes in (4, 8)
        if config.weight_bytes == 4:
            assert deep[0] - base[0] == pytest.approx(area)


def test_what_a_board_holds(on_board):
    board = board_of(BOARD)
    for point in on_board.points:
        silicon = predict(point.built, "ecp5")
        assert point.facts["rams"][0] == silicon.rams.value <= board.part.capacity["RAM"]
        assert point.area == pytest.approx(silicon.luts.value, rel=1e-5)
    # How multipliers are built changes no cycle, and is counted once.
    cycles = {}
    for point in on_board.points:
        key = point.config.with_fields(dsp=False), point.built.with_fields(array={"dsp": False})
        assert cycles.setdefault(key, point.cycles) == point.cycles


def test_layers_that_are_known_are_not_counted_again(monkeypatch):
    model, config = read_model("digits"), preset("engine_os4", EngineConfig)
    found = on_engine(model, config)
    monkeypatch.setattr("sysmt.sim.engine.cycles.layer_cycles", None)
    assert on_engine(model, config.with_fields(weight_words=4096, slot=512)) == found
    with pytest.raises(TypeError):
        on_engine(model, config.with_fields(lanes=1))


def test_commands_make_the_points(in_cells, on_board):
    for point in random.Random(5).sample(in_cells.points, 5):
        words = shlex.split(in_cells.command(point))[1:]
        args = parser_of(words).parse_args(words)
        assert with_settings(preset(args.preset, EngineConfig), args.settings) == point.built
        assert compiled_for(in_cells, point) == point.built
    board = board_of(BOARD)
    for point in on_board.points:
        words = shlex.split(on_board.command(point))[1:]
        args = parser_of(words).parse_args(words)
        assert (args.command, args.engine) == ("build", True)
        assert board.networks(args.preset, stream=args.stream, **settings_on_board(args, True)) == point.built
        assert compiled_for(on_board, point) == point.built


def compiled_for(found, point):
    """The engine that the command for the program of a point compiles for."""
    (text,) = found.programs(point)
    words = shlex.split(text)[1:]
    args = parser_of(words).parse_args(words)
    assert (args.command, str(args.model)) == ("compile", "digits")
    return _engine(args)[0]


def test_buffers_of_an_accelerator(store):
    settings = ("rows=4", "cols=4,8", "kind=nbsmt", "threads=2", "pipeline=3", "dsp=false", "drain=overlap")
    options = {"board": "ulx3s", "objective": "traffic"}
    found = run(store, "digits", settings=(*settings, "depth=16,64,256", "result_rows=8,64"), **options)
    board, layers = board_of("ulx3s"), read_network("digits", optimise=True)
    for point in found.points:
        rows = schedule_on_accelerator(layers, point.built).layers
        assert point.traffic == sum(row.link_bytes[0] for row in rows)
        words = shlex.split(found.command(point))[1:]
        args = parser_of(words).parse_args(words)
        assert board.accelerator(args.preset, **settings_on_board(args, False)) == point.built
    assert found.best()[0].traffic == min(point.traffic for point in found.points)
    deep = [point for point in found.points if point.built.depth == 256 and point.built.result_rows == 64]
    shallow = [point for point in found.points if point.built.depth == 16 and point.built.result_rows == 8]
    assert max(point.traffic for point in deep) < min(point.traffic for point in shallow)
    # Arrays are counted once, whatever their buffers.
    assert found.computed["cycles"] == 2
    plain = run(store, "digits", settings=settings, board="ulx3s")
    assert {point.traffic for point in plain.points} == {None}


def test_the_page_and_the_table_show_memories(in_cells, capsys, tmp_path):
    columns = columns_of(in_cells)
    assert set(columns["weights KiB"]) <= {1, 2, 4, 16}
    assert len(columns["memory KiB"]) == len(in_cells.points)
    words = ["explore", "digits", "--engine", "--liberty", "sky130hd", "--store", str(tmp_path / "r.sqlite"), "--json"]
    texts = ("rows=4", "cols=4", "kind=nbsmt", "threads=2", "weight_kib=16", "activation_kib=8", "cluster=1")
    words += [word for text in texts for word in ("--set", text)]
    assert main(words) == 0
    data = json.loads(capsys.readouterr().out)
    (row,) = data["front"]
    assert EngineConfig().with_fields(**row["design"]).weight_words * 8 == 16 * 1024
    assert row["design"]["array"] == row["config"]
    assert row["area"] == row["predicted"]["logic"][0] + row["predicted"]["memory_area"][0]
    assert main([word for word in words if word != "--json"]) == 0
    assert "weights KiB" in capsys.readouterr().out


def test_a_size_may_be_given_in_words():
    space = space_of(["weight_words=64,128"], "fpga", False, "engine")
    assert space.around["weight_words"] == (64, 128)
    assert "weight_kib" not in space.around


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digits", "--engine"], "engine must come with a target, .*: add --board B or --liberty L"),
        (["mobilenet_v2", "--engine", "--board", "ulx3s"], "model must be a .tflite or .onnx file .*; convert it"),
        (
            ["digits", "--engine", "--liberty", "sky130hd", "--set", "stream=true"],
            "stream = true must come with a board, .*: add --board B",
        ),
        (
            ["digits", "--engine", "--board", "ulx3s", "--set", "weight_kib=0"],
            "weight_kib must be a whole number of at least 1, not '0'",
        ),
        (
            ["digits", "--engine", "--board", "ulx3s", "--set", "stream=yes"],
            "stream must be true or false, not 'yes'",
        ),
        (
            ["digits", "--engine", "--board", "ulx3s", "--set", "weight_words=8", "--set", "weight_kib=8"],
            "weight_kib must be left out where weight_words is given: they are one size",
        ),
        (["digits", "--board", "ulx3s", "--set", "depth=x"], "depth must be an integer, not 'x'"),
        (
            ["digits", "--engine", "--board", "icebreaker", "--set", "rows=4"],
            r"space must have a configuration .* cannot be built for the target \(board 'icebreaker' is .*\): widen .*",
        ),
        (
            ["digits", "--objective", "traffic"],
            "objective traffic is not known of this target: take a board without --engine, .*",
        ),
        (
            ["digits", "--engine", "--board", "ulx3s", "--inputs", "a.npz", "--calibrate", "a.npz", "--budget", "1"],
            "calibrate must be left out with engines, .*",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path):
    assert main(["explore", *words, "--set", "cols=4", "--store", str(tmp_path / "r.sqlite")]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("sysmt: ")]
    assert len(lines) == 1, lines
    assert re.fullmatch(f"sysmt explore: error: {message}", lines[0]), lines[0]
