# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.estimate`: errors of predicted silicon on configurations that took no part in the fit.

Of every target each sample is predicted from all others; in cells, also all others from the 12 that say most of them,
chosen before anything is measured. The samples are the repository's: `python -m bench.silicon_samples` makes more.
"""

import sys
from collections.abc import Mapping
from typing import Any

from sysmt.cli.output import progress
from sysmt.sim.cost.silicon import TARGETS
from sysmt.sim.cost.silicon.predict import CELLS
from sysmt.sim.cost.silicon.samples import load
from sysmt.sim.cost.silicon.trial import Score, held_out, one_by_one, telling

from . import record
from .command import run

FEW = 12
"""Configurations that all others are predicted from."""


def measure() -> list[dict[str, Any]]:
    """A row per target and figure: median and worst error in percent, share of intervals that hold the measured one."""
    samples = load()
    rows = []
    for target in TARGETS:
        own = [sample for sample in samples if sample.target == target]
        progress(f"{target}: {len(own)} samples")
        if target in CELLS:
            rows += _rows(target, str(FEW), held_out(target, samples, telling(own, FEW)))
        rows += _rows(target, "all others", one_by_one(target, samples))
    return rows


def _rows(target: str, fitted: str, scores: Mapping[str, Score]) -> list[dict[str, Any]]:
    return [
        {
            "target": target,
            "figure": figure,
            "fitted to": fitted,
            "predicted": score.predicted,
            "median %": 100 * score.median,
            "worst %": 100 * score.worst,
            "within 95 %": score.covered,
        }
        for figure, score in scores.items()
    ]


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("estimate")


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    return run("bench.estimate", __doc__, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
