# SPDX-License-Identifier: Apache-2.0
"""A network on SMT-SA, whose threads wait instead of losing bits, beside NB-SMT and SPARQ of the same size and threads.

The outputs are the exact network's. The time depends on the operands, so that a number of inputs is simulated, layer
by layer (`sysmt.sim.cost.smt_sa`). All layers take all threads, the first and the last too: nothing is lost there.
Depthwise layers run as on the conventional array.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.cost.depthwise import depthwise_lowering
from sysmt.sim.cost.smt_sa import smt_sa
from sysmt.sim.golden.parallel import for_each
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, LayerTrace, Runner, exact_plan, threaded
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model

from .candidates import Log
from .infer import infer, silent
from .layer_stats import planned_cycles

SIMULATED = 8
"""Inputs that are simulated, if so many are given: the speed-up of single ones differs by a hundredth."""

DEPTHS = (1, 2, 4, 8)
"""Depths of the queues where none is asked for."""


def compare(
    model: Model, inputs: Inputs, config: SmtSaConfig, depths: Sequence[int] = DEPTHS, log: Log = silent
) -> dict[str, Any]:
    """Simulate a network on SMT-SA with queues of several depths, and run it on NB-SMT and SPARQ.

    Returns
    -------
    dict
        `queues`, a row per depth: `cycles` per input, `speedup` over the conventional array, and over the layers that
        NB-SMT may take `speedup_threaded`; `layers`, with the share of zero activations and weights, `cycles_exact` and
        the `cycles` of every depth; `beside`, rows of the other kinds: `cycles`, `speedup`, `speedup_threaded`, `top1`,
        `agree`; `top1`, `cycles_exact`, `simulated` (inputs).
    """
    network = model.network
    runner = Runner(network=network, engine=Golden(config.conventional.pe, counting=False), plan=exact_plan(network))
    count = min(SIMULATED, len(inputs))
    rows = []
    for i in range(count):
        log(f"SMT-SA: input {i + 1} of {count}")
        rows.append([_layer(trace, config, depths) for trace in runner.traced(inputs.values[i : i + 1])[1]])
    layers = [_mean(found) for found in zip(*rows, strict=True)]
    may = threaded(network)
    beside = [_other(name, model, inputs, array, log) for name, array in _others(config).items()]
    exact = sum(layer["cycles_exact"] for layer in layers)
    return {
        "pe": "smt-sa",
        "rows": config.rows,
        "cols": config.cols,
        "threads": config.threads,
        "inputs": len(inputs),
        "simulated": count,
        "top1": beside[0]["top1_exact"],
        "cycles_exact": exact,
        "queues": [_total(depth, place, layers, may) for place, depth in enumerate(depths)],
        "beside": beside,
        "layers": layers,
    }


def _layer(trace: LayerTrace, config: SmtSaConfig, depths: Sequence[int]) -> dict[str, Any]:
    """One layer for one input: cycles on the conventional array and on SMT-SA, per depth."""
    linear, array = trace.linear, config.conventional
    lowering = depthwise_lowering(linear.layer, array, 1) if linear.depthwise else None
    exact = planned_cycles(linear, array, LayerPlan(lowering=lowering))
    cycles = [exact] * len(depths)

    def simulate(part: slice) -> None:
        for i in range(len(depths))[part]:
            cycles[i] = smt_sa(trace.x, trace.w, replace(config, queue=depths[i])).cycles

    if not linear.depthwise:
        for_each(simulate, [slice(i, i + 1) for i in range(len(depths))])
    return {
        "layer": linear.name,
        "kind": linear.layer.kind,
        "shape": [linear.rows, *linear.weights.shape],
        "sparsity": 1 - np.count_nonzero(trace.x) / trace.x.size,
        "sparsity_w": 1 - np.count_nonzero(trace.w) / trace.w.size,
        "cycles_exact": exact,
        "cycles": cycles,
    }


def _mean(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A layer over all inputs."""
    cycles = np.mean([row["cycles"] for row in found], axis=0).tolist()
    return found[0] | {"sparsity": float(np.mean([row["sparsity"] for row in found])), "cycles": cycles}


def _total(depth: int, place: int, layers: list[dict[str, Any]], may: Sequence[bool]) -> dict[str, Any]:
    """The whole network with queues of one depth."""

    def ratio(rows: list[dict[str, Any]]) -> float:
        cycles = sum(row["cycles"][place] for row in rows)
        return float(sum(row["cycles_exact"] for row in rows) / cycles) if cycles else 1.0

    return {
        "queue": depth,
        "cycles": float(sum(row["cycles"][place] for row in layers)),
        "speedup": ratio(layers),
        "speedup_threaded": ratio([row for row, is_threaded in zip(layers, may, strict=True) if is_threaded]),
    }


def _others(config: SmtSaConfig) -> dict[str, ArrayConfig]:
    """The other kinds of PE, of the same size and as many products a step."""
    nbsmt, sparq = NbSmtConfig(threads=config.threads), SparqConfig(threads=config.threads)
    return {
        f"nbsmt {nbsmt.policy}": ArrayConfig(rows=config.rows, cols=config.cols, pe=nbsmt),
        f"sparq {sparq.window}": ArrayConfig(rows=config.rows, cols=config.cols, pe=sparq),
    }


def _other(name: str, model: Model, inputs: Inputs, array: ArrayConfig, log: Log) -> dict[str, Any]:
    log(name)
    report = infer(model, inputs, array, attribution=False).report
    columns = ("cycles", "speedup", "speedup_threaded", "top1", "top1_exact", "agree")
    return {"pe": name} | {column: report[column] for column in columns}
