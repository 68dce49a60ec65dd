# SPDX-License-Identifier: Apache-2.0
"""SMT-SA: its speed-up on a network, beside NB-SMT and SPARQ (`sysmt infer --pe smt-sa`); products (`sysmt matmul`)."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.cli.output import Result, progress, table
from sysmt.hdl.params.presets import DEFAULT_ARRAY, preset
from sysmt.hdl.params.settings import with_settings
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.cost.smt_sa import smt_sa
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model
from sysmt.sim.quant.smt_sa import DEPTHS, compare

SMT_SA = "smt-sa"

THREADS = (2, 4)

OTHERS = {
    "preset": "--preset",
    "policy": "--policy",
    "budget": "--budget",
    "speedup": "--speedup",
    "calibrate": "--calibrate",
    "reorder": "--reorder",
    "recalibrate": "--recalibrate",
    "keep_weights": "--keep-weights",
    "output": "-o",
    "settings": "--set",
}
"""Options of arrays that can be generated."""


def check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if args.pe is None:
        if args.queue is not None:
            raise UserError(f"--queue must come with --pe {SMT_SA}: {DEFAULT_ARRAY} and its like have no queues")
        return
    given = [option for name, option in OTHERS.items() if getattr(args, name)]
    if args.on != "golden":
        given.append(f"--on {args.on}")
    if given:
        raise UserError(
            f"--pe {SMT_SA} must come without {given[0]}: it is exact, and a model of cycles; leave one of them out"
        )
    if args.threads not in (None, *THREADS):
        raise UserError(f"--threads must be 2 or 4 with --pe {SMT_SA}, not {args.threads}")


def array(args: argparse.Namespace) -> SmtSaConfig:
    """The array that the options of `sysmt.cli.arguments.add_array` describe."""
    for option in ("policy", "rounding"):
        if getattr(args, option) is not None:
            raise UserError(f"--{option} must come without --preset {args.preset}, whose products are exact")
    given = {name: getattr(args, name) for name in ("rows", "cols", "threads") if getattr(args, name) is not None}
    return with_settings(preset(args.preset, SmtSaConfig, **given), args.settings)


def product(
    x: np.ndarray, w: np.ndarray, config: SmtSaConfig, simulator: str | None, waves: Path | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Sums of x [M, K] w [K, N], and facts: from the models, or, with a `simulator`, from the Verilog."""
    tiles = -(-len(x) // config.rows) * -(-w.shape[1] // config.cols)
    facts = {"m": len(x), "k": x.shape[1], "n": w.shape[1], "tiles": tiles}
    if simulator is None:
        found = smt_sa(x, w, config)
        return matmul(x, w, config.conventional.pe).sums, facts | {"cycles": found.cycles, "active": found.products}
    from sysmt.sim.cosim.simulator import require
    from sysmt.sim.cosim.smt_sa import smt_sa_products

    require(simulator)
    progress(f"simulating the Verilog under {simulator} (the first time it is compiled: about a minute)")
    simulated = smt_sa_products([(x, w)], config, simulator, waves=waves)[0]
    return simulated.sums, facts | {"cycles": simulated.cycles}


def run(args: argparse.Namespace, model: Model, inputs: Inputs) -> Result:
    """Compare, for the options of `sysmt infer`."""
    size = 16 if args.size is None else args.size
    config = SmtSaConfig(
        rows=size, cols=size, threads=args.threads or THREADS[0], queue=DEPTHS[0] if args.queue is None else args.queue
    )
    report = compare(model, inputs, config, DEPTHS if args.queue is None else (args.queue,), progress)
    return Result(_text(report), report)


def _text(report: dict[str, Any]) -> str:
    deepest = report["queues"][-1]["queue"]
    layers = [
        {
            "layer": row["layer"].split(";")[0][-28:],
            "shape": "x".join(map(str, row["shape"])),
            "zero x": row["sparsity"],
            "zero w": row["sparsity_w"],
            "one thread": row["cycles_exact"],
            f"queue {deepest}": row["cycles"][-1],
            "speed-up": row["cycles_exact"] / row["cycles"][-1],
        }
        for row in report["layers"]
    ]
    kinds = [
        _row(f"smt-sa, queue {row['queue']}", row, {"top1": report["top1"], "agree": 1.0}) for row in report["queues"]
    ]
    kinds += [_row(row["pe"], row, row) for row in report["beside"]]
    return "\n".join(
        [
            table(layers) if layers else "no layer of this model runs on the array",
            "",
            table(kinds),
            "",
            f"{report['threads']} threads on {report['rows']}x{report['cols']} PEs; one thread takes "
            f"{report['cycles_exact']} cycles per input; SMT-SA simulated on {report['simulated']} of "
            f"{report['inputs']} inputs; threaded: the layers that NB-SMT and SPARQ may take",
        ]
    )


def _row(name: str, row: dict[str, Any], judged: dict[str, Any]) -> dict[str, Any]:
    return {
        "PE": name,
        "cycles": row["cycles"],
        "speed-up": row["speedup"],
        "threaded": row["speedup_threaded"],
        "top1": "-" if judged["top1"] is None else judged["top1"],
        "agree": judged["agree"],
    }
