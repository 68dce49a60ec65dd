# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.area`: standard-cell area of emitted arrays, by Yosys as a library.

The flow, the same for every array:

1. modules keep their hierarchy, but for the multiplier, which is flattened into its PE; equal modules are one module,
   so each is synthesised once and its area counts as often as it is instantiated;
2. `synth`, then `extract_fa` finds the full and half adders, which become the library's adder cells;
3. `dfflibmap` and `abc` with a clock of CLOCK_PS;
4. `stat` sums the cell areas. No wires, no clock tree, no filler.
"""

import gzip
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from hdl.emit import Design
from hdl.errors import UserError
from hdl.generate import array_design
from hdl.presets import preset
from sim.silicon import yosys

from . import data_folder
from .command import run

CLOCK_PS = 10_000


def synthesise(design: Design, library: Path, adders: Path) -> dict[str, float]:
    """Map `design` to cells.

    Parameters
    ----------
    design : Design
    library : Path
        Liberty file, plain or gzipped.
    adders : Path
        Techmap of `$fa` to adder cells of that library.

    Returns
    -------
    dict of module to square micrometres
        Cells of one copy of each module; for the top module, of the whole design.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "design.v").write_text(design.verilog)
        content = library.read_bytes()
        (place / "cells.lib").write_bytes(gzip.decompress(content) if library.suffix == ".gz" else content)
        kept = [name for name in design.modules if not name.endswith("_multiplier")]
        yosys.run(
            [
                f"read_verilog {place}/design.v",
                f"hierarchy -check -top {design.name}",
                f"setattr -mod -set keep_hierarchy 1 {' '.join(kept)}",
                f"synth -flatten -top {design.name}",
                "extract_fa -fa",
                f"techmap -map {adders}",
                "opt -full",
                f"dfflibmap -liberty {place}/cells.lib",
                f"abc -liberty {place}/cells.lib -D {CLOCK_PS}",
                "opt_clean -purge",
                f"tee -o {place}/stat stat -liberty {place}/cells.lib",
            ]
        )
        found = re.findall(r"Chip area for (?:top )?module '\\\\?(\S+)': ([\d.]+)", (place / "stat").read_text())
    return {name: float(area) for name, area in found}


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
    library, adders = cells(folder)
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
        config = preset(name).with_fields(**fields)
        area = synthesise(array_design(config, name), library, adders)
        changes = ", ".join(f"{field}={value}" for field, value in fields.items())
        rows.append(
            {
                "array": name,
                "with": changes or "-",
                "um2": round(area[name]),
                "PE um2": round(area[f"{name}_pe"]),
                "counters um2": round(area.get(f"{name}_counters", 0)),
                "ratio": area[name] / bases.setdefault(base or changes, area[name]),
            }
        )
        print(f"area: {name} {changes} done", file=sys.stderr)
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.area", __doc__.partition("\n")[0], lambda: measure(data_folder()), argv)


if __name__ == "__main__":
    sys.exit(main())
