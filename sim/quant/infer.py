# SPDX-License-Identifier: Apache-2.0
"""A model over a set of inputs on one array: the plan, the run, and the report that `sysmt infer` prints."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.batches import run_all
from sysmt.sim.nn.engines import Engine, Golden
from sysmt.sim.nn.forward import Plan, Runner, exact_plan, threaded
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model

from .attribution import attribute
from .candidates import Log
from .judge import classifies, output_error
from .layer_stats import LayerStats, relative_errors, rows, with_lowerings
from .options import Options
from .paired import paired_drop
from .search import Planner

ERROR_INPUTS = 32
"""Inputs that the relative error of the layers is measured on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """What one run found: raw outputs [B, ...] and the exact network's, the plan, and the report as plain numbers.

    The plan is the planner's: how depthwise layers are lowered (`with_lowerings`) changes no result.
    """

    outputs: np.ndarray
    exact: np.ndarray
    plan: Plan
    report: dict[str, Any]
    all_outputs: tuple[np.ndarray, ...]


def silent(text: str) -> None:
    """Log nothing."""


def infer(
    model: Model,
    inputs: Inputs,
    config: ArrayConfig,
    options: Options | None = None,
    *,
    calibration: Inputs | None = None,
    engine: Engine | None = None,
    log: Log = silent,
    attribution: bool = True,
) -> Inference:
    """Run a model on an array and compare it with its exact self.

    Parameters
    ----------
    model : Model
    inputs : Inputs
        In the type and shape of the model's input (`sysmt.sim.nn.inputs.load` reads files), with labels or without.
    config : ArrayConfig
        The array; its PEs have the threads that layers may take.
    options : Options, optional
        How the model is prepared; by default not at all.
    calibration : Inputs, optional
        Needed for a budget, a speedup, reordering and recalibration. Never the tested inputs.
    engine : Engine, optional
        What computes the products of the run; the golden model by default. Plans are always made with the golden model.
    log : function of str
        Is told the progress.
    attribution : bool
        Whether to attribute changed answers to layers: costs a run of those inputs per layer.

    Returns
    -------
    Inference
        Its report: `top1`, `top1_exact` (None without labels), `agree`, `accuracy_drop` with its 95 % interval,
        `changed` and their `attribution`, `judged_by` ("answers", or "error" of a network that does not classify, whose
        `changed` are the inputs with any other output), `output_error` relative to the outputs' standard deviation,
        `budget_kept` on these inputs, `cycles`, `cycles_exact` and `speedup` of `batch` inputs together,
        `speedup_threaded` over the layers NB-SMT may take, `passes` (what graph passes did to the
        model), `inputs_per_second`, `layers`; with an `engine`, `equal`: whether outputs and counters are the golden
        model's.

    Raises
    ------
    UserError
        An option needs calibration inputs, and there are none.
    """
    options = options or Options()
    network = model.network
    golden, uncounted = Golden(config.pe), Golden(config.pe, counting=False)
    planner = Planner(network, uncounted, config, options, calibration, log)
    plan = planner.plan()
    exact = run_all(
        Runner(network=network, engine=uncounted, plan=exact_plan(network)),
        inputs.values,
        progress=_in_tenths(log, "exact"),
    )
    stats = LayerStats(network)
    lowered = with_lowerings(network, plan, config) if options.optimise else plan
    runner = Runner(network=network, engine=engine or golden, plan=lowered)
    start = perf_counter()
    outputs = run_all(runner, inputs.values, stats, _in_tenths(log, "threads"))
    seconds = perf_counter() - start
    errors = relative_errors(network, uncounted, plan, inputs.values[:ERROR_INPUTS])
    layers = rows(network, lowered, config, stats, errors, planner.reduced_products(plan), options.batch)
    by_answers = classifies(network, inputs.labels)
    judged = _answers(exact[0], outputs[0], inputs.labels) if by_answers else _deviations(exact, outputs)
    error = output_error(exact, outputs).relative
    report = judged | {"output_error": error} | _cycles(layers, threaded(network))
    kept = None if options.budget is None else lost(report) <= options.budget
    report |= {"batch": options.batch, "budget": options.budget, "budget_kept": kept}
    report["attribution"] = []
    if attribution and by_answers and report["changed"]:
        log("attributing changed answers to layers")
        answers = exact[0].reshape(len(exact[0]), -1).argmax(axis=1)
        changed = np.array(report["changed"])
        report["attribution"] = attribute(network, uncounted, plan, inputs.values, answers, changed)
    if engine is not None:
        report["equal"] = _as_golden(Runner(network=network, engine=golden, plan=lowered), inputs, outputs, stats)
    report["passes"] = list(model.changes)
    report |= {"inputs": len(inputs), "inputs_per_second": len(inputs) / seconds, "layers": layers}
    return Inference(outputs=outputs[0], exact=exact[0], plan=plan, report=report, all_outputs=outputs)


