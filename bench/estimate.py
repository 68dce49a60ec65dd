# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.estimate`: synthesises small accelerators per FPGA family and fits the LUT model of
`sysmt.boards.flow.estimate` to them: what refuses a preset that cannot fit before anything is run.

Prints the fitted numbers, to be put into `FITTED`, and per sample estimate and synthesis.
"""

import argparse
import dataclasses
import json
import sys
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.boards.definitions import BOARDS
from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.build import Flow
from sysmt.boards.flow.estimate import features
from sysmt.cli.output import progress, table
from sysmt.hdl.params.accel import AccelConfig

SAMPLES: tuple[tuple[str, dict[str, bool]], ...] = (
    ("os2", {}),
    ("os4", {}),
    ("os8", {}),
    ("sysmt2_2", {}),
    ("sysmt2_2", {"counters": False}),
    ("sysmt2_2", {"requantize": False}),
    ("sysmt2_4", {}),
    ("sysmt4_2", {}),
)
"""Presets and what is changed about them. A part that cannot hold one is synthesised for all the same."""

FAMILIES = {"ecp5": "ulx3s", "ice40": "ice40_hx8k", "gowin": "tang_nano_9k"}
"""Family -> a board, whose fields are taken."""


def sample(board: BoardDefinition, preset: str, changes: dict[str, bool]) -> AccelConfig:
    """The accelerator of one sample."""
    fields = {name: value for name, value in changes.items() if name != "requantize"}
    config = board.accelerator(preset, **({"counters": True} | fields))
    return dataclasses.replace(config, requantize=changes.get("requantize", True))


def synthesised(board: BoardDefinition, config: AccelConfig) -> int:
    """LUTs of the netlist."""
    with Flow(board, config, progress, check=False) as flow:
        flow.prepare()
        return round(flow.synthesise()["LUT"])


def fit(board: BoardDefinition) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """The model fitted to the samples on this board's family, and how far off it is."""
    configs = [sample(board, preset, changes) for preset, changes in SAMPLES]
    measured = [synthesised(board, config) for config in configs]
    names = list(features(configs[0]))
    matrix = np.array([[features(config)[name] for name in names] for config in configs], float)
    # Relative errors count, not absolute ones: a small board is as strict as a large one.
    weights = 1 / np.array(measured)
    solution, *_ = np.linalg.lstsq(matrix * weights[:, None], np.ones(len(measured)), rcond=None)
    rows = []
    for (preset, changes), features_of, luts in zip(SAMPLES, matrix, measured, strict=True):
        guess = round(float(features_of @ solution))
        what = " ".join([preset, *(f"{name}={value}" for name, value in changes.items())])
        row = {"family": board.part.family, "sample": what, "LUT": luts, "estimated": guess, "ratio": guess / luts}
        rows.append(row)
    return {name: round(value) for name, value in zip(names, solution.tolist(), strict=True)}, rows


def main(argv: list[str] | None = None) -> int:
    """Synthesise, fit, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.estimate", description=__doc__, epilog="example: python -m bench.estimate ice40 --json"
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"which of {', '.join(FAMILIES)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    unknown = [name for name in args.families if name not in FAMILIES]
    if unknown:
        parser.error(f"FAMILY must be one of {', '.join(FAMILIES)}, not {unknown[0]}")
    fitted, rows = {}, []
    try:
        for family in args.families or FAMILIES:
            fitted[family], samples = fit(BOARDS[FAMILIES[family]])
            rows += samples
    except UserError as error:
        print(f"bench.estimate: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"fitted": fitted, "rows": rows}, indent=2))
    else:
        print(f"{table([{'family': family} | samples for family, samples in fitted.items()])}\n\n{table(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
