# SPDX-License-Identifier: Apache-2.0
"""Place and route by nextpnr, and what it reports: frequency and slack of every clock, utilisation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import tools

REPORT = "report.json"
"""What nextpnr writes in the folder that it runs in."""

UTILISATION = {
    "TRELLIS_COMB": "LUT",
    "TRELLIS_FF": "FF",
    "MULT18X18D": "DSP",
    "DP16KD": "RAM",
    "ICESTORM_LC": "LUT",
    "ICESTORM_DSP": "DSP",
    "ICESTORM_RAM": "RAM",
    "LUT4": "LUT",
    "DFF": "FF",
    "MULT9X9": "DSP of 9x9",
    "MULT18X18": "DSP of 18x18",
    "BSRAM": "RAM",
}
"""Names of nextpnr -> ours. A logic cell of an iCE40 is a LUT with its flip-flop."""


@dataclass(frozen=True)
class RoutedClock:
    """One clock: what it reaches after routing, beside what is asked of it; `slack_ns` below zero is a failure."""

    clock: str
    fmax_mhz: float
    asked_mhz: float

    @property
    def slack_ns(self) -> float:
        """Time left in a period."""
        return 1e3 / self.asked_mhz - 1e3 / self.fmax_mhz

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "clock": self.clock,
            "fmax_mhz": round(self.fmax_mhz, 2),
            "asked_mhz": round(self.asked_mhz, 2),
            "slack_ns": round(self.slack_ns, 3),
        }


@dataclass(frozen=True)
class Routed:
    """What nextpnr reports of a routed design.

    Parameters
    ----------
    clocks : list of RoutedClock
        The one with the least slack first.
    utilisation : dict
        Resource -> {"used", "available"}.
    """

    clocks: list[RoutedClock]
    utilisation: dict[str, dict[str, int]]


def read_report(text: str) -> Routed:
    """Read the report that nextpnr wrote with `--report`."""
    report = json.loads(text)
    clocks = [RoutedClock(name, row["achieved"], row["constraint"]) for name, row in report["fmax"].items()]
    utilisation: dict[str, dict[str, int]] = {}
    for name, row in report["utilization"].items():
        if name in UTILISATION and row["available"]:
            total = utilisation.setdefault(UTILISATION[name], {"used": 0, "available": 0})
            total["used"] += row["used"]
            total["available"] += row["available"]
    return Routed(sorted(clocks, key=lambda clock: clock.slack_ns), utilisation)


def place_and_route(
    tool: str,
    arguments: Sequence[str],
    folder: Path,
    seed: int,
    clock_mhz: float,
    progress: tools.Progress = tools.silent,
) -> Routed:
    """Place and route once; timing may fail, which the caller must look at.

    Parameters
    ----------
    tool : str
        `Family.place_and_route`.
    arguments : sequence of str
        Part, netlist and constraints, file names relative to `folder`.
    folder : Path
        Keeps the log and the report.
    seed : int
    clock_mhz : float
        What is asked of every clock.

    Raises
    ------
    UserError
        The tool is missing, or the design cannot be placed or routed.
    """
    asked = ["--seed", str(seed), "--freq", f"{clock_mhz:.6g}", "--timing-allow-fail", "--report", REPORT]
    tools.run(tool, [*asked, *arguments], folder, progress)
    return read_report((folder / REPORT).read_text())
