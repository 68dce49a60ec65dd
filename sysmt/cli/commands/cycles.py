# SPDX-License-Identifier: Apache-2.0
"""`sysmt cycles`: how many cycles a model, a network, a topology file or one matrix product takes on an array."""

import argparse
from pathlib import Path
from typing import Any

from sysmt.base.files import write_together
from sysmt.cli.layers import add_layers, layers_of, numbers, subject
from sysmt.cli.output import Handler, Result, passes_text, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost import DATAFLOWS, METHODS, CycleReport, evaluate

ALONE = "of the array alone, fed as fast as it likes; an engine's are those of `sysmt compile`"


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_layers(parser)
    parser.add_argument("--array", metavar="RxC", required=True, help="rows and columns, as 64x64")
    parser.add_argument("--method", default="rtl", metavar="NAME", help=f"one of {', '.join(METHODS)} (default rtl)")
    parser.add_argument("--dataflow", default="os", metavar="NAME", help=f"of scalesim: {', '.join(DATAFLOWS)}")
    parser.add_argument("--threads", type=int, default=1, metavar="T", help="of rtl: 1, 2 or 4 (default 1)")
    parser.add_argument("--plot", metavar="FILE", help="draw the cycles of every layer")


def _run(args: argparse.Namespace) -> Result:
    rows, cols = numbers("array", args.array, "x", "RxC")
    config = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=args.threads))
    changes: list[str] = []
    layers, optimise = layers_of(args, changes), not args.no_optimise
    report = evaluate(layers, config, method=args.method, dataflow=args.dataflow, optimise=optimise)
    if args.plot is not None:
        _plot(args, report)
    passes = {"passes": changes} if changes else {}
    alone = ["", ALONE] if args.method == "rtl" else []
    return Result("\n".join([_text(report), *passes_text(changes), *alone]), report.as_dict() | passes)


def _plot(args: argparse.Namespace, report: CycleReport) -> None:
    # matplotlib takes longer to load than everything else takes to run
    from sysmt.sim.cost.figures import cycles_figure, picture_format, render

    form = picture_format(args.plot)
    picture = render(cycles_figure(report, f"{subject(args)} on {args.array}, method {args.method}"), form)
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
