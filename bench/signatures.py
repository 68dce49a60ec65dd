# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.signatures`: latencies of networks on phones that no model saw, from 8 measured networks.

IISWC 2020's protocol on the part of its data that is at hand (SYSMT_DATA): 70 % of the devices choose signature, prior
and model, in many random splits; R2 over the networks outside the signature. `collaborative`: every device measures 11
networks of its own, nothing else is known; random ones, or those that the model of what all measured asks it for.
`9 of 10 known`: every latency predicted from nine tenths of the table. `all known`: how well so many factors per device
describe the whole table, which no model of as few learns more of.
"""

import statistics
import sys
from collections.abc import Iterable
from typing import Any

from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.sim.cost.signatures.choice import CHOICES
from sysmt.sim.cost.signatures.protocol import (
    Score,
    chosen_prior,
    collaborative,
    low_rank,
    split,
    tenths,
    unseen_devices,
)
from sysmt.sim.cost.signatures.table import Latencies, read_features, read_latencies

from . import record
from .command import run

SPLITS = 24
SHARED = 6
EACH = 11
"""Networks that a device measures in the collaborative setting."""
FACTORS = (3, 5, 8)
RANDOM, ASKED = "collaborative", "collaborative, asked"
CHOSEN, MORE = "A-optimal, prior chosen", "A-optimal, other splits"
PUBLISHED = {"RS": 0.9125, "MIS": 0.943, "SCCS": 0.944, RANDOM: 0.98, ASKED: 0.98}


def measure(splits: int) -> list[dict[str, Any]]:
    """A row per choice of the signature, and the collaborative setting."""
    folder = data_folder() / "data" / "latency"
    latencies, features = (
        read_latencies(folder / "latency_75_devices.csv"),
        read_features(folder / "network_layers.csv"),
    )
    rows = []
    for name in CHOICES:
        progress(f"{name}: {splits} splits")
        scores = [unseen_devices(*split(latencies, seed), features, name, 8, seed) for seed in range(splits)]
        rows.append(_row(name, 8, scores))
    for title, seeds, own in ((CHOSEN, range(splits), True), (MORE, range(splits, 3 * splits), False)):
        progress(f"{title}: {len(seeds)} splits")
        scores = []
        for seed in seeds:
            known, unknown = split(latencies, seed)
            prior = chosen_prior(known, features) if own else None
            scores.append(unseen_devices(known, unknown, features, "A-optimal", 8, seed, prior))
        rows.append(_row(title, 8, scores))
    for title, asked in ((RANDOM, False), (ASKED, True)):
        progress(f"{title}: {SHARED} draws")
        shared = [collaborative(latencies, features, EACH, seed, asked=asked) for seed in range(SHARED)]
        rows.append(_row(title, EACH, shared))
    progress("bounds")
    known = _row("9 of 10 known", len(latencies.networks), [tenths(latencies, features)])
    return [*rows, {name: value for name, value in known.items() if name != "within 95 %"}, *bounds(latencies)]


def bounds(latencies: Latencies) -> list[dict[str, Any]]:
    """A row per number of factors, every latency known."""
    rows = []
    for factors in FACTORS:
        score = low_rank(latencies, factors)
        row = _row(f"all known, {factors} factors", len(latencies.networks), [score])
        rows.append({name: value for name, value in row.items() if name != "within 95 %"})
    return rows


def _row(name: str, size: int, scores: Iterable[Score]) -> dict[str, Any]:
    scores = list(scores)
    values = [score.r2 for score in scores]
    return {
        "signature": name,
        "networks": size,
        "R2": statistics.mean(values),
        "R2 median": statistics.median(values),
        "R2 least": min(values),
        "error": statistics.mean(score.error for score in scores),
        "within 95 %": statistics.mean(score.covered for score in scores),
        "published": PUBLISHED.get(name, "-"),
    }


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("signatures")


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    how = {"type": int, "default": SPLITS, "help": f"random splits of the devices (default {SPLITS})"}
    return run("bench.signatures", __doc__, measure, argv, splits=how)


if __name__ == "__main__":
    sys.exit(main())
