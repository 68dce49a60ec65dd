# SPDX-License-Identifier: Apache-2.0
"""What every configuration does with a network, each in its own key of the store: accuracy, cycles, bytes."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.batch import Planned
from sysmt.sim.nn.layer import Layer

from .accuracy import plain, planned
from .engines import SOURCES, EngineTask, core_text
from .gather import Gatherer
from .keys import config_text, file_key, key_of, layers_key, sources_key
from .requests import Workload
from .tasks import AccuracyTask, CycleTask, LinkTask

COUNTING = ("sysmt.sim.cost", "sysmt.sim.nn", "sysmt.hdl.params")
"""The packages that cycles are counted by."""
TOGETHER = 16
"""Engines, or accelerators whose bytes are counted, of one piece of work: some seconds."""

Plan = tuple[Planned | None, ...] | None


def order(arrays: Sequence[ArrayConfig]) -> list[int]:
    """The order in which arrays are counted: those together that share most."""
    pes: dict[PEConfig, int] = {}
    ranks = [pes.setdefault(array.pe, len(pes)) for array in arrays]
    return sorted(range(len(arrays)), key=lambda i: (arrays[i].cols, ranks[i], i))


def accuracy(gathered: Gatherer, workload: Workload, arrays: Sequence[ArrayConfig]) -> list[dict[str, Any] | None]:
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


def cycles(
    gathered: Gatherer,
    workload: Workload,
    arrays: Sequence[ArrayConfig],
    texts: Sequence[str],
    judged: Sequence[dict[str, Any] | None],
) -> list[int | None]:
    """Cycles of a workload on every array, with the plan that its accuracy is of."""
    base = key_of(layers_key(workload.layers), sources_key(*COUNTING))
    result: list[int | None] = [None] * len(arrays)
    for name, plan, group in _by_plan(judged, order(arrays)):
        counted = gathered.gather(
            "cycles",
            [(key_of(base, name, texts[i]), f"{workload.name} {texts[i]}") for i in group],
            partial(_cycle_task, workload.layers, plan, [arrays[i] for i in group]),
            range(len(group)),
        )
        for i, number in zip(group, counted, strict=True):
            result[i] = number
    return result


def _by_plan(judged: Sequence[dict[str, Any] | None], numbers: Sequence[int]) -> Iterator[tuple[str, Plan, list[int]]]:
    """Key of a plan, the plan, and the numbers of those that run with it."""
    groups: dict[str, list[int]] = {}
    for i in numbers:
        found = judged[i]
        groups.setdefault(key_of(found and found["plan"]), []).append(i)
    for name, group in groups.items():
        found = judged[group[0]]
        yield name, None if found is None else planned(found["plan"]), group


def _cycle_task(layers: tuple[Layer, ...], plan: Plan, arrays: list[ArrayConfig], some: list[int]) -> CycleTask:
    return CycleTask(layers, plan, [arrays[i] for i in some])


def engines(gathered: Gatherer, workload: Workload, configs: Sequence[EngineConfig]) -> list[dict[str, Any]]:
    """What a workload takes on every engine (`sysmt.sim.explore.engines.EngineTask`)."""
    model = workload.model
    assert model is not None
    base, texts = key_of(file_key(model), sources_key(*SOURCES)), [config_text(config) for config in configs]
    # Those together that share the cycles of their layers.
    cores = [core_text(config) for config in configs]
    return gathered.gather(
        "engine",
        [(key_of(base, text), f"{workload.name} {text}") for text in texts],
        lambda some: EngineTask(model, [configs[i] for i in some]),
        sorted(range(len(configs)), key=lambda i: (cores[i], i)),
        each=TOGETHER,
    )


def link_bytes(
    gathered: Gatherer,
    workload: Workload,
    configs: Sequence[AccelConfig],
    judged: Sequence[dict[str, Any] | None],
) -> list[int | None]:
    """Bytes of a workload over the host link of every accelerator, with the plan that its accuracy is of."""
    base = key_of(layers_key(workload.layers), sources_key(*COUNTING))
    texts = [_sent(config) for config in configs]
    result: list[int | None] = [None] * len(configs)
    for name, plan, group in _by_plan(judged, range(len(configs))):
        counted = gathered.gather(
            "link",
            [(key_of(base, name, texts[i]), f"{workload.name} {texts[i]}") for i in group],
            partial(_link_task, workload.layers, plan, [configs[i] for i in group]),
            range(len(group)),
            each=TOGETHER,
        )
        for i, number in zip(group, counted, strict=True):
            result[i] = number
    return result


def _link_task(layers: tuple[Layer, ...], plan: Plan, configs: list[AccelConfig], some: list[int]) -> LinkTask:
    return LinkTask(layers, plan, [configs[i] for i in some])


def _sent(config: AccelConfig) -> str:
    """All that the bytes over the link depend on, as text."""
    array = config.array
    facts = {name: value for name, value in config.as_dict().items() if name not in ("array", "divisor")}
    return json.dumps([array.rows, array.cols, plain(array.pe).as_dict(), facts], sort_keys=True)
