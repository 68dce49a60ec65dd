# SPDX-License-Identifier: Apache-2.0
"""What synthesis, place and route say about a design: numbers of cells, utilisation, frequency, slack."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

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


def cells(netlist: str, top: str) -> dict[str, int]:
    """Numbers of cells by type in the module `top` of a netlist that Yosys wrote as JSON."""
    found = Counter(cell["type"] for cell in json.loads(netlist)["modules"][top]["cells"].values())
    return {kind: number for kind, number in sorted(found.items()) if not kind.startswith("$")}


@dataclass(frozen=True)
class Timing:
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
    timings : list of Timing
        Every clock, the one with the least slack first.
    utilisation : dict
        Resource -> {"used", "available"}.
    """

    timings: list[Timing]
    utilisation: dict[str, dict[str, int]]


def routed(text: str) -> Routed:
    """Read the report that nextpnr wrote with `--report`."""
    report = json.loads(text)
    timings = [Timing(name, found["achieved"], found["constraint"]) for name, found in report["fmax"].items()]
    utilisation: dict[str, dict[str, int]] = {}
    for name, found in report["utilization"].items():
        if name in UTILISATION and found["available"]:
            total = utilisation.setdefault(UTILISATION[name], {"used": 0, "available": 0})
            total["used"] += found["used"]
            total["available"] += found["available"]
    return Routed(sorted(timings, key=lambda t: t.slack_ns), utilisation)
