# SPDX-License-Identifier: Apache-2.0
"""The command line: results as JSON, one-line errors with exit code 2, nothing half-written."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from sysmt.cli.commands import COMMANDS
from sysmt.cli.main import main
from sysmt.cli.output import table
from sysmt.hdl.params.presets import ARRAYS, PRESETS
from sysmt.sim.cosim.simulator import available
from tb.references.product import matmul


@pytest.fixture
def files(tmp_path, monkeypatch):
    """X.npy and W.npy in the current folder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(4)
    np.save("X.npy", random.integers(0, 256, (5, 11), np.uint8))
    np.save("W.npy", random.integers(-128, 128, (11, 6), np.int8))
    return tmp_path


def run(capsys, *words):
    """Exit code, and what was printed."""
    try:
        code = main(list(words))
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_an_example(command, capsys):
    code, out, _ = run(capsys, command.name, "--help")
    assert code == 0
    assert f"sysmt {command.name}" in out.split("example:")[1]


def test_list_and_show(capsys):
    code, out, _ = run(capsys, "list", "--json")
    assert code == 0
    assert [row["preset"] for row in json.loads(out)["presets"]] == list(ARRAYS)
    code, out, _ = run(capsys, "show", "sysmt2_8", "--json")
    facts = json.loads(out)
    assert (code, facts["threads"], facts["k_max"], facts["latency"]) == (0, 2, 65792, 24)


def test_a_list_says_every_field_of_every_preset(capsys):
    """A column where presets of one form differ, once for all of them where they do not."""
    found = {}
    for block in run(capsys, "list")[1].split("\n\n"):
        lines = block.splitlines()
        (begins,) = [i for i, line in enumerate(lines) if line.startswith("all: ")]
        common = dict(field.split("=", 1) for field in " ".join(lines[begins:]).removeprefix("all: ").split())
        columns = lines[0].split()
        found |= {line.split()[0]: common | dict(zip(columns, line.split(), strict=True)) for line in lines[1:begins]}
    assert list(found) == list(PRESETS)
    for name in ("sysmt4_16", "sparq2_8", "smtsa2_8", "galileo", "tcam32", "accel_sparq_16", "engine_sysmt2_8"):
        shown = run(capsys, "show", name)[1].splitlines()
        fields = dict(line.split(maxsplit=1) for line in shown)
        assert found[name].items() <= fields.items()
        assert set(fields) - set(found[name]) <= {"k_max", "latency"}


def test_generate_writes_what_it_says(files, capsys):
    words = ("generate", "sysmt2_4", "--set", "policy=S+Aw", "--set", "rows=2", "-o", "out", "--json")
    code, out, _ = run(capsys, *words)
    assert code == 0
    name = json.loads(out)["name"]
    assert re.fullmatch("sysmt2_4_rows2_S_Aw_[0-9a-f]{8}", name)
    manifest = json.loads((files / "out" / f"{name}.json").read_text())
    assert (manifest["config"]["policy"], manifest["config"]["rows"]) == ("S+Aw", 2)
    assert json.loads(out)["config"] == manifest["config"]
    before = (files / "out" / f"{name}.v").read_bytes()
    assert run(capsys, *words)[0] == 0
    assert (files / "out" / f"{name}.v").read_bytes() == before


