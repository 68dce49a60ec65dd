# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.engine_area`: standard cells of the engine around its array on sky130hd, memories by bits.

The array is that of the preset with target `asic`, without counters; the engine around it has its gates alone: memories
of 1,024 bits and more are SRAM, which is counted in bits and has no area here (`sysmt.sim.flow.memories`).
"""

import re
import sys
from collections import defaultdict
from typing import Any

from sysmt.cli.output import progress
from sysmt.hdl.designs import engine_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import engine_config
from sysmt.hdl.params.presets import preset
from sysmt.sim.flow import area
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to

from . import record
from .area import cell_library
from .command import run

ARRAY = "sysmt2_16"


def measure(array: str = ARRAY) -> list[dict[str, Any]]:
    """Area of the engine around an array.

    Parameters
    ----------
    array : str
        Preset of the array.

    Returns
    -------
    list of dict
        `engine`; `array um2`, `engine um2` around it and `ratio` of the two; `memory bits`. Then `engine` and `part`,
        the largest first: `um2` and `ratio` of each, what takes less than a hundredth of the array together.
    """
    chosen = preset(array, ArrayConfig, counters=False)
    config = engine_config(chosen)
    design = engine_design(config, "engine", linked=False)
    mapped = map_to(design, library_of(cell_library()), CLOCK_MHZ, progress=progress)
    found = area.measure(mapped)
    # What stands in the array's own modules: the array is a module of the engine, and others are in it.
    inside = set(_below(mapped.netlist, "engine__array"))
    own = {row["module"]: row["copies"] * row["area"] for row in found.modules}
    array_area = sum(size for module, size in own.items() if module in inside)
    around = found.total - array_area
    whole = {
        "engine": array,
        "array um2": round(array_area),
        "engine um2": round(around),
        "ratio": around / array_area,
        "memory bits": config.memory_bits,
    }
    parts = _parts({module: size for module, size in own.items() if module not in inside}, array_area / 100)
    return [
        whole,
        *({"engine": array, "part": part, "um2": round(um2), "ratio": um2 / array_area} for part, um2 in parts),
    ]


def _parts(own: dict[str, float], least: float) -> list[tuple[str, float]]:
    """Units by area: of equal ones all together, of those smaller than `least` as well."""
    sizes: dict[str, float] = defaultdict(float)
    for module, size in own.items():
        # engine.post.lane_3.rounding -> post.lane; what stands in a unit of the top itself has its name.
        unit = ".".join(module.split(".")[1:3]) or "engine"
        sizes[re.sub(r"(_\d+|\$\d+)+$", "", unit)] += size
    large = sorted(((part, size) for part, size in sizes.items() if size >= least), key=lambda part: -part[1])
    return [*large, ("smaller ones", sum(sizes.values()) - sum(size for _, size in large))]


def _below(netlist: Any, top: str) -> list[str]:
    """Modules that stand in `top`, and itself."""
    found = [top]
    for part in netlist.modules[top].parts:
        if part.kind in netlist.modules and part.kind not in found:
            found += [name for name in _below(netlist, part.kind) if name not in found]
    return found


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("engine_area")


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    how = {"default": ARRAY, "metavar": "NAME", "help": f"preset of the array (default {ARRAY})"}
    return run("bench.engine_area", __doc__.partition("\n")[0], measure, argv, array=how)


if __name__ == "__main__":
    sys.exit(main())
