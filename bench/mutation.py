# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.mutation`: changes the gates' sources by one thing at a time, and says which changes no test finds.

Mutants are drawn from all files of gates, or of the `--rooms` named, and judged room by room in turn, all by the first
of their tests, then those that it did not find by the next; `bench/mutation_tests.py` says which tests these are. They
run in copies of the checkout in temporary folders, one per job, with build caches of their own. Which mutants a seed
draws does not change when other lines of gates do, and what was judged is found again while the mutated source, the
gates below it and its tests are the same: an interrupted run goes on where it was, on another day, too. Tests that seed
bugs of their own are left out: what they change may be changed already.
"""

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Any

from sysmt.base.cache import digest
from sysmt.base.errors import UserError
from sysmt.cli.output import progress, table

from .mutation_explained import EXPLAINED
from .mutation_sites import mutants
from .mutation_tests import ROOT, TESTS
from .mutation_workshop import Drawn, OutOfTimeError, Workshop, workshop

WIDTH = 70
"""Letters of a changed text that a table shows; JSON has all of them."""
UNFINISHED = 3
"""Exit code of a run that ended before all were judged."""


def explained(drawn: Drawn) -> str | None:
    """Why no test can find a mutant, where that is known."""
    change = (drawn.source, drawn.mutant.before, drawn.mutant.after)
    lines = [
        text.splitlines()[drawn.mutant.line - 1].strip()
        for text in (_path(drawn.source).read_text(), drawn.mutant.text)
    ]
    known = (EXPLAINED.get(key) for key in (change, *((*change, line) for line in lines)))
    return next((reason for reason in known if reason), None)


def draw(rooms: Sequence[str], sample: int, seed: int) -> list[Drawn]:
    """A sample of all mutants below the folders or files `rooms` of `hdl`, one of each folder in turn.

    A mutant's place in the draw is made from the seed, its file, line and change: other lines may change.
    """
    names = [name for name in TESTS if not rooms or any(_below(name, room) for room in rooms)]
    if not names:
        raise UserError(f"rooms must be folders or files of hdl with gates (hdl/engine), not {' '.join(rooms)}")
    ranked = sorted((pair for name in names for pair in _ranked(name, seed)), key=lambda pair: pair[0])[:sample]
    by_room: dict[str, list[Drawn]] = {}
    for _, drawn in ranked:
        by_room.setdefault(drawn.source.rpartition("/")[0].partition("/")[0], []).append(drawn)
    turns = zip_longest(*(by_room[room] for room in sorted(by_room)))
    return [drawn for turn in turns for drawn in turn if drawn is not None]


def _ranked(source: str, seed: int) -> list[tuple[str, Drawn]]:
    text = _path(source).read_text()
    lines, seen, ranked = text.splitlines(), Counter[tuple[str, ...]](), []
    for mutant in mutants(text):
        change = (source, lines[mutant.line - 1].strip(), mutant.before, mutant.after)
        seen[change] += 1
        ranked.append((digest(json.dumps([seed, *change, seen[change]])), Drawn(source, mutant)))
    return ranked


def _path(source: str) -> Path:
    return ROOT / "hdl" / f"{source}.py"


def _below(source: str, room: str) -> bool:
    wanted = room.removeprefix("hdl").strip("/").removesuffix(".py")
    return not wanted or f"{source}/".startswith(f"{wanted}/")


def measure(
    sample: int, seed: int, rooms: Sequence[str] = (), minutes: float = float("inf"), jobs: int = 1
) -> dict[str, Any]:
    """Judge a sample of mutants, `jobs` at a time; after so many minutes only those count that are known already.

    Returns
    -------
    dict
        `drawn`, `mutants` judged, `found`, `hang` (of those found), `explained` (survivors that no test can find),
        `score`, found of all but the explained (None where there are none), the other `survivors`, `rooms`: judged and
        found of each, and `processor`: seconds per mutant of each file of tests.
    """
    states: list[str] = []
    survivors: dict[int, dict[str, str]] = {}
    per_room: dict[str, dict[str, int]] = {}
    seconds: dict[str, list[float]] = {}
    drawn = draw(rooms, sample, seed)
    until = monotonic() + 60 * minutes
    with contextlib.ExitStack() as stack:
        places = [stack.enter_context(workshop(until, number)) for number in range(jobs)]
        for number, one, state in _judged(places, drawn):
            if state == "survives" and explained(one):
                state = "explained"
            row = _row(one)
            progress(f"{number} of {len(drawn)}: {state}: {row['at']}: {row['before']} -> {row['after']}")
            states.append(state)
            if state == "survives":
                survivors[number] = row
            judged = per_room.setdefault(row["at"].split("/")[1].split(".")[0], {"judged": 0, "found": 0})
            judged["judged"] += state != "explained"
            judged["found"] += state in ("found", "hangs")
    for test, taken in (item for place in places for item in place.seconds.items()):
        seconds.setdefault(test, []).extend(taken)
    count = Counter(states)
    found = count["found"] + count["hangs"]
    return {
        "drawn": len(drawn),
        "mutants": len(states),
        "found": found,
        "hang": count["hangs"],
        "explained": count["explained"],
        "score": found / (found + len(survivors)) if found + len(survivors) else None,
        "survivors": [survivors[number] for number in sorted(survivors)],
        "rooms": {room: per_room[room] for room in sorted(per_room)},
        "processor": {test: round(sum(taken) / len(taken), 1) for test, taken in sorted(seconds.items())},
    }


def _judged(places: Sequence[Workshop], drawn: Sequence[Drawn]) -> Iterator[tuple[int, Drawn, str]]:
    """Number, mutant and state of each as it is known: all by their first tests, the others by their second, ..."""
    free = SimpleQueue[Workshop]()
    for place in places:
        free.put(place)

    def judge(one: Drawn, test: str) -> str:
        place = free.get()
        try:
            return place.judge(one, test)
        finally:
            free.put(place)

    waiting = list(enumerate(drawn, 1))
    with ThreadPoolExecutor(len(places)) as pool:
        try:
            for level in range(max((len(TESTS[one.source]) for one in drawn), default=0)):
                begun = {pool.submit(judge, one, TESTS[one.source][level]): (number, one) for number, one in waiting}
                waiting = []
                for future in as_completed(begun):
                    number, one = begun[future]
                    try:
                        state = future.result()
                    except OutOfTimeError:
                        continue
                    if state == "survives" and level + 1 < len(TESTS[one.source]):
                        waiting.append((number, one))
                    else:
                        yield number, one, state
                waiting.sort(key=lambda pair: pair[0])
        finally:
            for place in places:
                place.stop()
            pool.shutdown(cancel_futures=True)


def _row(drawn: Drawn) -> dict[str, str]:
    mutant = drawn.mutant
    return {"at": f"hdl/{drawn.source}.py:{mutant.line}", "before": mutant.before, "after": mutant.after}


def main(argv: list[str] | None = None) -> int:
    """Print score and survivors; exit code 1 where the score is below the bar, 3 where some were not judged."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.mutation",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.mutation --sample 40 --seed 7 --rooms hdl/engine hdl/pe/sparq.py",
    )
    parser.add_argument("--sample", type=int, default=20, metavar="N", help="mutants to draw (default 20)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the draw (default 1)")
    parser.add_argument("--rooms", nargs="+", default=[], metavar="PATH", help="only these folders or files of hdl")
    parser.add_argument("--bar", type=float, default=0.0, metavar="PCT", help="exit with 1 below this score")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), metavar="M", help="begin no test later; a second run goes on"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="tests to run at a time (default 1)")
    parser.add_argument("--list", action="store_true", help="only print what would be drawn")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    try:
        _check(args)
        if args.list:
            rows = [_row(drawn) for drawn in draw(args.rooms, args.sample, args.seed)]
            print(json.dumps(rows, indent=2) if args.json else table(_short(rows)))
            return 0
        facts = measure(args.sample, args.seed, args.rooms, args.minutes, args.jobs)
    except UserError as error:
        print(f"bench.mutation: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench.mutation: interrupted: run it again, it goes on", file=sys.stderr)
        return 130
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        print(_text(facts))
    if facts["mutants"] < facts["drawn"]:
        left = facts["drawn"] - facts["mutants"]
        print(f"bench.mutation: {left} mutants are not judged yet: run it again, it goes on", file=sys.stderr)
    if facts["score"] is not None and 100 * facts["score"] < args.bar:
        return 1
    return UNFINISHED if facts["mutants"] < facts["drawn"] else 0


