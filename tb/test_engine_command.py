# SPDX-License-Identifier: Apache-2.0
"""`sysmt compile` and `sysmt run`: what they report, and one line for whatever cannot be."""

import errno
import json

import numpy as np
import pytest
import serial

from sysmt.cli.commands.board import simulated
from sysmt.cli.main import main
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.file import read_program
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan, threaded_plan

from .int8_networks import small_content, small_images, small_network


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model, labelled inputs, and inputs of another shape."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(small_content())
    images = small_images(6)
    network = small_network()
    exact = Runner(network=network, engine=Golden(PEConfig(), counting=False), plan=exact_plan(network))
    values = (images ^ np.uint8(128)).view(np.int8)
    np.savez("inputs.npz", images=images, labels=exact(values).reshape(len(images), -1).argmax(axis=1))
    np.savez("narrow.npz", images=images[:, :, :5])
    return tmp_path


def run(capsys, *words):
    try:
        code = main(list(words))
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    return code, out, err


def test_compile_and_run(folder, capsys):
    words = ("compile", "model.tflite", "--preset", "engine_sysmt2_4", "-o", "a.sysmt", "--json")
    code, out, _ = run(capsys, *words)
    assert code == 0
    report = json.loads(out)
    program = read_program("a.sysmt")
    assert report["cycles"] == sum(program_cycles(program))
    assert report["milliseconds"] is None
    assert {row["memory"]: row["bytes"] for row in report["memories"]}["weights"] == sum(
        -(-layer["steps"] // (2 >> layer["threads"]))
        * (layer["groups"] * layer["n_tiles"] if layer["grouped"] else layer["n_tiles"])
        * (1 << layer["patch_h"] + layer["patch_w"])
        * 8
        for layer in program.descriptors
        if layer["operation"] == 0
    )
    code, out, _ = run(capsys, "run", "a.sysmt", "inputs.npz", "-o", "out.npy", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["cycles"] == report["cycles"]
    assert found["top1_exact"] == 1.0
    assert [row["name"] for row in found["layers"]] == [row["name"] for row in report["layers"]]
    assert {row["where"] for row in found["layers"]} == {"engine"}
    network = small_network()
    plan = threaded_plan(network, 2)
    values = (small_images(6) ^ np.uint8(128)).view(np.int8)
    expected = Runner(network=network, engine=Golden(program.config.array.pe), plan=plan)(values)
    np.testing.assert_array_equal(np.load("out.npy"), expected)
    code, out, _ = run(capsys, "run", "a.sysmt", "inputs.npz", "--limit", "2")
    assert code == 0
    assert "top-1" in out


def test_a_board_gives_milliseconds(folder, capsys):
    code, out, _ = run(capsys, "compile", "model.tflite", "--board", "ulx3s", "-o", "a.sysmt", "--json")
    assert code == 0
    report = json.loads(out)
    clock = read_program("a.sysmt").clock_hz
    assert clock is not None
    assert report["milliseconds"] == pytest.approx(1e3 * report["cycles"] / clock)


def test_the_plan_is_what_infer_plans(folder, capsys):
    """Recalibrated weights and a permutation: accuracy and answers of `sysmt infer` with the same options."""
    options = ("--calibrate", "inputs.npz", "--reorder", "--recalibrate")
    assert run(capsys, "compile", "model.tflite", "--preset", "engine_sysmt2_8", *options, "-o", "a.sysmt")[0] == 0
    code, out, _ = run(capsys, "run", "a.sysmt", "inputs.npz", "-o", "out.npy", "--json")
    assert code == 0
    found = json.loads(out)
    words = ("infer", "model.tflite", "inputs.npz", "--size", "8", *options, "-o", "infer.npy", "--json")
    code, out, _ = run(capsys, *words)
    assert code == 0
    expected = json.loads(out)
    np.testing.assert_array_equal(np.load("out.npy"), np.load("infer.npy"))
    assert {name: found[name] for name in ("top1", "top1_exact", "agree")} == {
        name: expected[name] for name in ("top1", "top1_exact", "agree")
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compile", "none.tflite"), "must be a readable file"),
        (("compile", "model.tflite", "--preset", "sysmt2_8"), "preset must be one of"),
        (("compile", "model.tflite", "--preset", "engine_sysmt2_4", "--set", "weight_words=4"), "weights take"),
        (("compile", "model.tflite", "--board", "nothing"), "board must be one of"),
        (("compile", "model.tflite", "--board", "icebreaker"), "too small for an engine"),
        (("compile", "model.tflite", "--threads", "4"), "threads must be"),
        (("compile", "model.tflite", "--budget", "1"), "budget must come with calibration inputs"),
        (("compile", "model.tflite", "--keep-weights"), "keep_weights must come with recalibrate"),
        (("compile", "model.tflite", "-o", "nowhere/a.sysmt"), "must exist"),
        (("run", "model.tflite", "inputs.npz"), "program must be a file that `sysmt compile` wrote"),
        (("run", "none.sysmt", "inputs.npz"), "program must be a readable file"),
        (("run", "a.sysmt", "narrow.npz"), "images must have the model's shape"),
        (("run", "a.sysmt", "none.npz"), "inputs must be a readable .npz file"),
        (("run", "a.sysmt", "inputs.npz", "--limit", "0"), "limit must be at least 1"),
        (("run", "a.sysmt", "inputs.npz", "-o", "nowhere/out.npy"), "must exist"),
        (("run", "a.sysmt", "inputs.npz", "--on", "nothing"), "nothing"),
        (("run", "a.sysmt", "inputs.npz", "--baud", "0"), "--baud: must be an integer from 1 to 2147483647, not '0'"),
        (("run", "a.sysmt", "inputs.npz", "--baud", "-3"), "--baud: must be an integer from 1 to 2147483647, not '-3'"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, words, message):
    assert run(capsys, "compile", "model.tflite", "--preset", "engine_sysmt2_4", "-o", "a.sysmt")[0] == 0
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_board_is_talked_to_at_its_rate(folder, capsys, monkeypatch):
    assert run(capsys, "compile", "model.tflite", "--preset", "engine_sysmt2_4", "-o", "a.sysmt")[0] == 0
    rates = []

    def refuse(port, baud, **_):
        rates.append(baud)
        raise serial.SerialException(errno.EBUSY, "busy")

    monkeypatch.setattr("serial.Serial", refuse)
    for words in ((), ("--baud", "3000000")):
        code, _, err = run(capsys, "run", "a.sysmt", "inputs.npz", "--on", str(folder / "inputs.npz"), *words)
        assert code == 2
        assert "is in use by another program" in err
    assert rates == [1_000_000, 3_000_000]


def test_a_simulated_board_may_hold_an_engine(folder, capsys):
    """A program for the preset runs on it, however fast its UART is."""
    assert run(capsys, "compile", "model.tflite", "--preset", "engine_sysmt2_4", "-o", "a.sysmt")[0] == 0
    program = read_program("a.sysmt")
    config = simulated("engine_sysmt2_4", [], 4)
    assert config.divisor == 4
    assert config.fingerprint == program.config.fingerprint
    assert simulated("engine_sysmt2_4", ["layers=48"], 4).layers == 48
    assert simulated("sysmt2_4", [], 4) == preset("accel_sysmt2_4", AccelConfig, divisor=4)


def test_a_truncated_program_is_one_line(folder, capsys):
    assert run(capsys, "compile", "digits", "--preset", "engine_os4", "-o", "a.sysmt")[0] == 0
    content = (folder / "a.sysmt").read_bytes()
    (folder / "a.sysmt").write_bytes(content[:-5])
    code, _, err = run(capsys, "run", "a.sysmt", "inputs.npz")
    assert code == 2
    assert "program is truncated" in err
    assert err.count("\n") == 1
