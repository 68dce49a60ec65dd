# SPDX-License-Identifier: Apache-2.0
"""`sysmt infer`: an int8 model on the array, with accuracy, cycles, and the layers behind changed answers."""

import argparse
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sysmt.base.files import write_together
from sysmt.cli.arguments import NO_OPTIMISE, SPEEDUP, add_settings, output_file
from sysmt.cli.output import Handler, Result, passes_text, progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.infer import infer
from sysmt.sim.quant.options import Options

from . import smt_sa

if TYPE_CHECKING:
    from sysmt.sim.cosim.engine import RtlEngine

DEFAULT = "sysmt2_16"
"""The array where none is named."""

COLUMNS = (
    "layer",
    "shape",
    "macs",
    "threads",
    "operands_per_step",
    "sparsity",
    "fits",
    "collisions",
    "reduced",
    "fewer_reduced",
    "relative_error",
    "cycles",
    "utilisation",
)


def _infer(args: argparse.Namespace) -> Result:
    smt_sa.check(args)
    output = None if args.output is None else output_file(args.output)
    model = read_model(args.model, args.double_rounding)
    if not args.no_optimise:
        model = model.optimised()
    inputs = load(args.inputs, model.network, args.limit)
    if args.pe:
        return smt_sa.run(args, model, inputs)
    calibration = load(args.calibrate, model.network) if args.calibrate else None
    config = _array(args)
    options = Options(
        budget=None if args.budget is None else args.budget / 100,
        speedup=args.speedup,
        reorder=args.reorder,
        recalibrate=args.recalibrate,
        keep_weights=args.keep_weights,
        optimise=not args.no_optimise,
        batch=args.batch,
    )
    engine = _engine(args.on, config)
    result = infer(model, inputs, config, options, calibration=calibration, engine=engine, log=progress)
    if engine is not None:
        result.report["cycles_simulated"] = engine.cycles
    if output is not None:
        content = io.BytesIO()
        if output.suffix == ".npz":
            arrays: dict[str, Any] = {f"out{i}": values for i, values in enumerate(result.all_outputs)}
            np.savez(content, **arrays)
        else:
            np.save(content, result.outputs)
        write_together(output.parent, {output.name: content.getvalue()})
    return Result(_text(result.report), result.report, code=int(not result.report.get("equal", True)))


def _array(args: argparse.Namespace) -> ArrayConfig:
    """The array of the options: a preset, or NB-SMT with two threads on 16x16 PEs, and what replaces parts of it."""
    named = {"threads": args.threads, "policy": args.policy, "rows": args.size, "cols": args.size}
    given = {name: value for name, value in named.items() if value is not None}
    base = preset(args.preset or DEFAULT, ArrayConfig, **given)
    return with_settings(base, args.settings)


def _engine(name: str, config: ArrayConfig) -> "RtlEngine | None":
    if name == "golden":
        return None
    from sysmt.sim.cosim.engine import RtlEngine

    return RtlEngine(config)


def _text(report: dict[str, Any]) -> str:
    rows = []
    for row in report["layers"]:
        short = row | {"layer": row["layer"].split(";")[0][-28:], "shape": "x".join(map(str, row["shape"]))}
        rows.append({name: "-" if short[name] is None else short[name] for name in COLUMNS})
    lines = [table(rows) if rows else "no layer of this model runs on the array", ""]
    if report["accuracy_drop"] is not None:
        drop = report["accuracy_drop"]
        lines.append(
            f"top-1 {100 * report['top1']:.2f} %, exact {100 * report['top1_exact']:.2f} %: accuracy drop "
            f"{100 * drop['drop']:.2f} points (95 % interval {100 * drop['low']:.2f} to {100 * drop['high']:.2f})"
        )
    what = "answers" if report["judged_by"] == "answers" else "outputs"
    lines.append(f"{len(report['changed'])} of {report['inputs']} {what} changed: {report['changed'][:20]}")
    if report["judged_by"] == "error":
        lines.append(f"relative error of the outputs {100 * report['output_error']:.2f} % of their standard deviation")
    if report["budget_kept"] is False:
        lines.append(
            f"these inputs lose more than the budget of {100 * report['budget']:g} %, which the calibration inputs kept"
        )
    lines += _attribution(report)
    per = "per input" if report["batch"] == 1 else f"for {report['batch']} inputs together"
    lines.append(
        f"{report['cycles']} cycles {per}, {report['cycles_exact']} on one thread: {report['speedup']:.2f}x "
        f"({report['speedup_threaded']:.2f}x on the layers that may run threaded)"
    )
    lines += passes_text(report["passes"])
    if "equal" in report:
        lines.append(
            f"outputs and counters of the simulated Verilog are {'' if report['equal'] else 'NOT '}the golden model's; "
            f"it took {report['cycles_simulated']} cycles"
        )
    return "\n".join([*lines, f"{report['inputs_per_second']:.0f} inputs per second"])


def _attribution(report: dict[str, Any]) -> list[str]:
    """Which layers are behind the answers that changed, the most frequent first."""
    answers = report["attribution"]
    if not answers:
        return []
    by_layer = Counter(name for answer in answers for name in answer["layers"])
    together = sum(not answer["layers"] for answer in answers)
    parts = [f"{name.split(';')[0][-28:]} {count}" for name, count in by_layer.most_common()]
    return [
        f"of {len(answers)} changed answers, making one layer exact repairs: {', '.join(parts) or 'none'}"
        + (f"; {together} take several layers" if together else "")
    ]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument(
        "inputs", metavar="INPUTS.npz", type=Path, help="images, features, or in0, in1, ...; optionally labels"
    )
    parser.add_argument("--preset", metavar="P", help=f"the array (default {DEFAULT})")
    parser.add_argument("--threads", type=int, choices=THREADS, help="threads of the array")
    parser.add_argument("--policy", choices=POLICIES, help="policy of NB-SMT")
    parser.add_argument("--size", type=int, help="rows and columns of the array")
    parser.add_argument(
        "--pe",
        choices=(smt_sa.SMT_SA,),
        help="in place of an array: cycles of SMT-SA, exact and waiting, beside NB-SMT and SPARQ (e.g. --threads 2)",
    )
    parser.add_argument("--queue", type=int, metavar="D", help="with --pe: operand pairs that wait per thread, 1 to 64")
    parser.add_argument("--budget", type=float, metavar="PCT", help="most points of top-1 to lose, or most error")
    parser.add_argument("--speedup", type=float, metavar="X", help=SPEEDUP)
    parser.add_argument("--calibrate", type=Path, metavar="CALIB.npz", help="inputs to calibrate on, never the tested")
    parser.add_argument("--reorder", action="store_true", help="reorder K so that fewer products are reduced")
    parser.add_argument("--recalibrate", action="store_true", help="correct integer biases, adapt weights")
    parser.add_argument("--keep-weights", action="store_true", help="with --recalibrate: correct the biases only")
    parser.add_argument("--no-optimise", action="store_true", help=NO_OPTIMISE)
    parser.add_argument("--double-rounding", action="store_true", help="fully connected layers as TFLM rounds them")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N inputs")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="count cycles of N inputs together")
    parser.add_argument("--on", choices=("golden", "rtl"), default="golden", help="golden model or simulated Verilog")
    add_settings(parser)
    parser.add_argument("-o", "--output", metavar="OUT", help="raw outputs: .npy of the first, .npz of all (out0, ...)")


INFER = Handler(_arguments, _infer)
