# SPDX-License-Identifier: Apache-2.0
"""`sysmt cycles`: how many cycles a model, a network, a topology file or one matrix product takes on an array."""

import argparse
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import NO_OPTIMISE
from sysmt.cli.output import Handler, Result, passes_text, progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost import DATAFLOWS, METHODS, CycleReport, evaluate
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.networks import NETWORKS, VARIANTS, network
from sysmt.sim.nn.readers import read_network
from sysmt.sim.nn.readers.topology import read_topology

ALONE = "of the array alone, fed as fast as it likes; an engine's are those of `sysmt compile`"


def _arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "source",
        nargs="?",
        metavar="MODEL",
        help="a model, a topology file (.csv) or the name of a network",
    )
    what.add_argument("--network", metavar="NAME", help=f"one of {', '.join(NETWORKS)}")
    what.add_argument("--topology", metavar="FILE", help="a topology or GEMM file of SCALE-Sim")
    what.add_argument("--gemm", metavar="M,K,N", help="one product [M, K] x [K, N]")
    parser.add_argument("--variant", metavar="NAME", help=f"of the network: one of {', '.join(VARIANTS)}")
    parser.add_argument("--array", metavar="RxC", required=True, help="rows and columns, as 64x64")
    parser.add_argument("--method", default="rtl", metavar="NAME", help=f"one of {', '.join(METHODS)} (default rtl)")
    parser.add_argument("--dataflow", default="os", metavar="NAME", help=f"of scalesim: {', '.join(DATAFLOWS)}")
    parser.add_argument("--threads", type=int, default=1, metavar="T", help="of rtl: 1, 2 or 4 (default 1)")
    parser.add_argument("--no-optimise", action="store_true", help=NO_OPTIMISE)
    parser.add_argument("--plot", metavar="FILE", help="draw the cycles of every layer")


def _run(args: argparse.Namespace) -> Result:
    rows, cols = _whole_numbers("array", args.array, "x", "RxC")
    config = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=args.threads))
    changes: list[str] = []
    layers, optimise = _layers(args, changes), not args.no_optimise
    report = evaluate(layers, config, method=args.method, dataflow=args.dataflow, optimise=optimise)
    if args.plot is not None:
        _plot(args, report)
    passes = {"passes": changes} if changes else {}
    alone = ["", ALONE] if args.method == "rtl" else []
    return Result("\n".join([_text(report), *passes_text(changes), *alone]), report.as_dict() | passes)


def _layers(args: argparse.Namespace, changes: list[str]) -> tuple[Layer, ...]:
    if args.source is not None:
        return read_network(args.source, args.variant or "baseline", not args.no_optimise, changes.append, progress)
    if args.network is not None:
        return network(args.network, args.variant or "baseline")
    if args.variant is not None:
        raise UserError(f"variant must go with the name of a network, not {args.variant!r} alone")
    if args.topology is not None:
        return read_topology(args.topology)
    m, k, n = _whole_numbers("gemm", args.gemm, ",", "M,K,N")
    if not min(m, k, n):
        raise UserError(f"gemm must be M,K,N of at least 1 each, not {args.gemm!r}")
    return (Layer.gemm("gemm", m, k, n),)


def _whole_numbers(name: str, text: str, separator: str, form: str) -> list[int]:
    parts = text.split(separator)
    if len(parts) != len(form.split(separator)) or not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(f"{name} must be {form}, whole numbers, not {text!r}")
    return [int(part) for part in parts]


def _plot(args: argparse.Namespace, report: CycleReport) -> None:
    # matplotlib takes longer to load than everything else takes to run
    from sysmt.sim.cost.figures import cycles_figure, picture_format, render

    form = picture_format(args.plot)
    picture = render(cycles_figure(report, f"{_subject(args)} on {args.array}, method {args.method}"), form)
    path = Path(args.plot)
    write_together(path.parent, {path.name: picture})


def _subject(args: argparse.Namespace) -> str:
    """What the cycles are of, for a title."""
    if args.gemm is not None:
        return f"gemm {args.gemm}"
    name = Path(args.source or args.network or args.topology).stem
    return f"{name} {args.variant or 'baseline'}" if name in NETWORKS else name


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
