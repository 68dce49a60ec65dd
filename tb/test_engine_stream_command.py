# SPDX-License-Identifier: Apache-2.0
"""`sysmt compile` and `run` with weights in an SDRAM, and the boards that have one."""

import json
import re

import numpy as np
import pytest

from sysmt.base.errors import ConfigError
from sysmt.boards.definitions import BOARDS
from sysmt.boards.flow import build, estimate
from sysmt.cli.main import main
from sysmt.hdl.designs import engine_design
from sysmt.hdl.params.engine import engine_config
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.engine.cycles import computing_cycles, program_cycles
from sysmt.sim.engine.file import read_program
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.engine.streaming import sdram_bytes
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model

from .int8_networks import small_content, small_images
from .shared import shared

WITH_SDRAM = [name for name, board in BOARDS.items() if board.sdram and board.engine]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(small_content())
    np.savez("inputs.npz", images=small_images(3))
    return tmp_path


def run(capsys, *words):
    try:
        code = main(list(words))
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    return code, out, err


def test_a_program_with_weights_in_the_sdram(folder, capsys):
    """Layer by layer: what it reads, and how long it waits for that."""
    words = ("compile", "model.tflite", "--board", "icesugar_pro", "--stream", "-o", "a.sysmt")
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0
    report, program = json.loads(out), read_program("a.sysmt")
    assert program.config == BOARDS["icesugar_pro"].networks(stream=True)
    assert {row["memory"]: row["bytes"] for row in report["memories"]}["weights"] == 0
    layers = [row for row in report["layers"] if row["where"] == "engine"]
    assert [row["sdram_bytes"] for row in layers] == sdram_bytes(program)
    assert sum(row["sdram_bytes"] for row in layers) == program.images[6].nbytes > 0
    assert [row["cycles"] - row["waits"] for row in layers] == computing_cycles(program)
    assert report["cycles"] == sum(program_cycles(program))
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "bytes of weights per input from the SDRAM, for which layers wait" in out
    assert "needs the bitstream of `sysmt build icesugar_pro --engine --stream`" in out
    assert run(capsys, "compile", "model.tflite", "--board", "icesugar_pro", "-o", "b.sysmt")[0] == 0
    results = []
    for name in ("a", "b"):
        assert run(capsys, "run", f"{name}.sysmt", "inputs.npz", "-o", f"{name}.npy", "--json")[0] == 0
        results.append(np.load(f"{name}.npy"))
    np.testing.assert_array_equal(*results)


def test_weights_that_do_not_fit_go_into_the_sdram(folder, capsys):
    few = ("--set", "weight_words=100")
    code, _, err = run(capsys, "compile", "model.tflite", "--board", "icesugar_pro", *few, "-o", "a.sysmt")
    assert code == 0
    assert "its weights go into an SDRAM instead" in err
    assert read_program("a.sysmt").config.stream is not None
    code, _, err = run(capsys, "compile", "model.tflite", "--board", "colorlight_5a75b", *few)
    assert code == 2
    assert err.splitlines()[-1].startswith(
        "sysmt compile: error: model 'model.tflite': the network must fit into the engine's memories: weights take"
    )


def test_a_preset_takes_an_sdram(folder, capsys):
    words = ("compile", "model.tflite", "--preset", "engine_sysmt2_4", "-o", "a.sysmt")
    assert run(capsys, *words, "--stream")[0] == 0
    assert read_program("a.sysmt").config.stream.cas == 2
    assert run(capsys, *words, "--set", "stream.cas=3")[0] == 0
    assert read_program("a.sysmt").config.stream.cas == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("compile", "model.tflite", "--board", "ecpix5", "--stream"),
            "board 'ecpix5' has no SDRAM whose pins are known: take another, or weights on chip",
        ),
        (("build", "icesugar_pro", "--stream"), "--stream is for an engine: give --engine too"),
    ],
)
def test_refusals(folder, capsys, words, message):
    code, _, err = run(capsys, *words)
    assert (code, err.strip()) == (2, f"sysmt {words[0]}: error: {message}")


@pytest.mark.parametrize("name", WITH_SDRAM)
def test_the_engine_with_an_sdram_fits_its_board(name):
    board = BOARDS[name]
    estimate.check(board, board.networks(stream=True))


def test_the_sdram_of_the_board_is_on_the_pins_of_the_engine():
    """Of a small engine: what is placed around it does not depend on its size."""
    board = BOARDS["icesugar_pro"]
    small = engine_config(preset("os2"), stream=board.memory, weight_words=64, activation_words=64)
    design = engine_design(small, "engine")
    files = build.plan(board, design, False).files
    assert "sdram_0__dq" in str(files["top.lpf"])
    connected = set(re.findall(r"connect \\(pins__\w+)", str(files["top.il"])))
    assert connected == {port["name"] for port in design.manifest["ports"] if port["name"].startswith("pins__")}


def test_a_board_without_an_sdram_says_so():
    with pytest.raises(ConfigError, match="^board 'colorlight_5a75b' has no SDRAM whose pins are known"):
        BOARDS["colorlight_5a75b"].networks(stream=True)


@pytest.mark.regress
def test_resnet8_with_its_weights_in_the_sdram_on_gates():
    """The whole network on the engine of the iCESugar-Pro: outputs, and cycles of every layer as the model has them."""
    board = BOARDS["icesugar_pro"]
    model = read_model(shared("data", "models", "resnet8_cifar10_int8.tflite"))
    config = board.networks(stream=True)
    program = prepare(model, config, clock_hz=board.clock_of(config))
    inputs = load(shared("data", "cifar10", "test_first500.npz"), program.ends, 2).values
    with SimulatedEngine(config) as gates:
        gates.load(program)
        found = gates.run(inputs)
    np.testing.assert_array_equal(found.outputs, GoldenEngine(program).run(inputs))
    assert found.layer_cycles == program_cycles(program)
    assert found.cycles[-1] / program.clock_hz <= 7.5e-3
