# SPDX-License-Identifier: Apache-2.0
"""One explored configuration, what it is better at than others, and the command that makes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.cost.silicon import Built

from .silicon import Facts


@dataclass(frozen=True)
class Point:
    """A configuration and what it takes.

    Parameters
    ----------
    config : ArrayConfig
    cycles : tuple of int
        Of every network, one input.
    facts : dict
        What is predicted of its silicon (`sysmt.sim.explore.silicon.Facts`).
    clock_mhz : float or None
        What it runs at.
    macs : int
        Multiply-accumulates of all networks.
    accuracy : tuple of dict or None
        What `sysmt.sim.explore.accuracy.judge` found of every network; None of one that was not judged.
    built : Built
        The array with what stands around it, if anything does.
    traffic : int or None
        Bytes of one input of all networks: over the host link of an accelerator, where that was asked for; from the
        SDRAM of an engine.
    """

    config: ArrayConfig
    cycles: tuple[int, ...]
    facts: Facts
    clock_mhz: float | None
    macs: int
    accuracy: tuple[dict[str, Any] | None, ...]
    built: Built
    traffic: int | None = None

    @property
    def area(self) -> float:
        """In the target's unit."""
        return float(self.facts["area"][0])

    @property
    def latency(self) -> float:
        """All networks, one input each: in microseconds, or in cycles where the clock is not known."""
        return sum(self.cycles) / (1.0 if self.clock_mhz is None else self.clock_mhz)

    @property
    def energy(self) -> float | None:
        """Of all networks, one input each, in microjoules; None where it is not known."""
        each = self.facts.get("femtojoules")
        return None if each is None else self.macs * float(each[0]) * 1e-9

    @property
    def loss(self) -> float | None:
        """The largest loss of accuracy of all networks, as a fraction of 1; None where none was judged."""
        return max((float(found["loss"]) for found in self.accuracy if found is not None), default=None)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        whole = {} if self.built is self.config else {"design": self.built.as_dict()}
        judged = [found and {k: v for k, v in found.items() if k != "plan"} for found in self.accuracy]
        return {
            "config": self.config.as_dict(),
            **whole,
            "cycles": list(self.cycles),
            "latency": self.latency,
            "mhz": self.clock_mhz,
            "area": self.area,
            "energy_uj": self.energy,
            "traffic_bytes": self.traffic,
            "loss": self.loss,
            "predicted": self.facts,
            "accuracy": judged,
        }


OBJECTIVES: dict[str, Callable[[Point], float | None]] = {
    "latency": lambda point: point.latency,
    "energy": lambda point: point.energy,
    "area": lambda point: point.area,
    "throughput/area": lambda point: point.latency * point.area,
    "traffic": lambda point: None if isinstance(point.built, EngineConfig) else point.traffic,
}
"""What is least. Throughput over area is largest where latency times area is least."""


KNOWN_OF = {
    "energy": "take a liberty file without --engine, or another objective",
    "traffic": "take a board without --engine, whose host sends operands, or another objective",
}
"""Objectives that not every target knows, and what to do then."""


def value_of(objective: str, point: Point) -> float:
    """What the objective makes least; refused where it is not known."""
    found = OBJECTIVES[objective](point)
    if found is None:
        raise UserError(f"objective {objective} is not known of this target: {KNOWN_OF[objective]}")
    return found


def against(objective: str) -> str:
    """What the front is drawn of, against area."""
    return objective if objective in KNOWN_OF else "latency"


def front(points: Sequence[Point], objective: str) -> list[int]:
    """Numbers of the points that no other one beats in area and in latency (or energy), the smallest first."""
    found, least = [], float("inf")
    values = [value_of(against(objective), point) for point in points]
    for i in sorted(range(len(points)), key=lambda i: (points[i].area, values[i], i)):
        if values[i] < least:
            found.append(i)
            least = values[i]
    return found
