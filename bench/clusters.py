# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.clusters`: arrays whose PEs share operand registers, to one thread in clusters of the same size.

16x16 on sky130hd, energy on layers of ResNet-8. `throughput per area` is products a step over area, at the same clock;
with the clock it is that times `clock`. One thread without clusters is there to compare absolute figures with.
"""

import sys
from typing import Any

from sysmt.cli.output import progress
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.report.markdown import table
from sysmt.sim.flow import power, workloads
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to, synthesise

from . import record
from .area import cell_library
from .command import run

WORKLOAD = "resnet8"
BASE = "os16"
PLANS: tuple[tuple[str, dict[str, Any], int], ...] = (
    (BASE, {}, 1),
    (BASE, {}, 2),
    ("sysmt2_16", {}, 2),
    ("sparq_16", {}, 2),
    ("sparq_16", {"window": "2opt"}, 2),
    ("sparq2_16", {}, 2),
    ("sparq2_16", {"pairs": 4}, 2),
    (BASE, {}, 4),
    ("sysmt2_16", {}, 4),
    ("sparq_16", {}, 4),
    ("sparq_16", {"window": "2opt"}, 4),
    ("sparq2_16", {}, 4),
)
"""Preset, fields and cluster of every row; the first of a cluster is its one-thread array."""


def measured(name: str, fields: dict[str, Any], cluster: int) -> dict[str, Any]:
    """Area, clock and energy of one array."""
    config = preset(name, ArrayConfig, cluster=cluster, **fields)
    progress(f"{name} {_text(fields)} in clusters of {cluster}")
    library = cell_library()
    design = array_design(config, name)
    found = synthesise(design, library, CLOCK_MHZ, progress=progress)
    mapped = map_to(design, library_of(library), CLOCK_MHZ)
    jobs = workloads.jobs(WORKLOAD)
    energy = power.measure(mapped, design.manifest["ports"], config, WORKLOAD, jobs, progress=progress)
    key = {"array": name, "with": _text(fields), "cluster": cluster, "products": config.pe.products}
    return key | {"um2": found.area, "MHz": found.fmax_mhz, "fJ/MAC": energy.femtojoules}


def _text(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items()) or "-"


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, with their ratios to the one-thread array of the same cluster."""
    found = []
    for row in rows:
        base = next(r for r in rows if r["cluster"] == row["cluster"])
        area, clock, energy = (row[figure] / base[figure] for figure in ("um2", "MHz", "fJ/MAC"))
        ratios = {"area": area, "throughput per area": row["products"] / area, "energy": energy, "clock": clock}
        found.append(row | ratios)
    return found


def measure() -> list[dict[str, Any]]:
    """A row per array and size of cluster."""
    return compared([measured(*plan) for plan in PLANS])


def markdown() -> str:
    """The table of docs/figures.md, from the record."""
    rows: list[dict[str, Any]] = []
    for figure in record.load().get("clusters", []):
        row = next((r for r in rows if figure.key.items() <= r.items()), None)
        if row is None:
            rows.append(row := dict(figure.key))
        row[figure.column] = figure.value
    head = ["array", "with", "cluster", "um2", "fJ/MAC", "area", "throughput per area", "energy", "clock"]
    formats = {"um2": ",.0f", "fJ/MAC": ",.0f", "area": ".3f", "throughput per area": ".2f", "energy": ".3f"}
    formats["clock"] = ".2f"
    return table(head, [[format(row[name], formats.get(name, "")) for name in head] for row in compared(rows)])


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.clusters", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
