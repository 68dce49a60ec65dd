# SPDX-License-Identifier: Apache-2.0
"""Explores a space: what is not in the store yet is computed, and the points that no other beats are found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.batch import Planned
from sysmt.sim.nn.layer import Layer, total_macs

from .accuracy import Judged, plain, planned
from .keys import config_text, key_of, layers_key, sources_key
from .points import OBJECTIVES, Point, command_of, front, value_of
from .silicon import Facts, Target
from .space import Space, chosen
from .store import Store
from .tasks import AccuracyTask, CycleTask, SiliconTask
from .work import Here, Task, Workers

CHUNK = 512
"""Configurations of one piece of work: some tenths of a second."""
COUNTING = ("sysmt.sim.cost", "sysmt.sim.nn", "sysmt.hdl.params")
"""The packages that cycles are counted by."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class Workload:
    """A network to run.

    Parameters
    ----------
    name : str
    layers : tuple of Layer
    judged : Judged, optional
        What its accuracy is measured on; without, all its layers run on all threads.
    """

    name: str
    layers: tuple[Layer, ...]
    judged: Judged | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked.

    Parameters
    ----------
    workloads : tuple of Workload
    target : Target
    space : Space
    points : int, optional
        So many configurations of the space, spread over it; by default all.
    objective : str
        One of `OBJECTIVES`.
    max_area : float, optional
        In the target's unit.
    budget : float, optional
        Largest loss of accuracy of any workload, as a fraction of 1.
    """

    workloads: tuple[Workload, ...]
    target: Target
    space: Space
    points: int | None = None
    objective: str = "latency"
    max_area: float | None = None
    budget: float | None = None

    def __post_init__(self) -> None:
        if not self.workloads:
            raise UserError("networks must be at least one, not none")
        if self.objective not in OBJECTIVES:
            raise UserError(must_be_one_of("objective", self.objective, tuple(OBJECTIVES)))
        if self.max_area is not None and not self.max_area > 0:
            raise UserError(f"max_area must be above 0, not {self.max_area:g}")
        if self.budget is not None and not 0 <= self.budget < 1:
            raise UserError(f"budget must be from 0 to below 100 percent, not {100 * self.budget:g}")
        for workload in self.workloads:
            for layer in workload.layers:
                if layer.sparsity[0] < layer.sparsity[1]:
                    n, m = layer.sparsity
                    raise UserError(
                        f"sparsity of layer {layer.name} must be dense, such as 1:1, not {n}:{m}, which no array "
                        "skips; remove it to count dense weights"
                    )


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
        return command_of(point.config, self.request.target)

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
            "front": [self.points[i].as_dict() | {"command": self.command(self.points[i])} for i in self.front],
            "best": self.best()[0].as_dict() | {"command": self.command(self.best()[0])},
        }


def latency_unit(points: Sequence[Point]) -> str:
    """Of `Point.latency`."""
    return "cycles" if points[0].clock_mhz is None else "us"


def silent(text: str) -> None:
    """Log nothing."""


def explore(request: Request, store: Store, workers: Workers | None = None, log: Log = silent) -> Exploration:
    """Compute what is not in the store, and choose.

    Parameters
    ----------
    request : Request
    store : Store
        Where results are kept. Interrupted, the same call goes on where it was.
    workers : Workers, optional
        Who computes; by default this process.
    log : function of str
        Is told the progress.

    Raises
    ------
    UserError
        The space is empty; no configuration of it can be had within the limits; the objective is not known.
    """
    arrays = chosen(request.space.arrays(), request.points)
    texts = [config_text(array) for array in arrays]
    gathered = _Gatherer(store, workers or Here(), log)
    accuracy = [_accuracy(gathered, workload, arrays) for workload in request.workloads]
    cycles = [
        _cycles(gathered, workload, arrays, texts, found)
        for workload, found in zip(request.workloads, accuracy, strict=True)
    ]
    target = request.target.key
    silicon: list[Facts | None] = gathered.gather(
        "silicon",
        [(key_of(target, text), f"{request.target.name} {text}") for text in texts],
        lambda some: SiliconTask(request.target, [arrays[i] for i in some]),
        _order(arrays),
    )
    macs = sum(total_macs(workload.layers) for workload in request.workloads)
    points, left_out = [], dict.fromkeys(REASONS, 0)
    for i, array in enumerate(arrays):
        judged = tuple(found[i] for found in accuracy)
        point = _point(request, array, silicon[i], [found[i] for found in cycles], macs, judged)
        if isinstance(point, Point):
            points.append(point)
        else:
            left_out[point] += 1
    if not points:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
        raise UserError(
            f"space must have a configuration within the limits, and of {len(arrays)} {reasons}: widen them"
        )
    on_front = front(points, request.objective)
    return Exploration(request, points, on_front, left_out, gathered.computed, gathered.found)


REASONS = UNBUILT, UNABLE, UNFIT, INACCURATE = (
    "cannot be built for the target",
    "cannot run a network",
    "do not fit",
    "lose more accuracy than the budget",
)
"""Why configurations are left out."""


def _point(
    request: Request,
    array: ArrayConfig,
    facts: Facts | None,
    cycles: Sequence[int | None],
    macs: int,
    accuracy: tuple[dict[str, Any] | None, ...],
) -> Point | str:
    """The point of a configuration, or why there is none."""
    if facts is None:
        return UNBUILT
    counted = [number for number in cycles if number is not None]
    if len(counted) < len(cycles):
        return UNABLE
    own = facts.get("mhz")
    clock = request.target.clock_mhz if own is None or request.target.clock_mhz is not None else float(own[0])
    point = Point(array, tuple(counted), facts, clock, macs, accuracy)
    if not facts["fits"] or (request.max_area is not None and point.area > request.max_area):
        return UNFIT
    if request.budget is not None and point.loss is not None and point.loss > request.budget:
        return INACCURATE
    return point


def _order(arrays: Sequence[ArrayConfig]) -> list[int]:
    """The order in which arrays are counted: those together that share most."""
    pes: dict[PEConfig, int] = {}
    ranks = [pes.setdefault(array.pe, len(pes)) for array in arrays]
    return sorted(range(len(arrays)), key=lambda i: (arrays[i].cols, ranks[i], i))


def _accuracy(gathered: "_Gatherer", workload: Workload, arrays: Sequence[ArrayConfig]) -> list[dict[str, Any] | None]:
    """What is known of a workload's accuracy on every array."""
    judged = workload.judged
    if judged is None:
        return [None] * len(arrays)
    base, pes = judged.key, list(dict.fromkeys(plain(array.pe) for array in arrays))
    results = gathered.gather(
        "accuracy",
        [(key_of(base, pe.as_dict()), f"{workload.name} {pe.as_dict()}") for pe in pes],
        lambda some: AccuracyTask(judged, pes[some[0]]),
        range(len(pes)),
        each=1,
    )
    of_pe = dict(zip(pes, results, strict=True))
    return [of_pe[plain(array.pe)] for array in arrays]


