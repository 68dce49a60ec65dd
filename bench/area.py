# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.area`: standard-cell area of emitted arrays, as `sysmt synth` finds it on sky130hd."""

import sys
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.flow.synthesis import synthesise

from .command import run


def cell_library() -> str:
    """The liberty file of sky130hd below the data folder; refused with the way out when absent."""
    file = data_folder() / "data" / "liberty" / "sky130hd" / "sky130hd_tt.lib.gz"
    if not file.exists():
        raise UserError(f"cell library {file.name} is not in {file.parent}: set SYSMT_DATA to the folder that holds it")
    return str(file)


def measure() -> list[dict[str, Any]]:
    """Area of the arrays that the project compares; `ratio` is to the first array of the same group."""
    library = cell_library()
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
        synthesis = synthesise(array_design(config, name), library, progress=progress)
        modules = {row["module"]: row["area"] for row in synthesis.modules}
        changes = ", ".join(f"{field}={value}" for field, value in fields.items())
        rows.append(
            {
                "array": name,
                "with": changes or "-",
                "um2": round(synthesis.area),
                "PE um2": round(modules[f"{name}__pe"]),
                "counters um2": round(modules.get(f"{name}__counters", 0)),
                "ratio": synthesis.area / bases.setdefault(base or changes, synthesis.area),
            }
        )
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.area", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
