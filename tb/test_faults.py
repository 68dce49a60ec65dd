# SPDX-License-Identifier: Apache-2.0
"""The tools under faults: killed and begun again, two at once, full and read-only disks, readers that leave."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
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


# Killed, and two at once.

ORPHANED = """
import os, subprocess, sys, time
from pathlib import Path
from sysmt.base.cache import cached
def make(folder):
    if sys.argv[1] == "killed":
        late = "import time; time.sleep(1); open('result', 'w').write('torn'); open('ended', 'w')"
        subprocess.Popen([sys.executable, "-c", late], cwd=folder)
        os.kill(os.getpid(), 9)
    (folder / "result").write_text("whole")
print((cached("kind", "name", "same", make) / "result").read_text())
"""


def test_what_outlives_its_killed_parent_writes_into_no_other_build(tmp_path):
    env = {**os.environ, "SYSMT_BUILD": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", ORPHANED, "killed"], env=env).returncode == -signal.SIGKILL
    done = subprocess.run([sys.executable, "-c", ORPHANED, "again"], env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("whole\n", "")
    time.sleep(1.5)
    (directory,) = (tmp_path / "kind").iterdir()
    assert sorted(path.name for path in directory.iterdir()) == ["lock", "ready", "result"]
    assert (directory / "result").read_text() == "whole"


def files(folder: Path) -> dict[str, bytes]:
    """What a command wrote: hidden files are those of a killed one that had not moved them to their place."""
    found = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.name: path.read_bytes() for path in found}


def killed(words: list[str], folder: Path, seconds: float) -> None:
    """Begin a command and kill it, its children not, after so long."""
    env = {**os.environ, "SYSMT_BUILD": str(folder / "build")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*SYSMT, *words], cwd=folder, env=env, **quiet) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()


def lasting(text: str) -> str:
    """What a command says, but for its speed, what it found done already, and where that lies."""
    return re.sub(r'"inputs_per_second": [\d.]+|"(computed|found)": \{[^}]*\}|"store": "[^"]*"', "", text)


COMPILE = ["compile", "model.tflite", "-o", "a.sysmt", "--json"]
LONG = [
    ["generate", "sysmt2_4", "-o", ".", "--json"],
    ["synth", "os2", "--json"],
    ["infer", "model.tflite", "inputs.npz", "--size", "2", "--on", "rtl", "-o", "out.npy", "--json"],
    ["matmul", "X.npy", "W.npy", "--rows", "2", "--cols", "2", "--on", "rtl", "-o", "O.npy", "--json"],
    ["demo", "--images", "1", "-o", ".", "--json"],
    ["build", "icebreaker", "-o", ".", "--json"],
    ["explore", "digits", "--points", "30", "--json"],
]
LONG_RUNS = [
    pytest.param(words, marks=[pytest.mark.regress, *([needs.router("ice40")] if words[0] == "build" else [])])
    for words in LONG
]


@pytest.mark.parametrize("words", [COMPILE, *LONG_RUNS], ids=lambda words: words[0])
def test_a_killed_command_gives_the_same_when_it_is_run_again(tmp_path, words):
    alone, again = tmp_path / "alone", tmp_path / "again"
    for folder in (alone, again):
        folder.mkdir()
        matrices(folder)
    start = time.monotonic()
    wanted = run(*words, folder=alone)
    took = time.monotonic() - start
    assert wanted.returncode == 0, wanted.stderr
    for share in (0.5, 0.8, 0.95) if words is not COMPILE else (0.8,):
        killed(words, again, share * took)
    found = run(*words, folder=again)
    assert (found.returncode, lasting(found.stdout)) == (0, lasting(wanted.stdout)), found.stderr
    assert files(again) == files(alone)


@pytest.mark.parametrize("words", [COMPILE, *LONG_RUNS], ids=lambda words: words[0])
def test_two_at_once_give_the_same(tmp_path, words):
    matrices(tmp_path)
    env = {**os.environ, "SYSMT_BUILD": str(tmp_path / "build")}
    both = []
    with contextlib.ExitStack() as stack:
        # Files, not pipes: one that waits for its reader would keep the locks that the other waits for.
        streams = [[stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)] for _ in range(2)]
        for out, err in streams:
            both.append(subprocess.Popen([*SYSMT, *words], cwd=tmp_path, env=env, stdout=out, stderr=err))
        codes = [process.wait() for process in both]
        said = [[stream.seek(0) or stream.read() for stream in pair] for pair in streams]
    assert codes == [0, 0], said
    assert lasting(said[0][0]) == lasting(said[1][0])
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
