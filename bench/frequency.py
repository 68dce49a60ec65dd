# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.frequency`: frequency of the array alone on an ECP5, as `sysmt synth --target ecp5` finds it.

The smallest part that it fits, speed grade 6; placement is asked for more than it can give; median of seeds.
"""

import argparse
import json
import sys
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.output import progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.settings import parse_settings
from sysmt.report.facts import on_ecp5


def measure(name: str, seeds: int, fields: dict[str, Any]) -> dict[str, Any]:
    """Part, cells of the array, and megahertz: the median and every seed."""
    placed = on_ecp5(name, seeds, progress, **fields)
    facts = {"array": name, "part": placed.library, "LUT": placed.luts, "FF": placed.ffs, "DSP": placed.dsps}
    return facts | {"MHz": placed.fmax_mhz, "seeds": list(placed.fmax_seeds)}


def main(argv: list[str] | None = None) -> int:
    """Print the frequency. Returns 2, with one line, when a tool is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.frequency",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.frequency sysmt2_8 --set pipeline=3 --seeds 5",
    )
    parser.add_argument("preset", nargs="?", default="sysmt2_8", help="array preset (default sysmt2_8)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a field of the array")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="placements (default 5)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    try:
        row = measure(args.preset, max(args.seeds, 1), parse_settings(ArrayConfig(), args.set))
    except UserError as error:
        print(f"bench.frequency: {error}", file=sys.stderr)
        return 2
    shown = row | {"seeds": " ".join(f"{seed:.1f}" for seed in row["seeds"])}
    print(json.dumps(row, indent=2) if args.json else table([shown]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
