# SPDX-License-Identifier: Apache-2.0
"""`python -m bench`: every measurement, beside the last recorded run; one that lacks its data says so, others go on.

`--record` writes the figures of this run into `bench/record.json`.
"""

import argparse
import contextlib
import io
import json
import sys
from typing import Any

from sysmt.cli.output import table

from . import (
    accuracy,
    adaptation,
    area,
    boards,
    budget,
    bus,
    choices,
    clusters,
    emission,
    engine,
    engine_area,
    engine_energy,
    estimate,
    explore,
    families,
    frequency,
    golden,
    kinds,
    link,
    litex,
    merging,
    networks,
    nullcache,
    packed,
    pe_stages,
    record,
    schedule,
    second_opinion,
    signatures,
    silicon,
    sparq_luts,
    sparse_engine,
    tcam,
    throughput,
    training,
    uart,
    windows,
    zeros,
)

MEASUREMENTS = {
    "throughput": throughput,
    "area": area,
    "silicon": silicon,
    "merging": merging,
    "emission": emission,
    "golden": golden,
    "networks": networks,
    "nullcache": nullcache,
    "tcam": tcam,
    "link": link,
    "uart": uart,
    "bus": bus,
    "litex": litex,
    "engine": engine,
    "engine_area": engine_area,
    "engine_energy": engine_energy,
    "estimate": estimate,
    "frequency": frequency,
    "boards": boards,
    "kinds": kinds,
    "schedule": schedule,
    "second_opinion": second_opinion,
    "signatures": signatures,
    "explore": explore,
    "choices": choices,
    "clusters": clusters,
    "pe_stages": pe_stages,
    "accuracy": accuracy,
    "adaptation": adaptation,
    "families": families,
    "budget": budget,
    "training": training,
    "windows": windows,
    "sparq_luts": sparq_luts,
    "sparse_engine": sparse_engine,
    "packed": packed,
    "zeros": zeros,
}
SLOW = {
    "accuracy",
    "adaptation",
    "boards",
    "budget",
    "bus",
    "choices",
    "clusters",
    "engine_area",
    "engine_energy",
    "explore",
    "families",
    "frequency",
    "kinds",
    "litex",
    "packed",
    "second_opinion",
    "signatures",
    "sparq_luts",
    "training",
    "windows",
    "zeros",
}
"""Left out unless named: they take longer than all the others."""


def main(argv: list[str] | None = None) -> int:
    """Run all measurements, or those named. Returns the worst of their exit codes."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench area silicon --record",
    )
    default = ", ".join(name for name in MEASUREMENTS if name not in SLOW)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which of {', '.join(MEASUREMENTS)} (default: {default})"
    )
    parser.add_argument("--record", action="store_true", help="keep the figures of this run to compare the next with")
    args = parser.parse_args(argv)
    unknown = set(args.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"NAME must be one of {', '.join(MEASUREMENTS)}, not {', '.join(sorted(unknown))}")
    worst, recorded = 0, record.load()
    for name in args.names or [name for name in MEASUREMENTS if name not in SLOW]:
        print(f"\n{name}: {MEASUREMENTS[name].__doc__.partition(': ')[2].splitlines()[0]}", flush=True)
        code, facts = _run(name)
        worst = max(worst, code)
        if facts is None:
            print("left out: see the line above", flush=True)
            continue
        _show(facts)
        now = record.figures(name, facts)
        if now:
            print(f"\n{table(record.compared(name, now, recorded.get(name, [])))}", flush=True)
            if args.record:
                record.save({name: now})
                print(f"{name}: recorded", file=sys.stderr)
    return worst


def _run(name: str) -> tuple[int, Any]:
    """Exit code and facts of one measurement; no facts when it could not be made."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            code = MEASUREMENTS[name].main(["--json"])
        except ValueError as error:  # a UserError: one line
            print(f"bench.{name}: {error}", file=sys.stderr)
            return 2, None
    return code, json.loads(text.getvalue()) if code == 0 else None


def _show(facts: Any, title: str = "") -> None:
    """Print what JSON holds: a table per list of rows, a line per value."""
    if isinstance(facts, list) and facts and all(isinstance(row, dict) for row in facts):
        print(f"\n{title}".rstrip())
        print(table(facts))
    elif isinstance(facts, dict):
        for key, value in facts.items():
            _show(value, "" if key == "rows" else f"{title} {key}".strip())
    else:
        print(f"{title}: {facts}")


if __name__ == "__main__":
    sys.exit(main())
