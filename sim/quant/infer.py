# SPDX-License-Identifier: Apache-2.0
"""A model over a set of inputs on one array: the plan, the run, and the report that `sysmt infer` prints."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.batches import run
from sysmt.sim.nn.engines import Engine, Golden
from sysmt.sim.nn.forward import Plan, Runner, exact_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.network import Network

from .attribution import reasons
from .layer_stats import Census, covered, deviations, rows
from .paired import paired_loss
from .search import Planner, Say, Wishes

ERROR_INPUTS = 32
"""Inputs that the relative error of the layers is measured on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What one run found: raw outputs [B, ...] and the exact network's, the plan, and the report as plain numbers."""

    outputs: np.ndarray
    exact: np.ndarray
    plan: Plan
    report: dict[str, Any]


def infer(
    network: Network,
    inputs: Inputs,
    config: ArrayConfig,
    wishes: Wishes,
    calibration: Inputs | None = None,
    engine: Engine | None = None,
    say: Say = lambda text: None,
    explain: bool = True,
) -> Outcome:
    """Run a network on an array and compare it with its exact self.

    Parameters
    ----------
    network : Network
    inputs : Inputs
    config : ArrayConfig
    wishes : Wishes
    calibration : Inputs, optional
        Needed for a budget, an order and recalibration.
    engine : Engine, optional
        What computes the products of the run; the golden model by default. Plans are always made with the golden model.
    say : function of str
        Is told the progress.
    explain : bool
        Whether to look for the layers behind changed answers: costs a run of those inputs per layer.

    Returns
    -------
    Outcome
        Its report: `top1`, `top1_exact` (None without labels), `agree`, `loss` with its 95 % interval, `changed` and
        the `reasons` for it, `cycles`, `cycles_exact` and `speedup` of one input, `speedup_covered` over the layers
        NB-SMT may take, `inputs_per_second`, `layers`; with an `engine`, `equal`: whether outputs and counters are the
        golden model's.
    """
    golden, quick = Golden(config.pe), Golden(config.pe, counting=False)
    planner = Planner(network=network, engine=quick, config=config, wishes=wishes, calibration=calibration, say=say)
    plan = planner.plan()
    exact = run(
        Runner(network=network, engine=quick, plan=exact_plan(network)), inputs.values, progress=_tell(say, "exact")
    )
    census = Census(network)
    runner = Runner(network=network, engine=engine or golden, plan=plan)
    start = perf_counter()
    outputs = run(runner, inputs.values, census, _tell(say, "threads"))
    spent = perf_counter() - start
    same = engine is None or _as_golden(Runner(network=network, engine=golden, plan=plan), inputs, outputs, census)
    errors = deviations(network, quick, plan, inputs.values[:ERROR_INPUTS])
    layers = rows(network, plan, config, census, errors, planner.held_out(plan))
    report = _answers(exact, outputs, inputs.labels) | _cycles(layers, covered(network))
    report["reasons"] = []
    if explain and report["changed"]:
        say("looking for the layers behind changed answers")
        answers = exact.reshape(len(exact), -1).argmax(axis=1)
        report["reasons"] = reasons(network, quick, plan, inputs.values, answers, np.array(report["changed"]))
    if engine is not None:
        report["equal"] = same
    report |= {"inputs": len(inputs), "inputs_per_second": len(inputs) / spent, "layers": layers}
    return Outcome(outputs=outputs, exact=exact, plan=plan, report=report)


def _as_golden(runner: Runner, inputs: Inputs, outputs: np.ndarray, census: Census) -> bool:
    """Whether the golden model has the same outputs and counters."""
    counted = Census(runner.network)
    return np.array_equal(run(runner, inputs.values, counted), outputs) and counted.counters == census.counters


def _answers(exact: np.ndarray, outputs: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    before, after = (values.reshape(len(values), -1).argmax(axis=1) for values in (exact, outputs))
    found = {
        "top1": None,
        "top1_exact": None,
        "agree": float(np.mean(before == after)),
        "loss": None,
        "changed": np.flatnonzero(before != after).tolist(),
    }
    if labels is not None:
        loss = paired_loss(before == labels, after == labels)
        found |= {"top1": float(np.mean(after == labels)), "top1_exact": float(np.mean(before == labels))}
        found["loss"] = asdict(loss)
    return found


def _cycles(layers: list[dict[str, Any]], free: tuple[bool, ...]) -> dict[str, Any]:
    cycles, exact = (sum(row[name] for row in layers) for name in ("cycles", "cycles_exact"))
    some = [row for row, may in zip(layers, free, strict=True) if may]
    taken = sum(row["cycles"] for row in some)
    return {
        "cycles": cycles,
        "cycles_exact": exact,
        "speedup": exact / cycles if cycles else 1.0,
        "speedup_covered": sum(row["cycles_exact"] for row in some) / taken if taken else 1.0,
    }


def _tell(say: Say, name: str) -> Callable[[int, int], None]:
    """Progress in tenths."""
    told = [0]

    def tell(done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > told[0]:
            told[0] = tenth
            say(f"{name}: {done} of {total} inputs")

    return tell
