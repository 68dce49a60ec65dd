# SPDX-License-Identifier: Apache-2.0
"""Explores a space: what is not in the store yet is computed, and the points that no other beats are found."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.batch import Planned
from sysmt.sim.nn.layer import Layer, total_macs

from .accuracy import plain, planned
from .gather import Gatherer
from .keys import config_text, key_of, layers_key, sources_key
from .points import Point, front
from .requests import Log, Request, Workload, silent
from .result import Exploration
from .silicon import Facts
from .space import chosen
from .store import Store
from .tasks import AccuracyTask, CycleTask, SiliconTask
from .work import Here, Workers

COUNTING = ("sysmt.sim.cost", "sysmt.sim.nn", "sysmt.hdl.params")
"""The packages that cycles are counted by."""


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
    gathered = Gatherer(store, workers or Here(), log)
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


def _accuracy(gathered: Gatherer, workload: Workload, arrays: Sequence[ArrayConfig]) -> list[dict[str, Any] | None]:
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
    gathered: Gatherer,
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
