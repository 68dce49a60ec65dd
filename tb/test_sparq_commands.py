# SPDX-License-Identifier: Apache-2.0
"""`sysmt infer`, `compile` and `run` with SPARQ's options: signed windows, 2:4 weights."""

import json

import numpy as np
import pytest

from sysmt.cli.main import main
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.sim.engine.file import read_program
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, Runner, threaded

from .int8_networks import small_content, small_images, small_network

ENGINE = ("--preset", "engine_sysmt2_2", "--set", "kind=sparq")
OPTIONS = {"signed_window": (2, 2), "stc": (2, 1)}
"""Threads of the two layers that may run threaded, one of them with 2:4 weights, by option."""


def say(capsys, *words):
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(small_content(pruned=True))
    np.savez("inputs.npz", images=small_images(3), labels=np.zeros(3, int))
    return tmp_path


def expected(option):
    network, threads = small_network(pruned=True), iter(OPTIONS[option])
    plan = tuple(LayerPlan(threads=next(threads)) if may else LayerPlan() for may in threaded(network))
    values = (small_images(3) ^ np.uint8(128)).view(np.int8)
    return Runner(network=network, engine=Golden(SparqConfig(**{option: True})), plan=plan)(values)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_program_computes_what_infer_says(folder, capsys, option):
    setting = f"{option}=true"
    compiled, told = say(capsys, "compile", "model.tflite", *ENGINE, "--set", setting, "-o", "a.sysmt")
    assert told.count("its weights are not 2:4; it runs on 1 of 2 threads, exactly") == (option == "stc")
    program = read_program("a.sysmt")
    assert getattr(program.config.array.pe, option)
    assert sum(layer["threads"] for layer in program.descriptors) == OPTIONS[option].count(2)
    ran, _ = say(capsys, "run", "a.sysmt", "inputs.npz", "-o", "out.npy")
    assert ran["cycles"] == compiled["cycles"]
    np.testing.assert_array_equal(np.load("out.npy"), expected(option))
    words = ("model.tflite", "inputs.npz", "--preset", "sparq_8", "--set", setting, "-o", "infer.npy")
    say(capsys, "infer", *words)
    np.testing.assert_array_equal(np.load("infer.npy"), expected(option))


@pytest.mark.regress
@pytest.mark.parametrize("option", OPTIONS)
def test_the_gates_do_too(folder, capsys, option):
    say(capsys, "compile", "model.tflite", *ENGINE, "--set", f"{option}=true", "-o", "a.sysmt")
    ran, _ = say(capsys, "run", "a.sysmt", "inputs.npz", "--limit", "1", "--on", "rtl", "-o", "out.npy")
    assert ran["equal"]
    np.testing.assert_array_equal(np.load("out.npy"), expected(option)[:1])
