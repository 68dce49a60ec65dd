# SPDX-License-Identifier: Apache-2.0
"""A copy of the checkout, in which one source of gates at a time is changed and tested.

Tests that found an earlier mutant of a source, on another day and of other gates too, run first on its next ones, and
the first failure is the verdict; then the same test must pass on the original. Verdicts are found again by
`bench.mutation_keys`.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from sysmt.base.cache import READY, cached_json
from sysmt.base.errors import UserError
from sysmt.base.files import build_root, data_folder
from sysmt.cli.output import progress

from .mutation_keys import depends, normal
from .mutation_sites import Mutant
from .mutation_tests import ROOT

COPIED = ("hdl", "sim", "boards", "sysmt", "tb", "bench", "examples", "docs")
INSTALLED = ("hdl", "sim", "boards")
"""Folders that are packages of `sysmt`."""

NO_SEEDS = """

def seeded_bug(*_):
    pytest.skip("a mutant is tested, not a seeded bug")
"""
CONFTEST = '''
"""Tests that found mutants before come first; the first that fails, or does not end, is written down."""

import json
import os
import signal
from pathlib import Path

import pytest

FIRST = json.loads(os.environ["MUTATION_FIRST"])
FAILED = Path(os.environ["MUTATION_FAILED"])
SECONDS = float(os.environ["MUTATION_SECONDS"])


def _hangs(*_):
    pytest.fail(f"not ended after {SECONDS} s of the processor")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    signal.signal(signal.SIGPROF, _hangs)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.nodeid) if item.nodeid in FIRST else len(FIRST))


def pytest_runtest_logreport(report):
    if report.failed and not FAILED.exists():
        FAILED.write_text(report.nodeid)
'''
"""Beside the copied checkout's pyproject.toml."""
ONE_TEST, PROCESS, WALL = 25.0, 300, 3600.0
"""What may be taken: processor seconds by a test, by each process (neither depends on what else runs), all seconds."""
SHARED = "runtime"
"""Builds that are the same for every simulation."""


class OutOfTimeError(Exception):
    """A verdict that is not known yet would begin too late."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mutant of a file, by the file's name in `TESTS`."""

    source: str
    mutant: Mutant


@dataclass(frozen=True)
class Outcome:
    """What a run of tests came to: `state` "passed", "failed" or "hangs", the test that failed, the last line said."""

    state: str
    failed: str
    said: str


