# SPDX-License-Identifier: Apache-2.0
"""What is not installed is named in one line with the extra that brings it, and what is not needed is not imported."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.base.extras import EXTRAS, named, require
from sysmt.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent

RUN = """
import sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

hidden, *words = sys.argv[1:]
hidden = hidden.split()
sys.meta_path.insert(0, Hide())
if "pyosys" in hidden:  # Looked up by its metadata, and imported in a process of its own.
    from importlib import metadata
    found = metadata.Distribution.from_name
    def lookup(name):
        if name in hidden:
            raise metadata.PackageNotFoundError(name)
        return found(name)
    metadata.Distribution.from_name = lookup
from sysmt.cli.main import main
try:
    code = main(words)
except SystemExit as stopped:
    code = stopped.code
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def run(folder, hidden, *words):
    """The command line in its own process, with the packages of `hidden` (names, spaced) not to be found."""
    return subprocess.run(
        [sys.executable, "-c", RUN, hidden, *words], cwd=folder, capture_output=True, text=True, timeout=120
    )


COCOTB = "cocotb cocotb_tools"
EVERYTHING = " ".join(EXTRAS)

MISSING = [
    (("infer", "m.tflite", "in.npz"), "tflite", "tflite", "infer"),
    (("inspect", "m.onnx"), "onnx", "onnx", "onnx"),
    (("matmul", "X.npy", "W.npy", "--on", "rtl"), COCOTB, "cocotb_tools", "cosim"),
    (("conv1d", "image.npy", "taps.npy", "--on", "rtl"), COCOTB, "cocotb_tools", "cosim"),
    (("cache", "t.npz", "--on", "rtl"), COCOTB, "cocotb_tools", "cosim"),
    (("demo",), COCOTB, "cocotb_tools", "cosim"),
    (("demo",), "sklearn", "sklearn", "demo"),
    (("demo",), "matplotlib", "matplotlib", "demo"),
    (("train", "--recipe", "digits", "-o", "t"), "torch", "torch", "train"),
    (("trace", "digits", "-o", "d.npz"), "sklearn", "sklearn", "demo"),
    (("cycles", "--gemm", "4,4,4", "--array", "2x2", "--plot", "a.png"), "matplotlib", "matplotlib", "demo"),
    (("fuseconv", "--out", "."), "matplotlib", "matplotlib", "demo"),
    (("cache", "t.npz"), "numba", "numba", "silicon"),
    (("synth", "os2"), "pyosys", "pyosys", "silicon"),
    (("synth", "os2"), "numba", "numba", "silicon"),
    (("report", "os2", "-o", "r.json"), "numba", "numba", "silicon"),
    (("report", "os2", "-o", "r.json", "--target", "generic"), "pyosys", "pyosys", "silicon"),
    (("boards",), "amaranth_boards", "amaranth_boards", "boards"),
    (("build", "icebreaker"), "amaranth_boards", "amaranth_boards", "boards"),
    (("flash", "icebreaker"), "amaranth_boards", "amaranth_boards", "boards"),
    (("explore", "digits", "--set", "rows=4", "--set", "cols=4", "-o", "e.html"), "bokeh", "bokeh", "explore"),
    (
        ("explore", "digits", "--set", "rows=4", "--scheduler", "tcp://127.0.0.1:1"),
        "distributed",
        "distributed",
        "cluster",
    ),
    (("board", "info", "--port", "/dev/null"), "serial", "serial", "boards"),
    (("matmul", "X.npy", "W.npy", "--on", "/dev/null"), "serial", "serial", "boards"),
]


@pytest.fixture
def folder(tmp_path):
    """Inputs of the commands."""
    from sysmt.sim.nullcache.traces.trace import Trace

    random = np.random.default_rng(1)
    np.save(tmp_path / "X.npy", random.integers(0, 256, (2, 3), np.uint8))
    np.save(tmp_path / "W.npy", random.integers(-128, 128, (3, 2), np.int8))
    np.save(tmp_path / "image.npy", random.integers(0, 256, (4, 4, 2), np.uint8))
    np.save(tmp_path / "taps.npy", random.integers(-128, 128, (3, 2), np.int8))
    (tmp_path / "m.tflite").write_bytes(bytes(64))
    np.savez(tmp_path / "in.npz", x=np.zeros((1, 2), np.int8))
    trace = Trace(np.zeros(1, np.uint8), np.zeros(1, np.uint32), np.ones(1, np.uint8), np.zeros(1, np.uint32))
    (tmp_path / "t.npz").write_bytes(trace.packed())
    return tmp_path


@pytest.mark.parametrize(("words", "hidden", "package", "extra"), MISSING, ids=lambda v: v[0] if v else "")
def test_a_missing_package_is_named_with_its_extra(folder, words, hidden, package, extra):
    done = run(folder, hidden, *words)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("sysmt: ")]
    assert len(lines) == 1, done.stderr
    assert re.match(rf"sysmt {words[0]}: error: [\w.-]+ is missing: pip install 'sysmt\[{extra}\]'", lines[0]), lines
    assert package in lines[0]
    assert done.returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("show", "sysmt2_8"),
        ("networks",),
        ("generate", "sysmt2_2"),
        ("generate", "tiny"),
        ("generate", "accel_os2"),
        ("cycles", "--network", "mobilenet_v2", "--array", "8x8"),
        ("matmul", "X.npy", "W.npy", "-o", "O.npy"),
        ("conv1d", "image.npy", "taps.npy"),
        *((command.name, "--help") for command in COMMANDS if command.name not in ("infer", "synth", "report")),
    ],
    ids=" ".join,
)
def test_without_extras(folder, words):
    done = run(folder, EVERYTHING, *words)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (("--help",), "amaranth numpy numba cocotb"),
        (("--version",), "amaranth numpy numba cocotb"),
        (("list",), "amaranth numba cocotb matplotlib"),
        (("cycles", "--gemm", "4,4,4", "--array", "2x2"), "amaranth numba cocotb matplotlib"),
    ],
    ids=lambda v: v[0],
)
def test_only_what_is_needed_is_imported(tmp_path, words, unwanted):
    done = run(tmp_path, "", *words)
    assert done.returncode == 0
    assert not set(done.stdout.splitlines()[-1].split()) & set(unwanted.split())


def test_what_is_missing_in_a_package_that_is_there_is_no_users_error(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        require("broken_package", "demo")
    with pytest.raises(UserError, match=r"^no_such_package is missing: pip install 'sysmt\[demo\]'$"):
        require("no_such_package.inner", "demo")
    with pytest.raises(ModuleNotFoundError), named():
        import_module("broken_package")
    assert require("numpy", "demo") is np


DISTRIBUTIONS = {
    "cocotb_tools": "cocotb",
    "find_libpython": "cocotb",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "serial": "pyserial",
    "amaranth_boards": "amaranth-boards",
}
"""Distributions that are called otherwise than the package they bring."""


@pytest.mark.parametrize("package", EXTRAS)
def test_extras_bring_what_they_are_said_to_bring(package):
    text = (ROOT / "pyproject.toml").read_text()
    extra = re.search(rf"^{EXTRAS[package]} = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL).group(1)
    assert DISTRIBUTIONS.get(package, package) in re.findall(r'^  "([\w-]+)', extra, re.MULTILINE)
