# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.engine_area`: standard cells of the engine around its array on sky130hd, memories by bits.

The array is that of the preset with target `asic`, without counters; the engine around it has its gates alone: memories
of 1,024 bits and more are SRAM, which is counted in bits and has no area here (`sysmt.sim.flow.memories`).
"""

import argparse
import json
import sys
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.output import progress, table
from sysmt.hdl.designs import engine_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import engine_config
from sysmt.hdl.params.presets import preset
from sysmt.sim.flow import area
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to

from .area import cell_library

ARRAY = "sysmt2_16"


def measure(name: str = ARRAY) -> list[dict[str, Any]]:
    """Area of the engine around an array.

    Parameters
    ----------
    name : str
        Preset of the array.

    Returns
    -------
    list of dict
        `engine`; `array um2`, `engine um2` around it and `ratio` of the two; `memory bits`.
    """
    array = preset(name, ArrayConfig, counters=False)
    config = engine_config(array)
    design = engine_design(config, "engine", linked=False)
    mapped = map_to(design, library_of(cell_library()), CLOCK_MHZ, progress=progress)
    found = area.measure(mapped)
    # What stands in the array's own modules: the array is a module of the engine, and others are in it.
    inside = set(_below(mapped.netlist, "engine_array"))
    own = {row["module"]: row["copies"] * row["area"] for row in found.modules}
    array_area = sum(size for module, size in own.items() if module in inside)
    around = found.total - array_area
    return [
        {
            "engine": name,
            "array um2": round(array_area),
            "engine um2": round(around),
            "ratio": around / array_area,
            "memory bits": config.memory_bits,
        }
    ]


def _below(netlist: Any, top: str) -> list[str]:
    """Modules that stand in `top`, and itself."""
    found = [top]
    for part in netlist.modules[top].parts:
        if part.kind in netlist.modules and part.kind not in found:
            found += [name for name in _below(netlist, part.kind) if name not in found]
    return found


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.engine_area",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.engine_area --array sysmt2_4 --json",
    )
    parser.add_argument("--array", default=ARRAY, metavar="NAME", help=f"preset of the array (default {ARRAY})")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    try:
        rows = measure(args.array)
    except UserError as error:
        print(f"bench.engine_area: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"rows": rows}, indent=2) if args.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