def _as_golden(runner: Runner, inputs: Inputs, outputs: tuple[np.ndarray, ...], stats: LayerStats) -> bool:
    """Whether the golden model has the same outputs and counters."""
    expected = LayerStats(runner.network)
    golden = run_all(runner, inputs.values, expected)
    equal = all(np.array_equal(a, b) for a, b in zip(golden, outputs, strict=True))
    return equal and expected.counters == stats.counters


def _answers(exact: np.ndarray, outputs: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    before, after = (values.reshape(len(values), -1).argmax(axis=1) for values in (exact, outputs))
    report: dict[str, Any] = {
        "judged_by": "answers",
        "top1": None,
        "top1_exact": None,
        "agree": float(np.mean(before == after)),
        "accuracy_drop": None,
        "changed": np.flatnonzero(before != after).tolist(),
    }
    if labels is not None:
        report |= {"top1": float(np.mean(after == labels)), "top1_exact": float(np.mean(before == labels))}
        report["accuracy_drop"] = asdict(paired_drop(before == labels, after == labels))
    return report


def _deviations(exact: tuple[np.ndarray, ...], outputs: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """Of a network that does not classify: inputs count as changed whose outputs have changed at all."""
    different = np.zeros(len(exact[0]), bool)
    for before, after in zip(exact, outputs, strict=True):
        different |= (before != after).reshape(len(before), -1).any(axis=1)
    return {
        "judged_by": "error",
        "top1": None,
        "top1_exact": None,
        "agree": float(np.mean(~different)),
        "accuracy_drop": None,
        "changed": np.flatnonzero(different).tolist(),
    }


def lost(report: dict[str, Any]) -> float:
    """What a budget is compared with.

    The drop against labels, without them the share of answers that changed; of a network that does not classify the
    error of its outputs.
    """
    if report["judged_by"] == "error":
        return float(report["output_error"])
    return float(report["accuracy_drop"]["drop"] if report["accuracy_drop"] is not None else 1 - report["agree"])


def _cycles(layers: list[dict[str, Any]], may: tuple[bool, ...]) -> dict[str, Any]:
    cycles, exact = (sum(row[name] for row in layers) for name in ("cycles", "cycles_exact"))
    of_threaded = [row for row, is_threaded in zip(layers, may, strict=True) if is_threaded]
    threaded_cycles = sum(row["cycles"] for row in of_threaded)
    return {
        "cycles": cycles,
        "cycles_exact": exact,
        "speedup": exact / cycles if cycles else 1.0,
        "speedup_threaded": sum(row["cycles_exact"] for row in of_threaded) / threaded_cycles
        if threaded_cycles
        else 1.0,
    }


def _in_tenths(log: Log, name: str) -> Callable[[int, int], None]:
    """Progress, in steps of a tenth of the inputs."""
    last = 0

    def tell(done: int, total: int) -> None:
        nonlocal last
        tenth = 10 * done // total
        if tenth > last:
            last = tenth
            log(f"{name}: {done} of {total} inputs")

    return tell
