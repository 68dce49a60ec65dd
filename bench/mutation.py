# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.mutation`: changes the gates' sources by one thing at a time, and says which changes no test finds.

Mutants are drawn from all files of gates, or of the `--rooms` named; `bench/mutation_tests.py` says which tests run on
each. They run in a copy of the checkout in a temporary folder, with a build cache of its own. What was judged is found
again: an interrupted run goes on where it was. Tests that seed bugs of their own are left out: what they change may be
changed already.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from sysmt.base.cache import READY, cached_json, digest
from sysmt.base.errors import UserError
from sysmt.base.files import build_root, data_folder
from sysmt.cli.output import progress, table

from .mutation_sites import Mutant, mutants
from .mutation_tests import EXPLAINED, ROOT, TESTS

COPIED = ("hdl", "sim", "boards", "sysmt", "tb", "bench", "examples", "docs")
INSTALLED = ("hdl", "sim", "boards")
"""Folders that are packages of `sysmt`."""

NO_SEEDS = """

def seeded_bug(*_):
    pytest.skip("a mutant is tested, not a seeded bug")
"""
WIDTH = 70
"""Letters of a changed text that a table shows; JSON has all of them."""
PATIENCE, LEAST = 8, 60.0
"""A mutant may take so many times as long as the original, and seconds more: then it hangs, which is found."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mutant of a file, by the file's name in `TESTS`."""

    source: str
    mutant: Mutant

    @property
    def explained(self) -> str | None:
        """Why no test can find it, where that is known."""
        change = (self.source, self.mutant.before, self.mutant.after)
        line = _path(self.source).read_text().splitlines()[self.mutant.line - 1].strip()
        return EXPLAINED.get(change) or EXPLAINED.get((*change, line))


def draw(rooms: Sequence[str], sample: int, seed: int) -> list[Drawn]:
    """A sample of all mutants below the folders or files `rooms` of `hdl`, the same for the same sources and seed."""
    names = [name for name in TESTS if not rooms or any(_below(name, room) for room in rooms)]
    if not names:
        raise UserError(f"rooms must be folders or files of hdl with gates (hdl/engine), not {' '.join(rooms)}")
    every = [Drawn(name, mutant) for name in names for mutant in mutants(_path(name).read_text())]
    return random.Random(seed).sample(every, min(sample, len(every)))


def _path(source: str, root: Path = ROOT) -> Path:
    return root / "hdl" / f"{source}.py"


def _below(source: str, room: str) -> bool:
    wanted = room.removeprefix("hdl").strip("/").removesuffix(".py")
    return not wanted or f"{source}/".startswith(f"{wanted}/")


class Workshop:
    """A copy of the checkout to change and test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.build = build_root() / "mutation" / "build"
        self._know_builds()
        files = sorted(path for name in COPIED for path in (root / name).rglob("*.py"))
        self.key = digest(json.dumps([(str(path.relative_to(root)), digest(path.read_text())) for path in files]))

    def _know_builds(self) -> None:
        """Begin with links to the builds that are finished: they are only read, and found by their content."""
        for mark in build_root().glob(f"sim/*/{READY}"):
            link = self.build / "sim" / mark.parent.name
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(mark.parent.resolve(), target_is_directory=True)

    def baseline(self, test: str) -> float:
        """Seconds that a file of tests takes on the original; it must pass."""

        def run() -> dict[str, Any]:
            progress(f"original: {test}")
            start = perf_counter()
            code, tail = self._pytest(test, None)
            if code != 0:
                raise UserError(f"tests {test} must pass without a mutant: {tail}")
            return {"seconds": perf_counter() - start}

        return float(cached_json("mutation", "baseline", [self.key, test], run)["seconds"])

    def judge(self, drawn: Drawn) -> str:
        """ "found", "hangs" (found, too) or "survives"."""
        for test in TESTS[drawn.source]:
            state = self._judge(drawn, test)
            if state != "survives":
                return state
        return "survives"

    def _judge(self, drawn: Drawn, test: str) -> str:
        """By one file of tests."""
        limit = LEAST + PATIENCE * self.baseline(test)

        def run() -> dict[str, Any]:
            with self._changed(drawn), self._no_new_builds():
                code, _ = self._pytest(test, limit)
            return {"state": {0: "survives", None: "hangs"}.get(code, "found")}

        content = [self.key, drawn.source, digest(drawn.mutant.text), test]
        return str(cached_json("mutation", drawn.source.replace("/", "-"), content, run)["state"])

    @contextlib.contextmanager
    def _changed(self, drawn: Drawn) -> Iterator[None]:
        path = _path(drawn.source, self.root)
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
                shutil.rmtree(path, ignore_errors=True)

    def _pytest(self, test: str, limit: float | None) -> tuple[int | None, str]:
        """Exit code, None when it took too long, and the last line of the output."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tb/test_{test}.py"]
        env = os.environ | {
            "PYTHONPATH": str(self.root),
            "SYSMT_BUILD": str(self.build),
            "SYSMT_DATA": str(data_folder()),
        }
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, cwd=self.root, env=env, start_new_session=True, **streams) as process:
            try:
                output, _ = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return None, "took too long"
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, (output.strip().splitlines() or [""])[-1]


