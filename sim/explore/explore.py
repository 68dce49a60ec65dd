# SPDX-License-Identifier: Apache-2.0
"""Explores a space: what is not in the store yet is computed, and the points that no other beats are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.nn.layer import total_macs

from .counting import accuracy, cycles, engines, link_bytes, order
from .designs import ENGINE
from .gather import Gatherer
from .keys import config_text, key_of
from .points import Point, front
from .requests import Log, Request, Workload, silent
from .result import Exploration
from .silicon import Facts
from .space import Candidate
from .store import Store
from .tasks import SiliconTask
from .work import Here, Workers

REASONS = UNBUILT, UNABLE, UNFIT, TOO_FULL, INACCURATE = (
    "cannot be built for the target",
    "cannot run a network",
    "do not fit",
    "take too large a share of the LUTs to be routed",
    "lose more accuracy than the budget",
)
"""Why configurations are left out."""


@dataclass
class _Known:
    """What is known of one configuration and every workload; refusals in words."""

    cycles: list[int | None]
    traffic: int | None = None
    refused: str | None = None


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
    some = request.space.candidates(request.target.build, request.points)
    gathered = Gatherer(store, workers or Here(), log)
    judged = [accuracy(gathered, workload, [one.array for one in some]) for workload in request.workloads]
    if request.target.design == ENGINE:
        # Networks are compiled for those that can be had only.
        silicon = _silicon(gathered, request, some)
        known = _on_engines(gathered, request.workloads, some, [_refused(request, facts) is None for facts in silicon])
    else:
        known = _on_arrays(gathered, request, some, judged)
        silicon = _silicon(gathered, request, some)
    macs = sum(total_macs(workload.layers) for workload in request.workloads)
    points, left_out = [], dict.fromkeys(REASONS, 0)
    for i, candidate in enumerate(some):
        point = _point(request, candidate, silicon[i], known[i], macs, tuple(found[i] for found in judged))
        if isinstance(point, Point):
            points.append(point)
        else:
            left_out[point] += 1
    if not points:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
        said = [one.refused or each.refused for one, each in zip(some, known, strict=True)]
        refused = next((f" ({text})" for text in said if text), "")
        wider = "widen them, or take more points" if len(some) == request.points else "widen them"
        raise UserError(
            f"space must have a configuration within the limits, and of {len(some)} {reasons}{refused}: {wider}"
        )
    on_front = front(points, request.objective)
    return Exploration(request, points, on_front, left_out, gathered.computed, gathered.found)


def _silicon(gathered: Gatherer, request: Request, some: Sequence[Candidate]) -> list[Facts | None]:
    """What is predicted of every configuration; None of one that cannot be built."""
    numbers = [i for i in order([one.array for one in some]) if some[i].built is not None]
    built = [some[i].built for i in numbers]
    designs = [config for config in built if config is not None]
    texts, target = [config_text(config) for config in designs], request.target
    rows = gathered.gather(
        "silicon",
        [(key_of(target.key, text), f"{target.name} {text}") for text in texts],
        lambda part: SiliconTask(target, [designs[i] for i in part]),
        range(len(designs)),
    )
    found: list[Facts | None] = [None] * len(some)
    for i, facts in zip(numbers, rows, strict=True):
        found[i] = facts
    return found


def _refused(request: Request, facts: Facts | None) -> str | None:
    """Why a configuration cannot be had within the limits of its silicon; None where it can."""
    if facts is None:
        return UNBUILT
    if not facts["fits"] or (request.max_area is not None and float(facts["area"][0]) > request.max_area):
        return UNFIT
    return TOO_FULL if facts.get("full", 0.0) > request.fullest else None


def _on_arrays(
    gathered: Gatherer, request: Request, some: Sequence[Candidate], judged: Sequence[list[dict[str, Any] | None]]
) -> list[_Known]:
    """Cycles on arrays, and where memories or traffic were asked for, bytes over the links of accelerators."""
    arrays = [one.array for one in some]
    texts = [config_text(array) for array in arrays]
    pairs = list(zip(request.workloads, judged, strict=True))
    rows = [cycles(gathered, workload, arrays, texts, found) for workload, found in pairs]
    known = [_Known([row[i] for row in rows]) for i in range(len(some))]
    if not request.space.around and request.objective != "traffic":
        return known
    numbers = [i for i, one in enumerate(some) if isinstance(one.built, AccelConfig)]
    configs = [one.built for one in some if isinstance(one.built, AccelConfig)]
    sent = [link_bytes(gathered, workload, configs, [found[i] for i in numbers]) for workload, found in pairs]
    for number, of_each in zip(numbers, zip(*sent, strict=True), strict=True):
        if all(count is not None for count in of_each):
            known[number].traffic = sum(count for count in of_each if count is not None)
    return known


def _on_engines(
    gathered: Gatherer, workloads: Sequence[Workload], some: Sequence[Candidate], had: Sequence[bool]
) -> list[_Known]:
    """Cycles on engines, and bytes from their SDRAM."""
    known = [_Known([]) for _ in some]
    numbers = [i for i, one in enumerate(some) if had[i] and isinstance(one.built, EngineConfig)]
    configs = [one.built for i, one in enumerate(some) if had[i] and isinstance(one.built, EngineConfig)]
    for workload in workloads:
        for i, found in zip(numbers, engines(gathered, workload, configs), strict=True):
            known[i].cycles.append(found.get("cycles"))
            known[i].traffic = (known[i].traffic or 0) + found.get("sdram_bytes", 0)
            known[i].refused = known[i].refused or found.get("refused")
    return known


def _point(
    request: Request,
    candidate: Candidate,
    facts: Facts | None,
    known: _Known,
    macs: int,
    judged: tuple[dict[str, Any] | None, ...],
) -> Point | str:
    """The point of a configuration, or why there is none."""
    if facts is None or candidate.built is None:
        return UNBUILT
    refused = _refused(request, facts)
    if request.target.design == ENGINE and refused is not None:
        return refused
    counted = [number for number in known.cycles if number is not None]
    if len(counted) < len(known.cycles):
        return UNABLE
    clock = request.target.clock_mhz(candidate.built)
    if clock is None and "mhz" in facts:
        clock = float(facts["mhz"][0])
    point = Point(candidate.array, tuple(counted), facts, clock, macs, judged, candidate.built, known.traffic)
    if refused is not None:
        return refused
    if request.budget is not None and point.loss is not None and point.loss > request.budget:
        return INACCURATE
    return point
