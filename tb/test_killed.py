# SPDX-License-Identifier: Apache-2.0
"""The tools killed and begun again, and two at once."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from . import needs
from .test_faults import SYSMT, matrices, run

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
