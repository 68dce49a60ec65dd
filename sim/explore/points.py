# SPDX-License-Identifier: Apache-2.0
"""One explored configuration, what it is better at than others, and the command that makes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import DEFAULT_KIND
from sysmt.hdl.params.presets import preset

from .silicon import Facts, Target

BASE = "os8"
"""The preset that commands start from."""


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
    """

    config: ArrayConfig
    cycles: tuple[int, ...]
    facts: Facts
    clock_mhz: float | None
    macs: int
    accuracy: tuple[dict[str, Any] | None, ...]

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
        judged = [found and {k: v for k, v in found.items() if k != "plan"} for found in self.accuracy]
        return {
            "config": self.config.as_dict(),
            "cycles": list(self.cycles),
            "latency": self.latency,
            "mhz": self.clock_mhz,
            "area": self.area,
            "energy_uj": self.energy,
            "loss": self.loss,
            "predicted": self.facts,
            "accuracy": judged,
        }


OBJECTIVES: dict[str, Callable[[Point], float | None]] = {
    "latency": lambda point: point.latency,
    "energy": lambda point: point.energy,
    "area": lambda point: point.area,
    "throughput/area": lambda point: point.latency * point.area,
}
"""What is least. Throughput over area is largest where latency times area is least."""


def value_of(objective: str, point: Point) -> float:
    """What the objective makes least; refused where it is not known."""
    found = OBJECTIVES[objective](point)
    if found is None:
        raise UserError(f"objective {objective} is not known of this target: take a liberty file, or another objective")
    return found


def against(objective: str) -> str:
    """What the front is drawn of, against area."""
    return "energy" if objective == "energy" else "latency"


def front(points: Sequence[Point], objective: str) -> list[int]:
    """Numbers of the points that no other one beats in area and in latency (or energy), the smallest first."""
    found, least = [], float("inf")
    values = [value_of(against(objective), point) for point in points]
    for i in sorted(range(len(points)), key=lambda i: (points[i].area, values[i], i)):
        if values[i] < least:
            found.append(i)
            least = values[i]
    return found


def command_of(config: ArrayConfig, target: Target) -> str:
    """The command that makes the Verilog of a configuration, or on a board its bitstream."""
    board = None if target.style == "asic" else target.name
    start = _start(board, config.pe.kind)
    changes = {} if config.pe.kind == DEFAULT_KIND else {"kind": config.pe.kind}
    # Pairs and threads of a PE follow from each other.
    changes |= {
        name: value
        for name, value in config.as_dict().items()
        if start.get(name) != value and name not in ("kind", "pairs")
    }
    texts = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in changes.items()]
    head = f"sysmt generate {BASE}" if board is None else f"sysmt build {board} --preset {BASE}"
    return " ".join([head, *(f"--set {text}" for text in texts)])


@lru_cache
def _start(board: str | None, kind: str) -> dict[str, Any]:
    """The fields that a command starts from, with PEs of a kind."""
    array = preset(BASE, ArrayConfig)
    if board is not None:
        from sysmt.boards.definitions import board as board_of

        array = board_of(board).accelerator(BASE).array
    return array.with_fields(kind=kind).as_dict()
