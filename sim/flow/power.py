# SPDX-License-Identifier: Apache-2.0
"""Energy per multiply-accumulate of an array on real operands: mapped, simulated, checked, summed."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sysmt.base.cache import cached_json, digest
from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.smt_sa import SmtSaConfig

from . import energy, queued_streams, simulate, streams
from .flat import flatten
from .mapping import Mapped
from .streams import Job
from .structural import verilog
from .tools import Progress, silent

VERSION = 2
"""Goes up with every change of what is measured here: kept results of another one are not used."""

FEMTO = 1e15


@dataclass(frozen=True)
class LayerEnergy:
    """What one layer took, per useful multiply-accumulate, zeros included: the same products on any array.

    Members
    -------
    femtojoules : float
    parts, blocks : femtojoules by `energy.PARTS` and by block
    macs_per_cycle : float
        In the steady state.
    toggles : float
        Transitions of nets per multiply-accumulate.
    """

    layer: str
    macs: int
    femtojoules: float
    parts: dict[str, float]
    blocks: dict[str, float]
    macs_per_cycle: float
    toggles: float


@dataclass(frozen=True)
class PowerReport:
    """Energy of an array on some layers; `delays` says how toggles were counted (`sysmt.sim.flow.simulate`)."""

    workload: str
    delays: str
    clock_mhz: float
    layers: tuple[LayerEnergy, ...]

    @property
    def femtojoules(self) -> float:
        """Per useful multiply-accumulate: the mean of the layers, each of which has about as many."""
        return sum(layer.femtojoules for layer in self.layers) / len(self.layers)

    def mean(self, what: str) -> dict[str, float]:
        """`parts` or `blocks`, as `femtojoules`."""
        means: dict[str, float] = {}
        for layer in self.layers:
            for key, value in getattr(layer, what).items():
                means[key] = means.get(key, 0.0) + value / len(self.layers)
        return means

    @property
    def assumptions(self) -> str:
        """What the figure leaves out, to be said beside it."""
        glitches = {"zero": "zero-delay toggles: no glitches", "unit": "unit-delay toggles: all glitches"}
        return f"{energy.ASSUMPTIONS}; {glitches[self.delays]}"

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "workload": self.workload,
            "delays": self.delays,
            "clock_mhz": self.clock_mhz,
            "femtojoules_per_mac": self.femtojoules,
            "parts": self.mean("parts"),
            "blocks": self.mean("blocks"),
            "assumptions": self.assumptions,
            "layers": [vars(layer) for layer in self.layers],
        }


def measure(
    mapped: Mapped,
    ports: list[dict[str, Any]],
    config: ArrayConfig | SmtSaConfig,
    workload: str,
    jobs: list[Job],
    delays: str = "zero",
    clock_mhz: float = 100.0,
    progress: Progress = silent,
) -> PowerReport:
    """Measure a mapped array; found again when the same was measured before.

    Parameters
    ----------
    mapped : Mapped
    ports : list of dict
        Of the manifest.
    config : ArrayConfig or SmtSaConfig
    workload : str
    jobs : list of Job
        Its products (`sysmt.sim.flow.workloads`). All streams of each are checked against the golden model.
    delays : "zero" or "unit"
    clock_mhz : float
        For the leakage; the rest does not depend on it.
    progress : callable
        Takes a line of text.
    """
    library = mapped.library
    if library is None:
        raise UserError(f"{mapped.top} must be mapped to the cells of a library for its energy, not to gates")
    facts = {
        "version": VERSION,
        "netlist": digest(verilog(mapped.netlist)),
        "library": digest(library.source),
        "config": config.as_dict(),
        "delays": delays,
        "clock": clock_mhz,
    } | ({"steps": queued_streams.STEPS} if isinstance(config, SmtSaConfig) else {})

    @cache
    def model() -> energy.EnergyModel:
        return energy.EnergyModel(flatten(mapped.netlist, library))

    layers = []
    for job in jobs:

        def work(job: Job = job) -> dict[str, Any]:
            progress(f"simulating {mapped.top} in cells on {job.name}, {delays} delays")
            return vars(_layer(model(), ports, config, job, delays, clock_mhz))

        key = facts | {"job": [job.name, digest(job.x.tobytes()), digest(job.w.tobytes())]}
        layers.append(LayerEnergy(**cached_json("silicon", "energy", key, work)))
    return PowerReport(workload, delays, clock_mhz, tuple(layers))


def _layer(
    model: energy.EnergyModel,
    ports: list[dict[str, Any]],
    config: ArrayConfig | SmtSaConfig,
    job: Job,
    delays: str,
    clock_mhz: float,
) -> LayerEnergy:
    simulation = simulate.CellSimulation(model.flat, delays)
    if isinstance(config, SmtSaConfig):
        count = queued_streams.run(simulation, config, job)
    else:
        count = streams.run(simulation, ports, config, job)
    seconds = count.cycles * simulate.LANES / (clock_mhz * 1e6)
    spent = model.energy(energy.Activity(simulation.toggles, simulation.clocked, seconds))
    scale = FEMTO / count.macs
    return LayerEnergy(
        layer=job.name,
        macs=count.macs,
        femtojoules=spent.total * scale,
        parts={part: value * scale for part, value in spent.parts.items()},
        blocks={block: value * scale for block, value in spent.blocks.items()},
        macs_per_cycle=count.macs / count.cycles / simulate.LANES,
        toggles=float(simulation.toggles.sum()) / count.macs,
    )