def _check(args: argparse.Namespace) -> None:
    if args.sample < 1:
        raise UserError(f"--sample must be at least 1, not {args.sample}")
    if args.jobs < 1:
        raise UserError(f"--jobs must be at least 1, not {args.jobs}")
    if not args.minutes >= 0:
        raise UserError(f"--minutes must be at least 0, not {args.minutes:g}")
    if not 0 <= args.bar <= 100:
        raise UserError(f"--bar must be from 0 to 100 percent, not {args.bar:g}")


def _text(facts: dict[str, Any]) -> str:
    of_each = ", ".join(f"{room} {part['found']} of {part['judged']}" for room, part in facts["rooms"].items())
    score = "no score" if facts["score"] is None else f"score {100 * facts['score']:.1f} %"
    seconds = ", ".join(f"{test} {taken}" for test, taken in facts["processor"].items())
    lines = [
        f"{facts['found']} of {facts['mutants']} mutants found ({facts['hang']} of them hang), {facts['explained']} "
        f"that no test can find: {score}",
        *([of_each] if of_each else []),
        *([f"processor seconds per mutant: {seconds}"] if seconds else []),
    ]
    return "\n".join([*lines, *(["", table(_short(facts["survivors"]))] if facts["survivors"] else [])])


def _short(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [
        {key: text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..." for key, text in row.items()} for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
