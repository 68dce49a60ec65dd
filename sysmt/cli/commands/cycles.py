# SPDX-License-Identifier: Apache-2.0
"""`sysmt cycles`: how many cycles a model, a network, a topology file or one matrix product takes on an array."""

import argparse
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import add_settings
from sysmt.cli.layers import add_layers, layers_of, numbers, subject
from sysmt.cli.output import Handler, Result, passes_text, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.cost import DATAFLOWS, METHODS, CycleReport, evaluate
from sysmt.sim.nn.sparsity import with_sparsity

ALONE = "of the array alone, fed as fast as it likes; an engine's are those of `sysmt compile`"


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_layers(parser)
    parser.add_argument("--array", metavar="RxC", help="rows and columns, as 64x64")
    parser.add_argument("--preset", metavar="P", help="in place of --array: a name that `sysmt list` prints")
    parser.add_argument("--method", default="rtl", metavar="NAME", help=f"one of {', '.join(METHODS)} (default rtl)")
    parser.add_argument("--dataflow", default="os", metavar="NAME", help=f"of scalesim: {', '.join(DATAFLOWS)}")
    parser.add_argument("--threads", type=int, metavar="T", help="with --array, of rtl: 1, 2 or 4 (default 1)")
    add_settings(parser)
    parser.add_argument(
        "--sparsity", metavar="N:M", help="with --set stc=true, of weights that only shapes are known of: 2:4, or 1:1"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the cycles of every layer")


def _run(args: argparse.Namespace) -> Result:
    config = _array(args)
    changes: list[str] = []
    optimise, sparse = not args.no_optimise, config.pe.dense_threads < config.pe.threads
    layers = with_sparsity(layers_of(args, changes, sparse), config.pe, args.sparsity)
    report = evaluate(layers, config, method=args.method, dataflow=args.dataflow, optimise=optimise)
    if args.plot is not None:
        _plot(args, report)
    passes = {"passes": changes} if changes else {}
    alone = ["", ALONE] if args.method == "rtl" else []
    return Result("\n".join([_text(report), *passes_text(changes), *alone]), report.as_dict() | passes)


def _array(args: argparse.Namespace) -> ArrayConfig:
    if (args.array is None) == (args.preset is None):
        raise UserError("array must be given once: --array RxC or --preset P")
    if args.preset is None:
        rows, cols = numbers("array", args.array, "x", "RxC")
        config = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=1 if args.threads is None else args.threads))
    elif args.threads is None:
        config = preset(args.preset, ArrayConfig)
    else:
        raise UserError(f"threads {args.threads} is for --array: of a preset say --set threads={args.threads}")
    return with_settings(config, args.settings)


def _plot(args: argparse.Namespace, report: CycleReport) -> None:
    # matplotlib takes longer to load than everything else takes to run
    from sysmt.sim.cost.figures import cycles_figure, picture_format, render

    form = picture_format(args.plot)
    picture = render(
        cycles_figure(report, f"{subject(args)} on {args.preset or args.array}, method {args.method}"), form
    )
    path = Path(args.plot)
    write_together(path.parent, {path.name: picture})


def _text(report: CycleReport) -> str:
    rows: list[dict[str, Any]] = [
        {
            "layer": row.layer.name,
            "kind": row.layer.kind,
            "shape": row.layer.shape_text(),
            "macs": row.layer.macs,
            "cycles": row.cycles,
            "utilisation": row.utilisation,
        }
        for row in report.layers
    ]
    return f"{table(rows)}\n\ntotal {report.total} cycles"


CYCLES = Handler(_arguments, _run)
