# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.merging`: time to synthesise a 16x16 array with equal modules merged, as emitted, and without.

Without: Yosys' `uniquify` gives every instance a module of its own, as plain emission does. Both keep the hierarchy and
run the same `synth`; both times are those of the whole process.
"""

import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.report.published import EQUAL_MODULES_TARGET
from sysmt.sim.flow import yosys

from .command import run

PRESET = "os16"


def measure(name: str = PRESET) -> list[dict[str, Any]]:
    """Synthesise both ways."""
    design = array_design(preset(name, ArrayConfig), name)
    times = {}
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "design.v"
        source.write_text(design.verilog)
        for way, extra in (("merged", []), ("not merged", ["uniquify"])):
            begun = perf_counter()
            head = [f"read_verilog {source.name}", f"hierarchy -check -top {name}"]
            yosys.run([*head, *extra, f"synth -noabc -top {name}", "abc -g cmos4"], Path(scratch))
            times[way] = perf_counter() - begun
            print(f"merging: {name} {way} done", file=sys.stderr)
    ratio = times["not merged"] / times["merged"]
    return [
        {"array": name, "merged s": times["merged"], "not merged s": times["not merged"], "faster": ratio}
        | {"target": EQUAL_MODULES_TARGET, "met": ratio >= EQUAL_MODULES_TARGET}
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    return run("bench.merging", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