def golden_facts(files, capsys, *words):
    code, out, _ = run(capsys, "matmul", "X.npy", "W.npy", "-o", "O.npy", "--json", *words)
    assert code == 0
    return json.loads(out), np.load(files / "O.npy")


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_matmul_on_the_golden_model(files, capsys, threads):
    facts, sums = golden_facts(files, capsys, "--threads", str(threads), "--rows", "2", "--cols", "4")
    config = ARRAYS["sysmt2_8"].with_fields(threads=threads)
    golden = matmul(np.load("X.npy"), np.load("W.npy"), config.pe)
    assert sums.dtype == np.int32
    np.testing.assert_array_equal(sums, golden.sums)
    assert facts["tiles"] == 6
    assert facts["steps"] == 6 * -(-11 // threads)
    for name in ("active", "busy", "collisions", "reduced"):
        assert facts[name] == getattr(golden.counters, name)
    assert facts["mac_per_cycle"] == pytest.approx(5 * 11 * 6 / facts["cycles"])


def test_matmul_on_the_rtl_says_the_same(files, capsys):
    simulator = "icarus" if available("icarus") else "verilator"
    words = ("--rows", "2", "--cols", "3", "--policy", "S+aW", "--rounding", "truncate")
    expected, sums = golden_facts(files, capsys, *words)
    waves = "a.fst" if simulator == "icarus" else "a.vcd"
    found, on_gates = golden_facts(files, capsys, *words, "--on", "rtl", "--simulator", simulator, "--waves", waves)
    assert found == expected
    np.testing.assert_array_equal(on_gates, sums)
    assert (files / waves).stat().st_size > 1000


BAD = [
    (("show", "os9"), "preset must be one of os2, os4, "),
    (("generate", "os4", "--set", "rows=0"), "rows must be an integer from 1 to 256, not 0"),
    (("generate", "os4", "--set", "colour=1"), "setting must be field=value with field one of acc_width, "),
    (
        ("generate", "tiny", "--set", "entries=4"),
        "setting must be field=value with field one of addr_width, line, memory_cycles, null, ",
    ),
    (("generate", "tiny", "--set", "null.entries=x"), "null.entries must be an integer, not 'x'"),
    (("generate", "tcam32", "--set", "memory=true"), "ports and latency of a TCAM in memory must be 1, not "),
    (("generate", "galilo"), "preset must be one of os2, os4, os8"),
    (
        ("generate", "os4", "--link", "axi"),
        "--link axi is for an accelerator or an engine, not os4: take accel_<array>",
    ),
    (("generate", "accel_os4", "--link", "spi"), "link must be one of uart, axi, wishbone, axi-stream, cfu, not 'spi'"),
    (("generate", "os4", "--name", "4"), "name must be letters, digits and _"),
    (("generate", "os4", "-o", "X.npy"), "output 'X.npy' cannot be written: "),
    (("matmul", "no.npy", "W.npy"), "X file 'no.npy' cannot be read: No such file or directory"),
    (("matmul", "text.npy", "W.npy"), "X file 'text.npy' must be an array saved by numpy.save (.npy)"),
    (("matmul", "many.npz", "W.npy"), "X file 'many.npz' must hold one array (.npy), not an archive"),
    (("matmul", "nan.npy", "W.npy"), "x must be a uint8 array [M, K], not float64 [2, 11]"),
    (("matmul", "W.npy", "W.npy"), "x must be a uint8 array [M, K], not int8 [11, 6]"),
    (("matmul", "X.npy", "X.npy"), "w must be a int8 array [K, N], not uint8 [5, 11]"),
    (("matmul", "X.npy", "short.npy"), ""),
    (("matmul", "empty.npy", "none.npy"), ""),
    (("matmul", "X.npy", "W.npy", "--set", "acc_width=17"), "K = 11 could overflow acc_width = 17: at most 2 fit"),
    (("matmul", "X.npy", "W.npy", "--on", "fpga"), "--on must be golden, rtl or the path of a serial port, not 'fpga'"),
    (("matmul", "X.npy", "W.npy", "--waves", "a.vcd"), "--waves 'a.vcd' needs --on rtl"),
    (("matmul", "X.npy", "W.npy", "-o", "no/O.npy"), "output folder 'no' must exist: create it first"),
    (("infer", "m.tflite", "in.npz", "-o", "no/out.npz"), "output folder 'no' must exist: create it first"),
    (("inspect", "m.tflite", "--dot", "no/m.dot"), "output folder 'no' must exist: create it first"),
    (("inspect", "m.tflite", "--svg", "no/m.svg"), "output folder 'no' must exist: create it first"),
    (("matmul", "X.npy", "W.npy", "--on", "rtl", "--simulator", "vcs"), "simulator must be one of verilator, icarus"),
    (("demo", "--images", "0"), "--images must be from 1 to 500, not 0"),
    (("cache", "X.npy"), "trace must be a readable .npz file, not 'X.npy'"),
    (("cycles", "--gemm", "0,2,3", "--array", "2x2"), "gemm must be M,K,N of at least 1 each, not '0,2,3'"),
    (("trace", "squeezenett", "-o", "t.npz"), "network must be one of digits, lenet5, alexnet, vgg16, squeezenet, not"),
    (("frobnicate",), "argument COMMAND: invalid choice: 'frobnicate'"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_bad_input_is_one_line_and_leaves_nothing(files, capsys, words, message):
    (files / "text.npy").write_text("not an array")
    np.savez("many.npz", a=np.zeros(1))
    np.save("nan.npy", np.full((2, 11), np.nan))
    np.save("short.npy", np.zeros((10, 6), np.int8))
    np.save("empty.npy", np.zeros((5, 0), np.uint8))
    np.save("none.npy", np.zeros((0, 6), np.int8))
    before = sorted(p.name for p in files.iterdir())
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1, err
    assert sorted(p.name for p in files.iterdir()) == before


def test_a_missing_simulator_is_named_with_its_package(files, capsys, monkeypatch):
    monkeypatch.setattr("sysmt.sim.cosim.verilator._search_path", lambda: str(files))
    code, _, err = run(capsys, "matmul", "X.npy", "W.npy", "--on", "rtl", "--simulator", "icarus")
    assert code == 2
    assert err == "sysmt matmul: error: simulator icarus is missing: sudo apt-get install iverilog\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    line = f"{sys.executable} -m sysmt list --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{\n0\n", "")


def test_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "sysmt", "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "sysmt list: error: standard output cannot be written: No space left on device; choose another place\n"
    )


@pytest.mark.parametrize("environment", [{}, {"LANG": "C", "LC_ALL": "C"}])
def test_an_empty_environment_is_enough(environment):
    done = subprocess.run([sys.executable, "-m", "sysmt", "list"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sysmt2_8" in done.stdout


def test_a_build_folder_that_cannot_be_written_is_named(files, capsys, monkeypatch):
    monkeypatch.setenv("SYSMT_BUILD", str(files / "X.npy"))
    code, _, err = run(capsys, "matmul", "X.npy", "W.npy", "--on", "rtl", "--rows", "2", "--cols", "2")
    assert code == 2
    assert "SYSMT_BUILD" in err.splitlines()[-1]
    assert "cannot be written" in err.splitlines()[-1]


@pytest.mark.parametrize("content", ["KIND = (", "kind = 3", "import no_such_module"])
def test_a_kind_of_pe_that_cannot_be_read_is_named(files, capsys, monkeypatch, content):
    (files / "kinds" / "params").mkdir(parents=True)
    (files / "kinds" / "params" / "broken.py").write_text(content)
    monkeypatch.setenv("SYSMT_KINDS", str(files / "kinds"))
    code, _, err = run(capsys, "generate", "os2", "--set", "kind=broken")
    assert code == 2
    assert "kind 'broken' must have a KIND in params/broken.py" in err
    assert err.count("\n") == 1


def test_a_table_of_rows_that_lack_some_columns():
    assert table([{"a": 1, "b": 2.5}, {"a": 30, "c": "x"}]).splitlines() == [" a    b  c", " 1  2.5", "30       x"]
