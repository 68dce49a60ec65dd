# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.explore`: the time to explore 10,000 configurations for one network, silicon predicted.

From an empty store, in cells, with two processes: CPU seconds of all of them, and the seconds that passed, which depend
on what else the machine does. And some of the front of a small space, synthesised: how far predictions were off.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sysmt.cli.output import progress
from sysmt.sim.explore.explore import explore
from sysmt.sim.explore.points import Point
from sysmt.sim.explore.requests import request_of
from sysmt.sim.explore.store import Store
from sysmt.sim.explore.synthesis import synthesised_point
from sysmt.sim.explore.work import workers

from . import record
from .area import cell_library
from .command import run

NETWORKS = ("mobilenet_v2", "digits")
LIBRARY, POINTS, PROCESSES = "sky130hd", 10_000, 2
SMALL = ("rows=2,3,4", "cols=2,3,4", "drain=overlap", "cluster=1", "kind=nbsmt,sparq")
"""Arrays that are synthesised in seconds."""
LARGEST, SYNTHESISED = 130_000, 6
"""um2 of the largest, and how many of the front."""


def _cpu_s() -> float:
    """Of this process and of those that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure() -> dict[str, list[dict[str, Any]]]:
    """A row per network, and one per configuration that was synthesised."""
    return {"time": _times(), "front": _front()}


def _front() -> list[dict[str, Any]]:
    """Configurations spread over the front of a small space: predicted and synthesised."""
    network = NETWORKS[-1]
    request = request_of([network], liberty=cell_library(), settings=SMALL, max_area=LARGEST)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "results.sqlite") as store:
        found = explore(request, store)
    last = len(found.front) - 1
    chosen = sorted({round(i * last / (SYNTHESISED - 1)) for i in range(SYNTHESISED)})
    rows = []
    for point in (found.points[found.front[i]] for i in chosen):
        result = synthesised_point(found, point, progress)
        row: dict[str, Any] = {"network": network, "target": LIBRARY, "on the front": _name(point)}
        for name, unit in (("area", "um2"), ("mhz", "MHz")):
            facts = result[name]
            row |= {unit: facts["measured"], f"{unit} predicted": facts["predicted"]}
            row[f"{unit} error %"] = abs(facts["error_percent"])
        rows.append(row)
    return rows


def _name(point: Point) -> str:
    config = point.config
    return f"{config.rows}x{config.cols} {config.pe.kind} {config.pe.threads}T pipeline {config.pe.pipeline}"


def _times() -> list[dict[str, Any]]:
    rows = []
    for name in NETWORKS:
        progress(f"exploring {POINTS} configurations for {name}")
        with tempfile.TemporaryDirectory() as folder:
            begin, cpu = time.perf_counter(), _cpu_s()
            request = request_of([name], liberty=LIBRARY, points=POINTS)
            with Store(Path(folder) / "results.sqlite") as store, workers(PROCESSES) as doing:
                found = explore(request, store, doing)
            rows.append(
                {
                    "network": name,
                    "target": LIBRARY,
                    "configurations": POINTS,
                    "front": len(found.front),
                    "CPU s": _cpu_s() - cpu,
                    "seconds": time.perf_counter() - begin,
                }
            )
    return rows


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("explore")


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    return run("bench.explore", __doc__, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
