# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.boards`: utilisation and frequency of every board's bitstream, over seeds of place and route.

Each board is synthesised once with its default preset, or with `--preset`; `MHz` is the median over the seeds,
`slowest` their minimum, which must not be below `clock`. `--synthesis` leaves place and route out and prints the model
that `sysmt boards` goes by beside the synthesis.

`--engine` takes the engines for whole networks instead of the accelerators, with `--stream` those with their weights
in the board's SDRAM.

`--record` keeps the rows in `bench/boards.json`, from which `python -m bench.figures boards` writes a table.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.boards.definitions import BOARDS, board
from sysmt.boards.flow import estimate
from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.build import Flow
from sysmt.cli.output import progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.settings import parse_settings
from sysmt.report import markdown as pages
from sysmt.sim.flow.nextpnr import Routed

RECORD = Path(__file__).with_name("boards.json")
ASKED = ("clock", "met", "peak GMAC/s")
"""Of a row what the board's definition says, which is not recorded."""


def measure(
    chosen: BoardDefinition,
    preset: str | None,
    fields: dict[str, Any],
    seeds: int,
    keep: Callable[[dict[str, Any]], None] | None = None,
    engine: bool = False,
    stream: bool = False,
) -> dict[str, Any]:
    """One row of the table, given to `keep` after every seed; without seeds, what synthesis needs and the estimate."""
    make = partial(chosen.networks, stream=stream) if engine else chosen.accelerator
    config = make(preset, **fields)
    row: dict[str, Any] = {"board": chosen.name, "part": chosen.part.name, "preset": preset or chosen.default(engine)}
    row |= {"engine": "SDRAM" if stream else "yes"} if engine else {}
    row |= {"dsp": "yes" if config.array.pe.dsp else "no", "pipeline": config.array.pe.pipeline}
    with Flow(chosen, config, progress) as flow:
        flow.prepare()
        used = flow.synthesise()
        if not seeds:
            expected = {f"{name} estimated": round(need) for name, need in estimate.needs(chosen, config).items()}
            return row | {name: round(number) for name, number in used.items()} | expected
        routed: list[Routed] = []
        for seed in range(1, seeds + 1):
            routed.append(flow.route(seed))
            progress(f"{chosen.name}: seed {seed}: {routed[-1].clocks[0].fmax_mhz:.2f} MHz")
            row |= _figures(chosen, config, routed)
            if keep is not None:
                keep(row)
    return row


def _figures(chosen: BoardDefinition, config: estimate.Held, routed: list[Routed]) -> dict[str, Any]:
    """What the placements so far say."""
    speeds = [route.clocks[0].fmax_mhz for route in routed]
    used = {name: f"{route['used']} of {route['available']}" for name, route in routed[0].utilisation.items()}
    measured = used | {"MHz": median(speeds), "slowest": min(speeds), "seeds": len(speeds)}
    return measured | _beside(chosen, config, min(speeds))


def _beside(chosen: BoardDefinition, config: estimate.Held, slowest: float) -> dict[str, Any]:
    """What the board asks of a configuration, and whether placements reach it."""
    clock = chosen.clock_of(config) / 1e6
    return {
        "clock": clock,
        "met": "yes" if slowest >= clock else "NO",
        "peak GMAC/s": estimate.peak(chosen, config) / 1e9,
    }


def config_of(row: dict[str, Any]) -> estimate.Held:
    """What a recorded row is of, as the board has it today."""
    chosen = board(row["board"])
    if "engine" in row:
        return chosen.networks(row["preset"], stream=row["engine"] == "SDRAM")
    return chosen.accelerator(row["preset"])


def load() -> dict[str, dict[str, Any]]:
    """The recorded rows, by board; engines by "BOARD engine", those with an SDRAM by "BOARD engine SDRAM"."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def _key(name: str, engine: str | None) -> str:
    return name if engine is None else f"{name} engine{' SDRAM' if engine == 'SDRAM' else ''}"


def save(row: dict[str, Any]) -> None:
    """Keep what was measured, in place of the row of the same board, and of its engine if it is one."""
    kept = {name: value for name, value in row.items() if name not in ASKED}
    rows = load() | {_key(row["board"], row.get("engine")): kept}
    write_together(RECORD.parent, {RECORD.name: json.dumps(rows, indent=2, sort_keys=True) + "\n"})


def markdown(engine: bool = False) -> str:
    """The table of docs/figures.md, of the accelerators or the engines, from the record."""
    recorded = load()
    kinds = ("yes", "SDRAM") if engine else (None,)
    rows = [recorded[key] for name in BOARDS for kind in kinds if (key := _key(name, kind)) in recorded]
    rows = [row | _beside(board(row["board"]), config_of(row), row["slowest"]) for row in rows]
    columns = (
        "board",
        "part",
        "preset",
        *(("engine",) if engine else ()),
        "dsp",
        "pipeline",
        "LUT",
        "FF",
        "DSP",
        "RAM",
    )
    columns += ("clock", "MHz", "slowest", "seeds", "met", "peak GMAC/s")
    return pages.table(columns, [[_text(row.get(name, "-")) for name in columns] for row in rows]) if rows else ""


def engines() -> str:
    """The table of the engines."""
    return markdown(engine=True)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(argv: list[str] | None = None) -> int:
    """Print the table. Returns 1 when a board misses its clock, 2 when a tool is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.boards",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.boards ulx3s icebreaker --seeds 5 --json",
    )
    parser.add_argument("boards", nargs="*", metavar="BOARD", help=f"which of {', '.join(BOARDS)} (default: all)")
    parser.add_argument("--preset", metavar="P", help="array preset (default: each board's own)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a field of the array")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="placements per board (default 3)")
    parser.add_argument("--engine", action="store_true", help="the engines, of the boards that have one")
    parser.add_argument("--stream", action="store_true", help="with --engine: weights in the board's SDRAM")
    parser.add_argument("--synthesis", action="store_true", help="synthesis only, beside the estimate")
    parser.add_argument("--record", action="store_true", help=f"keep the rows in bench/{RECORD.name}, after every seed")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    special = args.preset or args.set or args.synthesis
    if args.stream and not args.engine:
        parser.error("--stream is for engines: give --engine too")
    if args.record and special:
        parser.error("--record keeps the boards' own presets: leave out --preset, --set and --synthesis")
    rows = []
    try:
        fields = parse_settings(ArrayConfig(), args.set)
        for name in args.boards or _those_with(args.engine, args.stream):
            seeds = 0 if args.synthesis else max(args.seeds, 1)
            keep = save if args.record else None
            rows.append(measure(board(name), args.preset, fields, seeds, keep, args.engine, args.stream))
    except UserError as error:
        print(f"bench.boards: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"rows": rows}, indent=2) if args.json else "\n\n".join(map(table, _alike(rows))))
    return int(any(row.get("met") == "NO" for row in rows))


def _those_with(engine: bool, stream: bool) -> list[str]:
    """Boards that can hold what is asked for."""
    return [
        name for name, each in BOARDS.items() if (each.engine or not engine) and (each.sdram is not None or not stream)
    ]


def _alike(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows with the same columns together: not every family has DSP blocks."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return list(groups.values())


if __name__ == "__main__":
    sys.exit(main())
