# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.pe_energy`: energy per multiply-accumulate of a PE, for the schedules of our own machine.

4x4 arrays of 1, 2 and 4 threads on sky130hd, digits as operands. `--write` puts it into the model's file
`sim/cost/schedule/pe_energy.json`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import sysmt
from sysmt.base.errors import UserError
from sysmt.base.files import data_folder, write_together
from sysmt.cli.output import progress, table

PRESETS = {1: "os4", 2: "sysmt2_4", 4: "sysmt4_4"}
LIBRARY = "data/liberty/sky130hd/sky130hd_tt.lib.gz"
WORKLOAD = "digits"
FILE = Path(sysmt.__file__).parents[1] / "sim" / "cost" / "schedule" / "pe_energy.json"


def measure() -> list[dict[str, Any]]:
    """A row per number of threads, from `sysmt synth --energy`."""
    rows = []
    for threads, name in PRESETS.items():
        progress(f"synthesising {name} and counting its toggles")
        words = ["synth", name, "--target", str(data_folder() / LIBRARY), "--energy", WORKLOAD, "--json"]
        done = subprocess.run([sys.executable, "-m", "sysmt", *words], capture_output=True, text=True)
        if done.returncode:
            raise UserError(done.stderr.strip().splitlines()[-1])
        spent = json.loads(done.stdout)["energy"]["femtojoules_per_mac"]
        rows.append({"array": name, "threads": threads, "femtojoules_per_mac": round(spent, 1)})
    return rows


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pe_energy", description=__doc__, epilog="example: python -m bench.pe_energy --write"
    )
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    try:
        rows = measure()
    except UserError as error:
        print(f"bench.pe_energy: {error}", file=sys.stderr)
        return 2
    facts = {"library": Path(LIBRARY).name, "workload": WORKLOAD, "rows": rows}
    if args.write:
        write_together(FILE.parent, {FILE.name: json.dumps(facts, indent=2) + "\n"})
    print(json.dumps(facts, indent=2) if args.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
