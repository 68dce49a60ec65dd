# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.area`: standard-cell area of emitted arrays, by the flow of `sysmt.sim.flow.mapping`."""

import sys
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.designs import array_design
from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.flow import area, liberty, mapping

from . import data_folder
from .command import run

CLOCK_PS = 10_000


def synthesise(design: Design, library: liberty.Library) -> dict[str, float]:
    """Map `design` to cells.

    Returns
    -------
    dict of module to square micrometres
        One copy of each module without those in it; the top module's name has the whole design.
    """
    mapped = mapping.to_cells(design.verilog, design.name, library, CLOCK_PS, [f"{design.name}_multiplier"])
    found = area.measure(mapped)
    return {row["module"]: row["area"] for row in found.modules} | {design.name: found.total}


def cells(folder: Path) -> tuple[Path, Path]:
    """Library and adder map of sky130hd below the data folder; refused with the way out when absent."""
    place = folder / "data" / "liberty" / "sky130hd"
    files = place / "sky130hd_tt.lib.gz", place / "cells_adders_hd.v"
    for file in files:
        if not file.exists():
            raise UserError(f"cell library {file.name} is not in {place}: set SYSMT_DATA to the folder that holds it")
    return files


def measure(folder: Path) -> list[dict[str, Any]]:
    """Area of the arrays that the project compares; `ratio` is to the first array of the same group."""
    library = liberty.read(cells(folder)[0])
    plain = {"counters": False}
    plans: list[tuple[str, dict[str, Any], str]] = [
        ("os8", {}, ""),
        ("os8", {"drain": "in_place"}, ""),
        ("os16", {}, "os16"),
        ("sysmt2_16", {}, "os16"),
        ("sysmt4_16", {}, "os16"),
        ("os32", {}, "os32"),
        ("os32", {"fuse": True}, "os32"),
        ("os32", plain, "os32 plain"),
        ("os32", plain | {"fuse": True}, "os32 plain"),
    ]
    rows = []
    bases: dict[str, float] = {}
    for name, fields, base in plans:
        config = preset(name, ArrayConfig).with_fields(**fields)
        found = synthesise(array_design(config, name), library)
        changes = ", ".join(f"{field}={value}" for field, value in fields.items())
        rows.append(
            {
                "array": name,
                "with": changes or "-",
                "um2": round(found[name]),
                "PE um2": round(found[f"{name}_pe"]),
                "counters um2": round(found.get(f"{name}_counters", 0)),
                "ratio": found[name] / bases.setdefault(base or changes, found[name]),
            }
        )
        print(f"area: {name} {changes} done", file=sys.stderr)
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.area", __doc__.partition("\n")[0], lambda: measure(data_folder()), argv)


if __name__ == "__main__":
    sys.exit(main())
