# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.explore`: the time to explore 10,000 configurations for one network, silicon predicted.

From an empty store, in cells, with two processes: CPU seconds of all of them, and the seconds that passed, which depend
on what else the machine does.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sysmt.cli.output import progress
from sysmt.sim.explore.explore import explore
from sysmt.sim.explore.requests import request_of
from sysmt.sim.explore.store import Store
from sysmt.sim.explore.work import workers

from . import record
from .command import run

NETWORKS = ("mobilenet_v2", "digits")
LIBRARY, POINTS, PROCESSES = "sky130hd", 10_000, 2


def _cpu_s() -> float:
    """Of this process and of those that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure() -> list[dict[str, Any]]:
    """A row per network."""
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