def _cycles(
    gathered: "_Gatherer",
    workload: Workload,
    arrays: Sequence[ArrayConfig],
    texts: Sequence[str],
    accuracy: Sequence[dict[str, Any] | None],
) -> list[int | None]:
    """Cycles of a workload on every array, with the plan that its accuracy is of."""
    base = key_of(layers_key(workload.layers), sources_key(*COUNTING))
    groups: dict[str, list[int]] = {}
    for i in _order(arrays):
        found = accuracy[i]
        groups.setdefault(key_of(found and found["plan"]), []).append(i)
    result: list[int | None] = [None] * len(arrays)
    for name, group in groups.items():
        found = accuracy[group[0]]
        plan = None if found is None else planned(found["plan"])
        counted = gathered.gather(
            "cycles",
            [(key_of(base, name, texts[i]), f"{workload.name} {texts[i]}") for i in group],
            partial(_cycle_task, workload.layers, plan, [arrays[i] for i in group]),
            range(len(group)),
        )
        for i, number in zip(group, counted, strict=True):
            result[i] = number
    return result


def _cycle_task(
    layers: tuple[Layer, ...], plan: tuple[Planned | None, ...] | None, arrays: list[ArrayConfig], some: list[int]
) -> CycleTask:
    return CycleTask(layers, plan, [arrays[i] for i in some])


@dataclass
class _Gatherer:
    """Finds results in the store, has the others computed, and stores them as they come."""

    store: Store
    workers: Workers
    log: Log
    computed: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)

    def gather(
        self,
        kind: str,
        subjects: Sequence[tuple[str, str]],
        task: Callable[[list[int]], Task],
        order: Sequence[int],
        each: int = CHUNK,
    ) -> list[Any]:
        """The result of every subject.

        Parameters
        ----------
        kind : str
        subjects : sequence of (key, what the result is of)
        task : function of numbers of subjects
            The piece of work that gives their results: a list, or one result where `each` is 1.
        order : sequence of int
            In which subjects are computed.
        each : int
            Subjects of a piece of work.
        """
        keys = [key for key, _ in subjects]
        known = self.store.known(kind, list(dict.fromkeys(keys)))
        missing = [i for i in order if keys[i] not in known]
        parts = [missing[first : first + each] for first in range(0, len(missing), each)]
        self.found[kind] = self.found.get(kind, 0) + len(subjects) - len(missing)
        self.computed[kind] = self.computed.get(kind, 0) + len(missing)
        told = 0
        for done, (number, results) in enumerate(self.workers.results([task(part) for part in parts]), 1):
            part, values = parts[number], [results] if each == 1 else results
            self.store.add(kind, [(*subjects[i], value) for i, value in zip(part, values, strict=True)])
            known |= {keys[i]: value for i, value in zip(part, values, strict=True)}
            if ceil(10 * done / len(parts)) > told:
                told = ceil(10 * done / len(parts))
                self.log(f"{kind}: {done} of {len(parts)} pieces of work")
        return [known[key] for key in keys]
