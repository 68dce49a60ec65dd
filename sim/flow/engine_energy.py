# SPDX-License-Identifier: Apache-2.0
"""Energy of an engine on one input of a network: cells by their toggles, memories by the bits of their accesses."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sysmt.base.cache import cached_json, digest
from sysmt.base.errors import UserError
from sysmt.sim.engine.program import Program

from . import energy, engine_run, simulate
from .flat import Flat, flatten
from .mapping import Mapped
from .simulate import LANES
from .structural import verilog
from .tools import Progress, silent

VERSION = 1
"""Goes up with every change of what is measured here: kept results of another one are not used."""

ACCESS_JOULES = 2 * 89.54866e-12 / 128
"""Per bit of a word that is read, and per bit that is written: both edges of the clock of OpenRAM's macro of 256 words
of 128 bits for sky130 at 1.8 V, typical (sky130_sram_1rw1r_128x256_8 of OpenROAD-flow-scripts, the `internal_power` of
its liberty file): an estimate of that compiler, which says the same for a read and a write."""
LEAKAGE_WATTS = 0.039892e-3 / (128 * 256)
"""Per bit that is stored, of the same macro (`cell_leakage_power`)."""
ASSUMPTIONS = f"{energy.ASSUMPTIONS}; zero-delay toggles: no glitches; memories by the bits of their accesses"


@dataclass(frozen=True)
class EngineEnergy:
    """Joules of one input, the mean of 64.

    Members
    -------
    cycles, macs : int
        From start to done; multiply-accumulates of the network.
    array : float
        Of the array's cells.
    around : dict of unit to float
        Of the cells around it, equal units together.
    accesses : dict of memory to float
        Of reads and writes.
    stored : float
        Leakage of the memories.
    """

    cycles: int
    macs: int
    array: float
    around: dict[str, float]
    accesses: dict[str, float]
    stored: float


def measure(
    mapped: Mapped,
    ports: list[dict[str, Any]],
    program: Program,
    inputs: np.ndarray,
    clock_mhz: float,
    progress: Progress = silent,
) -> EngineEnergy:
    """Run a program on a mapped engine; found again when the same was measured before.

    Parameters
    ----------
    mapped : Mapped
        The bare engine in cells of a library, with the program's configuration.
    ports : list of dict
        Of the manifest.
    program : Program
    inputs : array [64, ...]
        Their outputs and the cycles are checked (`sysmt.sim.flow.engine_run`).
    clock_mhz : float
        For the leakage; the rest does not depend on it.
    progress : callable
        Takes a line of text.
    """
    library = mapped.library
    if library is None:
        raise UserError(f"{mapped.top} must be mapped to the cells of a library for its energy, not to gates")
    key = {
        "version": VERSION,
        "netlist": digest(verilog(mapped.netlist)),
        "library": digest(library.source),
        "program": {memory.name: digest(words.tobytes()) for memory, words in program.images.items()},
        "inputs": digest(np.ascontiguousarray(inputs).tobytes()),
        "clock": clock_mhz,
        "prices": [ACCESS_JOULES, LEAKAGE_WATTS],
    }

    def work() -> dict[str, Any]:
        model = energy.EnergyModel(flatten(mapped.netlist, library))
        simulation = simulate.CellSimulation(model.flat, "zero")
        progress(f"simulating {mapped.top} in {len(model.flat.kind):,} cells (minutes)")
        count = engine_run.run(simulation, ports, program, inputs)
        seconds = LANES * count.cycles / (clock_mhz * 1e6)
        activity = energy.Activity(simulation.toggles, simulation.clocked, seconds)
        spent = np.sum(list(model.cells(activity).values()), axis=0)
        units: dict[str, float] = defaultdict(float)
        for unit, first, last in _units(model.flat):
            units[unit] += float(spent[first:last].sum()) / LANES
        accesses: dict[str, float] = defaultdict(float)
        for memory in simulation.memories:
            bits = memory.reads * memory.memory.sram.width + memory.bits_written
            accesses[_memory(memory.memory.name)] += bits * ACCESS_JOULES / LANES
        bits = sum(memory.sram.bits for memory in model.flat.memories)
        return {
            "cycles": count.cycles,
            "macs": count.macs,
            "array": units.pop("array"),
            "around": dict(units),
            "accesses": dict(accesses),
            "stored": bits * LEAKAGE_WATTS * seconds / LANES,
        }

    return EngineEnergy(**cached_json("silicon", "engine_energy", key, work))


def _units(flat: Flat) -> Iterator[tuple[str, int, int]]:
    """Unit of cells, the first of them and the first behind them: the array's all are `array`."""
    ends = [first for first, _, _ in flat.places[1:]] + [len(flat.kind)]
    for (first, _, path), last in zip(flat.places, ends, strict=True):
        names = [_plain(name) for name in path.split("/")[:-1]][:2]
        yield "array" if names[:1] == ["array"] else ".".join(names) or "engine", first, last


def _memory(path: str) -> str:
    """The memory that a bank is of: what stands in the engine itself has its own name."""
    *units, name = path.split("/")
    return ".".join(map(_plain, units[:2])) or name


def _plain(name: str) -> str:
    """A unit's name without its numbers: equal ones have one name."""
    return re.sub(r"(_\d+)+$", "", name)
