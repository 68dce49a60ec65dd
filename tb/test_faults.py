# SPDX-License-Identifier: Apache-2.0
"""The tools under faults: full and read-only disks, readers that leave. `test_killed.py` has those killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sysmt.base.cache import cached
from sysmt.base.errors import UserError
from sysmt.cli import main as command_line
from sysmt.sim.cosim.verilator import SimulationError
from sysmt.sim.flow import yosys

from . import needs
from .int8_networks import small_content, small_images

SYSMT = [sys.executable, "-m", "sysmt"]
FULL = "No space left on device"


def run(*words, folder, before="", **changes):
    """A command in `folder`, with the build folder `build` there; `before` is what a shell does first."""
    env = {**os.environ, "SYSMT_BUILD": str(folder / "build"), **changes}
    command = ["sh", "-c", f'{before}\nexec "$@"', "sh", *SYSMT, *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def mounted(size: str, *words, folder, options="") -> subprocess.CompletedProcess:
    """A command whose build and output folder is a file system of its own, of `size`."""
    place = folder / "disk"
    place.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size={size} tmpfs disk"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], cwd=folder, capture_output=True).returncode:
        pytest.skip("a file system of a given size cannot be mounted here")
    env = {**os.environ, "SYSMT_BUILD": "disk/build", "TMPDIR": str(place)}
    command = f'{mount} && {options or "true"}\n"$@"; code=$?; ls -A disk/out >&2; exit $code'
    line = ["unshare", "-rm", "sh", "-c", command, "sh", *SYSMT, *words]
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True)


def one_line(done: subprocess.CompletedProcess, command: str) -> str:
    """The error of a command that says one, behind its progress."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if not line.startswith("sysmt: ")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith(f"sysmt {command}: error: ")
    return errors[0]


def matrices(folder: Path) -> None:
    random = np.random.default_rng(4)
    np.save(folder / "X.npy", random.integers(0, 256, (4, 5), np.uint8))
    np.save(folder / "W.npy", random.integers(-128, 128, (5, 4), np.int8))
    (folder / "model.tflite").write_bytes(small_content())
    np.savez(folder / "inputs.npz", images=small_images(4))


# Readers, terminals, environments.


@pytest.mark.parametrize("words", ["infer --help", "--help", "list"])
def test_a_reader_may_leave(words):
    line = f"{' '.join(SYSMT)} {words} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")


def test_help_on_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SYSMT, "infer", "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert FULL in done.stderr


@pytest.mark.parametrize("errors", ["2>&-", "2>/dev/full"])
def test_nobody_need_hear_of_progress(tmp_path, errors):
    matrices(tmp_path)
    line = f"{' '.join(SYSMT)} infer model.tflite inputs.npz --budget 50 --calibrate inputs.npz --json {errors}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["inputs"] == 4


def test_an_output_without_umlauts_gets_escapes():
    code = "from sysmt.cli.output import emit; emit('\\u00b5m')"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\\xb5m\n", "")


def test_no_home_and_the_language_c(tmp_path):
    matrices(tmp_path)
    words = [*SYSMT, "compile", "model.tflite", "-o", "a.sysmt", "--json"]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "SYSMT_BUILD": str(tmp_path / "build")}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, start_new_session=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["file"] == "a.sysmt"


# What fails inside is one line.


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            SimulationError("make failed (2)\ng++ -c a.cpp\na.s: Fatal error: a.o: thing\nbye"),
            "make failed (2): a.s: Fatal",
        ),
        (SimulationError(f"make failed (2)\na: {FULL}\nmake: Error 1"), f"make failed (2): a: {FULL}; make room there"),
        (SimulationError("the simulated engine is gone"), "the simulated engine is gone"),
        (
            OSError(28, FULL, "a/b"),
            f"file 'a/b' cannot be used: {FULL}; make room or choose other folders: SYSMT_BUILD",
        ),
        (OSError(5, "Input/output error"), "a file cannot be used: Input/output error"),
        (MemoryError(), "memory is not enough for this"),
    ],
)
def test_failures_of_the_machine_are_one_line(error, said, monkeypatch, capsys):
    def fail(_):
        raise error

    monkeypatch.setattr(command_line, "show", lambda *_: fail(_))
    assert command_line.main(["list"]) == 2
    found = capsys.readouterr().err
    assert found.startswith(f"sysmt list: error: {said}")
    assert found.count("\n") == 1


