# SPDX-License-Identifier: Apache-2.0
"""What an exploration found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.nn.layer import total_macs

from .commands import command_of, compile_of
from .points import Point, value_of
from .requests import Request


@dataclass(frozen=True)
class Exploration:
    """What was found.

    Members
    -------
    request : Request
    points : list of Point
        All that can be had, in the order of the space.
    front : list of int
        Those that no other one beats in area and in latency (or energy, if that is the objective), smallest first.
    left_out : dict of str to int
        How many configurations were left out, by the reason.
    computed, found : dict of str to int
        Results that were computed and that were in the store, by kind.
    """

    request: Request
    points: list[Point]
    front: list[int]
    left_out: dict[str, int]
    computed: dict[str, int]
    found: dict[str, int]

    def best(self, count: int = 1) -> list[Point]:
        """The best points of the front by the objective, the best one first."""
        on_front = [self.points[i] for i in self.front]
        return sorted(on_front, key=lambda point: value_of(self.request.objective, point))[:count]

    def command(self, point: Point) -> str:
        """What makes a point."""
        return command_of(point.built, self.request.target)

    def programs(self, point: Point) -> list[str]:
        """What compiles the networks for a point that is an engine; nothing for others."""
        if not isinstance(point.built, EngineConfig):
            return []
        models = [workload.model or workload.name for workload in self.request.workloads]
        return [compile_of(point.built, self.request.target, model) for model in models]

    def _facts(self, point: Point) -> dict[str, Any]:
        programs = self.programs(point)
        return point.as_dict() | {"command": self.command(point)} | ({"programs": programs} if programs else {})

    def as_dict(self) -> dict[str, Any]:
        """As JSON: the front, and counts of all else."""
        target = self.request.target
        return {
            "networks": [{"name": w.name, "macs": total_macs(w.layers)} for w in self.request.workloads],
            "target": target.name,
            "area_unit": target.unit,
            "latency_unit": latency_unit(self.points),
            "objective": self.request.objective,
            "points": len(self.points),
            "left_out": self.left_out,
            "computed": self.computed,
            "found": self.found,
            "front": [self._facts(self.points[i]) for i in self.front],
            "best": self._facts(self.best()[0]),
        }


def latency_unit(points: Sequence[Point]) -> str:
    """Of `Point.latency`."""
    return "cycles" if points[0].clock_mhz is None else "us"
