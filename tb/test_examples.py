# SPDX-License-Identifier: Apache-2.0
"""Every script in examples/ runs, and prints what it promises."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
HELPERS = {"small_tflite.py"}
SCRIPTS = {
    "own_testbench": ("cocotb, verilator", r"the testbench passed"),
    "int8_model": ("tflite", r"os8 +\d+ cycles per input, 100\.0% of the answers"),
    "cache_trace": ("numba", r"16 KB \+ null cache +\d+ misses +[1-9]\d* null hits"),
    "board": ("serial, verilator", r"equal to the golden model"),
    "synthesis": ("pyosys", r"sysmt2_4: 1\.\d+ times the area"),
    "training": ("torch, onnx, sklearn", r"sysmt4_8: 9\d\.\d%, [23]\.\d\d times as fast"),
    "pytorch": ("torch, onnx, onnxruntime, sklearn", r"sysmt2_8 +9\d\.\d%, \d+ cycles per input"),
    "own_pe": ("cocotb, verilator", r"equal"),
}
"""Per script the packages that it needs, and a line that it prints."""


def test_all_scripts_are_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} - HELPERS == {f"{name}.py" for name in SCRIPTS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs(name):
    packages, line = SCRIPTS[name]
    for package in packages.split(", "):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed, and examples/{name}.py needs it")
    script = EXAMPLES / f"{name}.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert re.search(line, done.stdout), done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_script_says_how_it_is_called_and_takes_nothing_from_tests(path):
    text = path.read_text()
    assert path.name in HELPERS or f"python examples/{path.name}" in text
    assert not re.search(r"^\s*(from|import) (tb|bench)\b", text, re.MULTILINE)
