# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.boards`: utilisation and frequency of every board's bitstream, over seeds of place and route.

Each board is synthesised once with its default preset, or with `--preset`; `MHz` is the median over the seeds,
`slowest` their minimum, which must not be below `clock`. `--synthesis` leaves place and route out and prints the model
that `sysmt boards` goes by beside the synthesis.
"""

import argparse
import json
import sys
from statistics import median
from typing import Any

from boards.definitions import BOARDS, board
from boards.flow import estimate
from boards.flow.board import BoardDefinition
from boards.flow.build import Flow
from hdl.config import parse_field
from hdl.errors import UserError
from sysmt.output import progress, table


def measure(chosen: BoardDefinition, preset: str | None, fields: dict[str, Any], seeds: int) -> dict[str, Any]:
    """One row of the table; without seeds, what synthesis needs beside the estimate."""
    config = chosen.accelerator(preset, **fields)
    row: dict[str, Any] = {"board": chosen.name, "part": chosen.part.name, "preset": preset or chosen.preset}
    row |= {"dsp": "yes" if config.array.pe.dsp else "no", "pipeline": config.array.pe.pipeline}
    with Flow(chosen, config, progress) as flow:
        flow.prepare()
        used = flow.synthesise()
        if not seeds:
            estimated = {"LUT estimated": estimate.luts(chosen, config), "RAM estimated": estimate.rams(chosen, config)}
            return row | {name: round(number) for name, number in used.items()} | estimated
        routed = [flow.route(seed) for seed in range(1, seeds + 1)]
    speeds = [found.timings[0].fmax_mhz for found in routed]
    for name, found in routed[0].utilisation.items():
        row[name] = f"{found['used']} of {found['available']}"
    return row | {
        "clock": chosen.clock_hz / 1e6,
        "MHz": median(speeds),
        "slowest": min(speeds),
        "seeds": len(speeds),
        "met": "yes" if min(found.timings[0].slack_ns for found in routed) >= 0 else "NO",
        "peak GMAC/s": estimate.peak(chosen, config) / 1e9,
    }


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
    parser.add_argument("--synthesis", action="store_true", help="synthesis only, beside the estimate")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    rows = []
    try:
        for name in args.boards or BOARDS:
            fields = dict(parse_field(text) for text in args.set)
            rows.append(measure(board(name), args.preset, fields, 0 if args.synthesis else max(args.seeds, 1)))
    except UserError as error:
        print(f"bench.boards: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"rows": rows}, indent=2) if args.json else "\n\n".join(map(table, _alike(rows))))
    return int(any(row.get("met") == "NO" for row in rows))


def _alike(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows with the same columns together: not every family has DSP blocks."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return list(groups.values())


if __name__ == "__main__":
    sys.exit(main())
