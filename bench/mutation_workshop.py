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
CONFTEST = Path(__file__).with_name("mutation_conftest.py")
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
    """What a run of tests came to.

    `state` is "passed", "failed" or "hangs"; the test that failed, the last line said, seconds of the processor.
    """

    state: str
    failed: str
    said: str
    seconds: float


class Workshop:
    """A copy of the checkout to change and test, in `root`, one mutant at a time.

    Parameters
    ----------
    root : Path
    until : float
        By `time.monotonic()`: no test begins later.
    number : int
        Of several that are at work at a time: each has builds of its own.

    Attributes
    ----------
    seconds : dict of str to list of float
        By file of tests: what each mutant took of the processor.
    """

    def __init__(self, root: Path, until: float = float("inf"), number: int = 0) -> None:
        self.root, self.until = root, until
        self.build = build_root() / "mutation" / f"build{number or ''}"
        self.seconds: dict[str, list[float]] = {}
        self._killers: dict[tuple[str, str], list[str]] = {}
        self._stopped = False
        self._process: subprocess.Popen[str] | None = None
        self._know_builds()

    def _know_builds(self) -> None:
        """Begin with links to the builds that are finished: they are only read, and found by their content."""
        for mark in build_root().glob(f"sim/*/{READY}"):
            link = self.build / "sim" / mark.parent.name
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(mark.parent.resolve(), target_is_directory=True)

    def stop(self) -> None:
        """From another thread: end the test that runs, whose verdict stays unknown, and begin no other."""
        self._stopped = True
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

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
            with self._changed(drawn), self._no_new_builds():
                outcome = self._pytest(f"tb/test_{test}.py", first)
            if outcome.state == "passed":
                return {"state": "survives", "by": "", "processor": outcome.seconds}
            self._passes(drawn.source, test, others, outcome.failed or f"tb/test_{test}.py")
            state = {"failed": "found", "hangs": "hangs"}[outcome.state]
            return {"state": state, "by": outcome.failed, "processor": outcome.seconds}

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
        if self._stopped or monotonic() > self.until:
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
        failed, taken = self.root / "failed", self.root / "taken"
        for path in (failed, taken):
            path.unlink(missing_ok=True)
        env = os.environ | {
            "PYTHONPATH": str(self.root),
            "SYSMT_BUILD": str(self.build),
            "SYSMT_DATA": str(data_folder()),
            "MUTATION_FIRST": json.dumps(first),
            "MUTATION_FAILED": str(failed),
            "MUTATION_TAKEN": str(taken),
            "MUTATION_SECONDS": str(ONE_TEST),
        }
        code, output = self._ended(command, env)
        if self._stopped:
            raise OutOfTimeError
        by = failed.read_text() if failed.exists() else ""
        seconds = float(taken.read_text()) if taken.exists() else float(PROCESS)
        if code is None:
            return Outcome("hangs", by, f"not ended after {WALL:.0f} s", seconds)
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return Outcome("hangs", by, f"not ended after {PROCESS} s of the processor", seconds)
        said = (output.strip().splitlines() or [""])[-1]
        return Outcome("failed" if code else "passed", by, said, seconds)

    def _ended(self, command: list[str], env: dict[str, str]) -> tuple[int | None, str]:
        """Exit code of a process, None where it did not end, and what it said. It has a group, to be stopped with."""
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=env,
            process_group=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._process = process
        with process:
            try:
                resource.prlimit(process.pid, resource.RLIMIT_CPU, (PROCESS, PROCESS + 5))
                if self._stopped:
                    self.stop()
                output, _ = process.communicate(timeout=WALL)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return None, process.communicate()[0]
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                self._process = None
        return process.returncode, output


def named(source: str) -> str:
    """A source of gates in the names of its verdicts."""
    return source.replace("/", "-")


def found_before(source: str, test: str) -> list[str]:
    """Tests of a file that found mutants of a source in whatever run, those that found most first."""
    verdicts = build_root().glob(f"mutation/{named(source)}-{'[0-9a-f]' * 16}/result.json")
    names = (json.loads(path.read_text()).get("by", "") for path in verdicts)  # Verdicts of older versions have none.
    count = Counter(name for name in names if name.startswith(f"tb/test_{test}.py::"))
    return sorted(count, key=lambda name: (-count[name], name))


@contextlib.contextmanager
def workshop(until: float = float("inf"), number: int = 0) -> Iterator[Workshop]:
    """A `Workshop` in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        root = Path(name)
        for folder in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", "build")
            shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", root)
        shutil.copy(CONFTEST, root / "conftest.py")
        for folder in INSTALLED:
            (root / "sysmt" / folder).symlink_to(root / folder, target_is_directory=True)
        with open(root / "tb" / "mutants.py", "a") as seeds:
            seeds.write(NO_SEEDS)
        yield Workshop(root, until, number)
