# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.pe_stages`: where the energy of a PE goes, for one, two and four threads on one multiplier.

PEs of 4x4 arrays on sky130hd, layers of ResNet-8; femtojoules per useful multiply-accumulate. Cells of the multiplier
are told apart by the adders before and behind them: `choice` stands before all adders and feeds none, `products` feeds
the first ones, `weighing` stands behind some.
"""

import sys
from functools import cache
from typing import Any

import numpy as np

from sysmt.cli.output import progress
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.report.markdown import table
from sysmt.sim.flow import simulate, streams, workloads
from sysmt.sim.flow.blocks import BLOCKS
from sysmt.sim.flow.energy import Activity, EnergyModel
from sysmt.sim.flow.flat import Flat, flatten
from sysmt.sim.flow.liberty import CellLibrary
from sysmt.sim.flow.netlist import Instance, Module
from sysmt.sim.flow.power import FEMTO
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to

from . import record
from .area import cell_library
from .command import run

WORKLOAD = "resnet8"
SIZE = 4
PRESETS = {1: "os16", 2: "sysmt2_16", 4: "sysmt4_16"}
MULTIPLIER = "multiplier"
COLUMNS = tuple(f"{threads}T" for threads in PRESETS)


def stages(module: Module, library: CellLibrary) -> dict[str, str]:
    """What each cell of a multiplier does, by name: `choice`, `products`, `adders` or `weighing`."""
    adders = {adder[0] for adder in (library.adder(3), library.adder(2)) if adder}
    cells = [part for part in module.parts if part.kind in library.names and not library.cell(part.kind).is_register]
    drivers = {bit: part for part in cells for bit in _nets(part, library.cell(part.kind).outputs)}
    added = {bit for part in cells if part.kind in adders for bit in _nets(part, library.cell(part.kind).inputs)}

    @cache
    def behind_adders(name: str) -> bool:
        part = module.by_name[name]
        before = [drivers[bit] for bit in _nets(part, library.cell(part.kind).inputs) if bit in drivers]
        return any(other.kind in adders or behind_adders(other.name) for other in before)

    def stage(part: Instance) -> str:
        if part.kind in adders:
            return "adders"
        if behind_adders(part.name):
            return "weighing"
        return "products" if added.intersection(_nets(part, library.cell(part.kind).outputs)) else "choice"

    return {part.name: stage(part) for part in cells}


def _nets(part: Instance, pins: Any) -> list[int | str]:
    return [bit for pin in pins for bit in part.pins.get(pin, [])]


def spent(threads: int) -> dict[str, float]:
    """Femtojoules per multiply-accumulate of the PEs, by stage of the multiplier and by block; mean of the layers."""
    config = preset(PRESETS[threads], ArrayConfig, rows=SIZE, cols=SIZE)
    library = library_of(cell_library())
    design = array_design(config, PRESETS[threads])
    mapped = map_to(design, library, CLOCK_MHZ)
    flat = flatten(mapped.netlist, library)
    labels = _labels(flat, {name: module for name, module in mapped.netlist.modules.items() if name.endswith("__pe")})
    model = EnergyModel(flat)
    jobs = workloads.jobs(WORKLOAD)
    found: dict[str, float] = {}
    for job in jobs:
        progress(f"simulating {design.name} in cells on {job.name}")
        simulation = simulate.CellSimulation(flat, "zero")
        count = streams.run(simulation, design.manifest["ports"], config, job)
        seconds = count.cycles * simulate.LANES / (CLOCK_MHZ * 1e6)
        each = sum(model.cells(Activity(simulation.toggles, simulation.clocked, seconds)).values())
        for label in dict.fromkeys(labels):
            energy = float(np.sum(each, where=np.array([other == label for other in labels])))
            if label:
                found[label] = found.get(label, 0.0) + energy * FEMTO / count.macs / len(jobs)
    return found


def _labels(flat: Flat, elements: dict[str, Module]) -> list[str]:
    """Per cell its stage or block; nothing where it is in no PE."""
    told = {name: stages(module, flat.library) for name, module in elements.items()}
    labels = []
    ends = [first for first, _, _ in flat.places[1:]] + [len(flat.kind)]
    for (first, module, _), end in zip(flat.places, ends, strict=True):
        for cell in range(first, end):
            block = BLOCKS[flat.block[cell]]
            name = flat.names[module][cell - first]
            inside = block if block != MULTIPLIER else f"{MULTIPLIER}: {told.get(module, {}).get(name)}"
            labels.append(inside if module in told else "")
    return labels


def measure() -> list[dict[str, Any]]:
    """A row per stage or block, a column per number of threads, then the sum."""
    columns = {f"{threads}T": spent(threads) for threads in PRESETS}
    names = sorted(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [{"stage": name} | {title: found.get(name, 0.0) for title, found in columns.items()} for name in names]
    return [*rows, {"stage": "PE"} | {title: sum(found.values()) for title, found in columns.items()}]


def markdown() -> str:
    """The table of docs/figures.md, from the record."""
    rows: dict[str, dict[str, float]] = {}
    for figure in record.load().get("pe_stages", []):
        rows.setdefault(figure.key["stage"], {})[figure.column] = figure.value
    return table(["stage", *COLUMNS], [[name, *(f"{row[c]:,.0f}" for c in COLUMNS)] for name, row in rows.items()])


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.pe_stages", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
