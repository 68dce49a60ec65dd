# SPDX-License-Identifier: Apache-2.0
"""`sysmt explore`: which accelerator for which networks, within a budget, on a board or in cells."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import output_file
from sysmt.cli.output import Handler, Result, progress, table
from sysmt.report.explore_page import explore_page, synthesis_rows
from sysmt.sim.cost.silicon.predict import CELLS
from sysmt.sim.explore.designs import ARRAY, ENGINE, sizes
from sysmt.sim.explore.explore import explore
from sysmt.sim.explore.points import OBJECTIVES, Point
from sysmt.sim.explore.requests import request_of
from sysmt.sim.explore.result import Exploration, latency_unit
from sysmt.sim.explore.store import Store, default_store
from sysmt.sim.explore.synthesis import check, synthesised
from sysmt.sim.explore.work import workers

SHOWN_SIZES = ("depth", "result rows", "lanes", "weights KiB", "activations KiB", "SDRAM")
"""Of what stands around an array, what is printed."""
SHOWN = 20
"""Points of the front that are printed; the others are in the page and in the JSON."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="models, topology files (.csv) or names of networks, run one by one"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--board", metavar="B", help="an accelerator on this board, at its clock (`sysmt boards`)")
    where.add_argument(
        "--liberty", metavar="L", help=f"an array in standard cells: {', '.join(CELLS)}, or a file of such cells"
    )
    parser.add_argument(
        "--engine",
        action="store_true",
        help="engines that run whole networks, with their memories",
    )
    parser.add_argument(
        "--inputs", metavar="IN.npz", action="append", default=[], help="measure accuracy: of each model in turn"
    )
    parser.add_argument(
        "--calibrate", metavar="CALIB.npz", action="append", default=[], help="with --budget: to slow layers down with"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="with --inputs: only the first N")
    parser.add_argument("--budget", type=float, metavar="PCT", help="most points of top-1 to lose, or most error")
    parser.add_argument(
        "--fill",
        type=float,
        metavar="PCT",
        help="with --board: most of its LUTs (default: of the fullest design of its family that was routed)",
    )
    parser.add_argument("--max-area", type=float, metavar="A", help="largest area, in the unit that is printed")
    parser.add_argument(
        "--objective", default="latency", metavar="NAME", help=f"one of {', '.join(OBJECTIVES)} (default latency)"
    )
    parser.add_argument("--points", type=int, metavar="N", help="only N configurations, spread over the space")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE,VALUE",
        dest="settings",
        help="values of one field to choose from, of the array or of its memories (repeatable)",
    )
    parser.add_argument(
        "--sparsity",
        metavar="N:M",
        help="with --set stc=true, of weights that only shapes are known of: 2:4, or 1:1",
    )
    parser.add_argument(
        "--synthesise",
        type=int,
        default=0,
        metavar="N",
        help="synthesise the N best of the front for real, and show the errors of their predictions",
    )
    parser.add_argument("--store", metavar="FILE", help="SQLite file of all results (default: in the build folder)")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="of this machine that compute (default 1)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="compute on a Dask cluster, such as tcp://host:8786")
    parser.add_argument("-o", "--output", metavar="FILE", help="all points: a page (.html), .json, .png or .svg")


def _run(args: argparse.Namespace) -> Result:
    output = None if args.output is None else output_file(args.output)
    if output is not None and output.suffix not in FORMATS:
        raise UserError(f"output must end in {', '.join(FORMATS)}, not {args.output!r}")
    request = request_of(
        args.models,
        board=args.board,
        liberty=args.liberty,
        engine=args.engine,
        inputs=args.inputs,
        calibrations=args.calibrate,
        limit=args.limit,
        budget=None if args.budget is None else args.budget / 100,
        max_area=args.max_area,
        fill=None if args.fill is None else args.fill / 100,
        objective=args.objective,
        points=args.points,
        settings=args.settings,
        sparsity=args.sparsity,
        note=progress,
    )
    check(request.target, args.synthesise)
    path = default_store() if args.store is None else Path(args.store)
    with Store(path) as store, workers(args.processes, args.scheduler) as doing:
        found = explore(request, store, doing, progress)
    facts = found.as_dict() | {"synthesised": synthesised(found, args.synthesise, progress), "store": str(path)}
    if output is not None:
        write_together(output.parent, {output.name: FORMATS[output.suffix](found, facts)})
    return Result(_text(found, facts["synthesised"]), facts)


def _json(found: Exploration, facts: dict[str, Any]) -> str:
    points = [point.as_dict() for point in found.points]
    return json.dumps(facts | {"points": points}, indent=1) + "\n"


def _picture(found: Exploration, _: dict[str, Any], form: str) -> bytes:
    from sysmt.report.explore_figure import explore_picture  # needs matplotlib, which an extra brings

    return explore_picture(found, form)


FORMATS: dict[str, Callable[[Exploration, dict[str, Any]], str | bytes]] = {
    ".html": explore_page,
    ".json": _json,
    ".png": partial(_picture, form="png"),
    ".svg": partial(_picture, form="svg"),
}
"""What can be written, by the ending of the file."""


def _text(found: Exploration, real: list[dict[str, Any]]) -> str:
    target, shown = found.request.target, found.front[:SHOWN]
    lines = [table([_row(found, found.points[i]) for i in shown])]
    if len(found.front) > len(shown):
        lines.append(f"... and {len(found.front) - len(shown)} more: write them with -o")
    left = [f"{count} {reason}" for reason, count in found.left_out.items() if count]
    lines += [
        "",
        f"{len(found.points)} configurations for {target.name}, {len(found.front)} of them on the front above",
    ]
    lines += [f"left out: {', '.join(left)}"] if left else []
    if target.design != ARRAY and target.style == "fpga":
        whose = "the fullest that was routed: --fill changes it" if found.request.fill is None else "--fill"
        lines.append(f"LUTs: at most {100 * found.request.fullest:.3g} % ({whose})")
    computed, known = sum(found.computed.values()), sum(found.found.values())
    lines.append(f"{computed} results computed, {known} found in the store")
    if all(workload.judged is None for workload in found.request.workloads):
        lines.append("accuracy was not looked at: threads and trimmed operands cost some; --inputs measures it")
    if real:
        lines += ["", table(synthesis_rows(real, target.unit))]
    best = found.best()[0]
    lines += ["", f"best {found.request.objective}: {found.command(best)}"]
    return "\n".join([*lines, *found.programs(best)])


def _row(found: Exploration, point: Point) -> dict[str, Any]:
    """A line of the table."""
    config, target = point.config, found.request.target
    row: dict[str, Any] = {
        "array": f"{config.rows}x{config.cols}",
        "PE": config.pe.kind,
        "threads": config.pe.threads,
        "pipeline": config.pe.pipeline,
        "drain": config.drain,
        target.unit: round(point.area),
    }
    if target.style == "asic" and target.design == ARRAY:
        row["cluster"] = config.cluster
    row |= {name: _short(value) for name, value in sizes(point.built).items() if name in SHOWN_SIZES}
    if "rams" in point.facts:
        row["RAM"] = round(point.facts["rams"][0])
    if point.traffic is not None:
        row["SDRAM bytes" if target.design == ENGINE else "link bytes"] = point.traffic
    if point.clock_mhz is not None:
        row["MHz"] = round(point.clock_mhz)
    row[latency_unit(found.points)] = round(point.latency, 1)
    if point.energy is not None:
        row["uJ"] = point.energy
    if point.loss is not None:
        row["loss %"] = round(100 * point.loss, 2)
    return row


def _short(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value


EXPLORE = Handler(_arguments, _run)