# Full and read-only disks.


def test_a_netlist_that_is_not_whole_is_refused(tmp_path):
    """As on a full disk, where Yosys says nothing: a file cannot be longer than 8 KB here."""
    outputs = "".join(f"assign y{i} = x * {i + 3};\n" for i in range(9))
    ports = "".join(f", output [31:0] y{i}" for i in range(9))
    (tmp_path / "a.v").write_text(f"module a(input [31:0] x{ports});\n{outputs}endmodule\n")
    code = "import resource, sys; from pathlib import Path; from sysmt.sim.flow import yosys\n"
    code += "if len(sys.argv) > 2: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
    code += "yosys.run(['read_verilog a.v', 'proc', 'write_verilog -noattr b.v', sys.argv[1]], Path())"
    assert subprocess.run([sys.executable, "-c", code, "write_json a.json"], cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.json").stat().st_size > 8192
    limited = [sys.executable, "-c", code, "write_json a.json", "limited"]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
    said = "sysmt.base.errors.UserError: yosys could not write all of 'a.json': make room there"
    assert done.stderr.splitlines()[-1] == said


@pytest.mark.parametrize("content", [b"", b"{\n  }\n", b'{\n  "modules": {\n    }\n'])
def test_the_end_of_a_netlist_is_that_of_the_whole(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"^yosys could not write all of '.*/a\.json': make room there$"):
        yosys._check_end(tmp_path / "a.json", yosys.ENDS["write_json"])


def test_a_full_disk_takes_all_files_or_none(tmp_path):
    done = mounted("64k", "generate", "os4", "-o", "disk/out", folder=tmp_path)
    lines = done.stderr.splitlines()
    assert (done.returncode, lines) == (
        2,
        [f"sysmt generate: error: output 'disk/out' cannot be written: {FULL}; choose another place"],
    )


def test_a_build_folder_that_is_read_only_is_named(tmp_path):
    matrices(tmp_path)
    words = ["matmul", "X.npy", "W.npy", "--rows", "2", "--cols", "2", "--on", "rtl"]
    done = mounted("64k", *words, folder=tmp_path, options="mkdir disk/out && mount -o remount,ro disk")
    said = "SYSMT_BUILD 'disk/build' cannot be written: Read-only file system; choose another folder"
    assert one_line(done, "matmul").endswith(said)


def test_a_build_folder_with_blanks_is_named(tmp_path):
    matrices(tmp_path)
    words = ["matmul", "X.npy", "W.npy", "--rows", "2", "--cols", "2", "--on", "rtl"]
    done = run(*words, folder=tmp_path, SYSMT_BUILD="my build")
    said = f"build folder {str(tmp_path / 'my build')!r} must not have blanks in its path: set SYSMT_BUILD to another"
    assert one_line(done, "matmul") == f"sysmt matmul: error: {said}"


def test_a_finished_build_is_found_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("SYSMT_BUILD", str(tmp_path))
    directory = cached("kind", "name", 1, lambda folder: (folder / "a").write_text("b"))
    (directory / "lock").unlink()
    assert cached("kind", "name", 1, lambda _: pytest.fail("made again")) == directory
    assert sorted(path.name for path in directory.iterdir()) == ["a", "ready"]


@pytest.mark.regress
@pytest.mark.parametrize(
    "words",
    [
        ["synth", "os2"],
        ["matmul", "X.npy", "W.npy", "--rows", "2", "--cols", "2", "--on", "rtl"],
        ["demo", "--images", "1", "-o", "disk/out"],
        ["infer", "model.tflite", "inputs.npz", "--size", "2", "--on", "rtl"],
        pytest.param(["build", "icebreaker", "-o", "disk/out"], marks=needs.router("ice40")),
    ],
    ids=lambda words: words[0],
)
def test_a_disk_of_2_mb_is_one_line(tmp_path, words):
    matrices(tmp_path)
    assert "error" in one_line(mounted("2m", *words, folder=tmp_path, options="mkdir disk/out"), words[0])