class Workshop:
    """A copy of the checkout to change and test, in `root`.

    Parameters
    ----------
    root : Path
    until : float
        By `time.monotonic()`: no test begins later.

    Attributes
    ----------
    seconds : dict of str to list of float
        By file of tests: what each mutant took of the processor.
    """

    def __init__(self, root: Path, until: float = float("inf")) -> None:
        self.root, self.until = root, until
        self.build = build_root() / "mutation" / "build"
        self.seconds: dict[str, list[float]] = {}
        self._killers: dict[tuple[str, str], list[str]] = {}
        self._know_builds()

    def _know_builds(self) -> None:
        """Begin with links to the builds that are finished: they are only read, and found by their content."""
        for mark in build_root().glob(f"sim/*/{READY}"):
            link = self.build / "sim" / mark.parent.name
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(mark.parent.resolve(), target_is_directory=True)

    def judge(self, drawn: Drawn, test: str) -> str:
        """ "found", "hangs" (found, too) or "survives", by one file of tests.

        Raises
        ------
        OutOfTimeError
            That is not known yet, and it is too late to begin.
        UserError
            A test that finds the mutant fails on the original, too.
        """
        first = self._killers.setdefault((drawn.source, test), found_before(drawn.source, test))
        others = depends(ROOT, drawn.source, test)

        def run() -> dict[str, Any]:
            self._begin()
            start = _taken()
            with self._changed(drawn), self._no_new_builds():
                outcome = self._pytest(f"tb/test_{test}.py", first)
            seconds = _taken() - start
            if outcome.state == "passed":
                return {"state": "survives", "by": "", "processor": seconds}
            self._passes(drawn.source, test, others, outcome.failed or f"tb/test_{test}.py")
            state = {"failed": "found", "hangs": "hangs"}[outcome.state]
            return {"state": state, "by": outcome.failed, "processor": seconds}

        content = [drawn.source, normal(drawn.mutant.text), test, others]
        verdict: dict[str, Any] = cached_json("mutation", named(drawn.source), content, run)
        if verdict["by"]:
            first[:] = [verdict["by"], *(name for name in first if name != verdict["by"])]
        self.seconds.setdefault(test, []).append(verdict["processor"])
        return str(verdict["state"])

    def _passes(self, source: str, test: str, others: str, name: str) -> None:
        """Refuse a test that fails without a mutant."""

        def run() -> dict[str, Any]:
            progress(f"original: {name}")
            outcome = self._pytest(name, [])
            if outcome.state != "passed":
                raise UserError(f"test {name} must pass without a mutant: {outcome.said}")
            return {}

        original = normal((self.root / "hdl" / f"{source}.py").read_text())
        cached_json("mutation", "original", [original, test, others, name], run)

    def _begin(self) -> None:
        if monotonic() > self.until:
            raise OutOfTimeError

    @contextlib.contextmanager
    def _changed(self, drawn: Drawn) -> Iterator[None]:
        path = self.root / "hdl" / f"{drawn.source}.py"
        original = path.read_text()
        try:
            self._write(path, drawn.mutant.text)
            yield
        finally:
            self._write(path, original)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        # Compiled files are told apart by size and second: both may be equal.
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
        path.write_text(text)

    @contextlib.contextmanager
    def _no_new_builds(self) -> Iterator[None]:
        """Delete what is built within: nobody asks for a mutant's simulator twice."""
        before = set(self.build.glob("*/*"))
        try:
            yield
        finally:
            for path in set(self.build.glob("*/*")) - before:
                if not path.name.startswith(SHARED):
                    shutil.rmtree(path, ignore_errors=True)

    def _pytest(self, name: str, first: list[str]) -> Outcome:
        """Run a file of tests or one of them until the first failure."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", name]
        failed = self.root / "failed"
        failed.unlink(missing_ok=True)
        env = os.environ | {
            "PYTHONPATH": str(self.root),
            "SYSMT_BUILD": str(self.build),
            "SYSMT_DATA": str(data_folder()),
            "MUTATION_FIRST": json.dumps(first),
            "MUTATION_FAILED": str(failed),
            "MUTATION_SECONDS": str(ONE_TEST),
        }
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=env,
            preexec_fn=_limit,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=WALL)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return Outcome("hangs", "", f"not ended after {WALL:.0f} s")
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        by = failed.read_text() if failed.exists() else ""
        said = (output.strip().splitlines() or [""])[-1]
        if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return Outcome("hangs", by, f"not ended after {PROCESS} s of the processor")
        return Outcome("failed" if process.returncode else "passed", by, said)


def named(source: str) -> str:
    """A source of gates in the names of its verdicts."""
    return source.replace("/", "-")


def found_before(source: str, test: str) -> list[str]:
    """Tests of a file that found mutants of a source in whatever run, those that found most first."""
    verdicts = build_root().glob(f"mutation/{named(source)}-{'[0-9a-f]' * 16}/result.json")
    names = (json.loads(path.read_text()).get("by", "") for path in verdicts)  # Verdicts of older versions have none.
    count = Counter(name for name in names if name.startswith(f"tb/test_{test}.py::"))
    return sorted(count, key=lambda name: (-count[name], name))


def _taken() -> float:
    """Processor seconds of all tests that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _limit() -> None:
    """In the process of the tests: a group that is stopped as a whole, and in the session that runs at leisure."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESS, PROCESS + 5))


@contextlib.contextmanager
def workshop(until: float = float("inf")) -> Iterator[Workshop]:
    """A `Workshop` in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        root = Path(name)
        for folder in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", "build")
            shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", root)
        (root / "conftest.py").write_text(CONFTEST)
        for folder in INSTALLED:
            (root / "sysmt" / folder).symlink_to(root / folder, target_is_directory=True)
        with open(root / "tb" / "mutants.py", "a") as seeds:
            seeds.write(NO_SEEDS)
        yield Workshop(root, until)
