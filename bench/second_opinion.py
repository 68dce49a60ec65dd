# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.second_opinion`: our best schedules beside those of zigzag-dse, each counted by the rules of both.

zigzag-dse counts reads and writes separately, and words that stay in a register; its search is that of its defaults,
with the same levels for all tensors (`even`), as here. It runs in an environment of its own, whose Python SYSMT_ZIGZAG
names: `python -m venv DIR`, `DIR/bin/pip install zigzag-dse six`. Both see the same layer, capacities, unrolling and
energies, without hops. Ours by its rules is the best of the orders that our schedule leaves open, on the levels that it
gives them; theirs by ours the best order of its blocking. Times are CPU time of one process.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice, permutations, product
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.output import progress
from sysmt.sim.cost.schedule.count import STAYS, Schedule, counted
from sysmt.sim.cost.schedule.machine import Machine, machine_of
from sysmt.sim.cost.schedule.nest import LOOPS, Nest, Unrolling
from sysmt.sim.cost.schedule.search import search

from . import record
from .command import run

RUNNER = Path(__file__).with_name("zigzag_runner.py")
ORDERS = 48
"""Orders of our schedule that are counted by the other's rules."""
RUNS = 5
UNROLL = {"OC": 16, "IC": 16}
LAYERS = {
    "GoogLeNet 4c3r": ((1, 1, 14, 14, 128, 512, 1), (32, 65536), (0.12, 20.0, 200.0)),
    "ResNet-50 conv2 3x3": ((3, 3, 56, 56, 64, 64, 1), (256, 65536), (0.96, 20.0, 200.0)),
    "MLP 512-256, 64 vectors": ((1, 1, 1, 1, 256, 512, 64), (64, 65536), (0.24, 20.0, 200.0)),
}
"""Loops that the unrolling divides, since zigzag-dse does not pad: sizes, capacities in words, energies."""


def measure() -> list[dict[str, Any]]:
    """A row per layer."""
    python = os.environ.get("SYSMT_ZIGZAG")
    if not python or not Path(python).exists():
        raise UserError("SYSMT_ZIGZAG must name the Python of an environment with zigzag-dse: see --help")
    rows = []
    for name, (loops, capacities, energies) in LAYERS.items():
        progress(f"zigzag-dse on {name}")
        nest, machine, unrolling = Nest(loops), machine_of(capacities, energies, 0.0, False), Unrolling.of(UNROLL)
        seconds = []
        for _ in range(RUNS):
            start = time.process_time()
            ours = search(nest, machine, unrolling)
            seconds.append(time.process_time() - start)
        problem = {
            "loops": dict(zip(LOOPS, loops, strict=True)),
            "capacities": capacities,
            "energies": energies,
            "unroll": UNROLL,
            "orders": [list(order) for order in islice(orders(ours), ORDERS)],
        }
        done = subprocess.run([python, str(RUNNER)], input=json.dumps(problem), capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"zigzag-dse failed on {name}: {done.stderr.strip().splitlines()[-1]}")
        facts = json.loads(done.stdout)
        theirs = facts["best"]
        rows.append(
            {
                "layer": name,
                "ours, our rules": ours.energy,
                "theirs, our rules": theirs_by_ours(theirs["levels"], nest, machine, unrolling),
                "ours, their rules": min(order["energy"] for order in facts["orders"]),
                "theirs, their rules": theirs["energy"],
                "ours CPU ms": 1000 * min(seconds),
                "theirs CPU ms": 1000 * theirs["seconds"],
                "faster": theirs["seconds"] / min(seconds),
            }
        )
    return rows


def orders(found: Schedule) -> Iterator[list[tuple[str, int]]]:
    """Orders of all loops, innermost first, that keep the blocking and what stays."""
    levels = []
    for at in range(len(found.machine.levels)):
        turning = [(loop, factors[at]) for loop, factors in found.blocking.items() if factors[at] > 1]
        first = [pair for pair in turning if at and pair[0] in STAYS[found.stays[at - 1]]]
        rest = [pair for pair in turning if pair not in first]
        levels.append([[*a, *b] for a, b in product(permutations(first), permutations(rest))])
    for nest in product(*levels):
        yield [pair for level in nest for pair in level]


def theirs_by_ours(levels: list[list[tuple[str, int]]], nest: Nest, machine: Machine, unrolling: Unrolling) -> float:
    """Energy of a mapping of zigzag-dse by our rules, in the best order of every level."""
    blocking = {loop: [1] * len(machine.levels) for loop in LOOPS}
    for at, loops in enumerate(levels):
        for loop, factor in loops:
            blocking[loop][at] *= factor
    stays = product(STAYS, repeat=len(machine.levels) - 1)
    return min(counted(nest, machine, unrolling, blocking, choice).energy for choice in stays)


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("second_opinion")


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.second_opinion", __doc__, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
