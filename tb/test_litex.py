# SPDX-License-Identifier: Apache-2.0
"""The LiteX example: the processor's loops by themselves, and the whole SoC in simulation."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.options import Options

from .shared import shared

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "litex"
DSCNN = ("data", "models", "dscnn_kws_int8.tflite")
ACCEL = preset("accel_sysmt2_4", AccelConfig, link="wishbone")
ENGINE = preset("engine_sysmt2_4", EngineConfig, link="wishbone")

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc compiles the loops: sudo apt-get install gcc")


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))


def header(model: str, inputs: np.ndarray | None = None) -> str:
    from cases import cases

    network = read_model(Path(model)).network
    if inputs is None:
        kind = np.iinfo(network.input.dtype)
        shape = (2, *network.input.shape[1:])
        inputs = np.random.default_rng(1).integers(kind.min, kind.max + 1, shape, network.input.dtype)
    return cases(network, prepare(read_model(Path(model)), ENGINE, Options(), threads=1), inputs, ACCEL)


def ended(folder: Path, text: str) -> int:
    (folder / "cases.h").write_text(text)
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined,address"]
    sources = [str(EXAMPLE / "cpu.c"), str(HERE / "litex_loops.c")]
    flags = ["-Wno-unused-const-variable", "-Wno-missing-field-initializers", "-Wno-type-limits"]
    subprocess.run([*command, *flags, f"-I{EXAMPLE}", f"-I{folder}", *sources, "-o", folder / "loops"], check=True)
    return subprocess.run([folder / "loops"], check=False).returncode


@needs_gcc
@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("model", ["digits", "dscnn"])
def test_the_loops_of_the_processor_are_the_golden_model(model, tmp_path):
    assert ended(tmp_path, header("digits" if model == "digits" else str(shared(*DSCNN)))) == 0


@needs_gcc
@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("name", ["int8_t layer1_weights", "int8_t layer1_shift"])
def test_a_wrong_number_of_a_layer_is_found(name, tmp_path):
    text = header("digits")
    start = text.index("{", text.index(f"const {name}[")) + 1
    assert ended(tmp_path, f"{text[:start]}1 - {text[start:]}") == 2


@pytest.mark.usefixtures("example")
def test_what_is_no_chain_of_layers_is_refused():
    resnet = shared("data", "models", "resnet8_cifar10_int8.tflite")
    with pytest.raises(UserError, match=r"must be linear or a mean, not ADD; choose another model$"):
        header(str(resnet))


def simulated(*words: str, script: str = "simulate.py") -> dict:
    """What the example prints, run as a user runs it."""
    command = [sys.executable, str(EXAMPLE / script), *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, timeout=3000)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    from toolchain import missing

    absent = missing()
    if absent:
        pytest.skip(absent)


@pytest.mark.regress
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("link", ["wishbone", "axi"])
def test_digits_on_a_soc(link):
    """A product and the network: equal on the devices, on the processor and in the golden model."""
    report = simulated("--link", link)
    assert report["interrupts"] == 1
    assert report["product"]["ratio"] > 5
    assert report["network"]["engine alone"] >= 50


@pytest.mark.regress
@pytest.mark.usefixtures("installed")
def test_dscnn_on_a_soc_takes_a_fiftieth_of_the_cycles():
    report = simulated(str(shared(*DSCNN)), str(shared("data", "kws", "even500.npz")))
    assert report["network"]["ratio"] >= 50


@pytest.mark.regress
@pytest.mark.usefixtures("installed")
def test_digits_by_custom_instructions_of_the_processor():
    """An engine as the CFU of the VexRiscv; the example compares the outputs with the golden engine's."""
    report = simulated("--limit", "2", script="cfu.py")
    assert report["inputs"] == 2
    assert 0 < report["run"] < report["load"]