@contextlib.contextmanager
def workshop() -> Iterator[Workshop]:
    """A `Workshop` in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        root = Path(name)
        for folder in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", "build")
            shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", root)
        for folder in INSTALLED:
            (root / "sysmt" / folder).symlink_to(root / folder, target_is_directory=True)
        with open(root / "tb" / "mutants.py", "a") as seeds:
            seeds.write(NO_SEEDS)
        yield Workshop(root)


def measure(sample: int, seed: int, rooms: Sequence[str] = ()) -> dict[str, Any]:
    """Judge a sample of mutants.

    Returns
    -------
    dict
        `mutants`, `found`, `hang` (of those found), `explained` (survivors that no test can find), `score`, found of
        all but the explained, and the other `survivors`.
    """
    states, survivors = [], []
    drawn = draw(rooms, sample, seed)
    with workshop() as place:
        for i, one in enumerate(drawn, 1):
            state = place.judge(one)
            row = _row(one)
            progress(f"{i} of {len(drawn)}: {state}: {row['at']}: {row['before']} -> {row['after']}")
            states.append("explained" if state == "survives" and one.explained else state)
            if states[-1] == "survives":
                survivors.append(row)
    found, explained = len(states) - len(survivors) - states.count("explained"), states.count("explained")
    return {
        "mutants": len(states),
        "found": found,
        "hang": states.count("hangs"),
        "explained": explained,
        "score": found / (len(states) - explained) if len(states) > explained else 1.0,
        "survivors": survivors,
    }


def _row(drawn: Drawn) -> dict[str, str]:
    mutant = drawn.mutant
    return {"at": f"hdl/{drawn.source}.py:{mutant.line}", "before": mutant.before, "after": mutant.after}


def main(argv: list[str] | None = None) -> int:
    """Print score and survivors; exit code 1 where the score is below the bar."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.mutation",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.mutation --sample 40 --seed 7 --rooms hdl/engine hdl/pe/sparq.py",
    )
    parser.add_argument("--sample", type=int, default=20, metavar="N", help="mutants to draw (default 20)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the draw (default 1)")
    parser.add_argument("--rooms", nargs="+", default=[], metavar="PATH", help="only these folders or files of hdl")
    parser.add_argument("--bar", type=float, default=0.0, metavar="PCT", help="exit with 1 below this score")
    parser.add_argument("--list", action="store_true", help="only print what would be drawn")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    if args.sample < 1:
        parser.error(f"--sample must be at least 1, not {args.sample}")
    try:
        if args.list:
            rows = [_row(drawn) for drawn in draw(args.rooms, args.sample, args.seed)]
            print(json.dumps(rows, indent=2) if args.json else table(_short(rows)))
            return 0
        facts = measure(args.sample, args.seed, args.rooms)
    except UserError as error:
        print(f"bench.mutation: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        print(_text(facts))
    return int(100 * facts["score"] < args.bar)


def _text(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['found']} of {facts['mutants']} mutants found ({facts['hang']} of them hang), {facts['explained']} "
        f"that no test can find: score {100 * facts['score']:.1f} %"
    ]
    return "\n".join([*lines, *(["", table(_short(facts["survivors"]))] if facts["survivors"] else [])])


def _short(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [
        {key: text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..." for key, text in row.items()} for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
