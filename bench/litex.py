# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.litex`: a LiteX SoC in simulation: a product and networks on its devices, and on its processor.

Cycles of `examples/litex`, whose program compares every value: `devices` is all that an inference takes with them,
packing and what the processor does behind the engine included, `processor` the same by plain C loops on VexRiscv alone,
`engine alone` the ratio without the processor's share. Takes minutes; DS-CNN is left out without its data.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress, table

from . import record

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "litex" / "simulate.py"
DSCNN = ("data/models/dscnn_kws_int8.tflite", "data/kws/even500.npz")
LINK = "axi"


def simulated(network: str, files: list[str]) -> list[dict[str, Any]]:
    """Rows of one simulation: of the network, and of the product beside it."""
    progress(f"simulating {network} on the SoC, on {LINK}")
    command = [sys.executable, str(EXAMPLE), *files, "--link", LINK, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError((done.stderr.strip().splitlines() or ["the simulation ended without a word"])[-1])
    report = json.loads(done.stdout)
    product = {"product": report["product_shape"], "bus": LINK, **report["product"]}
    return [{"network": network, "bus": LINK, **report["network"]}, product]


def measure(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Digits, and DS-CNN when its files are below `root`, on one SoC."""
    cases: list[tuple[str, list[str]]] = [("digits", [])]
    model, inputs = (root / name for name in DSCNN)
    if model.exists() and inputs.exists():
        cases.append(("DS-CNN", [str(model), str(inputs)]))
    else:
        progress(f"DS-CNN: left out, SYSMT_DATA must name a folder with {' and '.join(DSCNN)}")
    rows = [row for case in cases for row in simulated(*case)]
    products = [row for row in rows if "product" in row][:1]
    return {"networks": [row for row in rows if "network" in row], "products": products}


def markdown() -> str:
    """The recorded run as tables, one per kind of row."""
    return record.tables("litex")


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.litex", description=__doc__, epilog="example: python -m bench.litex --json"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        facts = measure(data_folder())
    except UserError as error:
        print(f"bench.litex: {error}", file=sys.stderr)
        return 2
    print(json.dumps(facts, indent=2) if args.json else "\n\n".join(table(rows) for rows in facts.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
