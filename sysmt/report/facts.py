# SPDX-License-Identifier: Apache-2.0
"""Gathers what a report shows: per array its configuration, silicon, energy and cycles."""

import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sysmt.base.files import data_folder
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.cost import evaluate
from sysmt.sim.flow import power, workloads
from sysmt.sim.flow.parts import FAMILIES
from sysmt.sim.flow.synthesis import GENERIC, Synthesis, library_of, map_to, synthesise
from sysmt.sim.nn.networks import NETWORKS, network, total_macs

from .compare import compare

DEFAULT_PRESETS = ("os16", "sysmt2_16", "sysmt4_16")
OPEN_PRESETS = ("os8", "sysmt2_8")
"""The arrays that the open ones are compared with."""
FPGA_FIELDS = {"target": "fpga", "pipeline": 3}
FPGA_MHZ = 150
"""On an ECP5: the fields that differ, and a clock that placement will not reach."""


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """What to measure and how.

    Members
    -------
    target : str
        As for `sysmt synth`.
    clock_mhz : float
    workload : str, or "" for no energy
    delays : "zero" or "unit"
    seeds : int
        Placements on an FPGA; on a cell library, of the arrays that the open ones are compared with.
    settings : fields that replace those of every preset
    """

    target: str
    clock_mhz: float = 100.0
    workload: str = ""
    delays: str = "zero"
    seeds: int = 0
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def on_cells(self) -> bool:
        """Whether the target is a cell library."""
        return self.target != GENERIC and self.target not in FAMILIES


def default_target() -> str:
    """The sky130 library where the reference data are at hand, else generic gates."""
    path = data_folder() / "data" / "liberty" / "sky130hd" / "sky130hd_tt.lib.gz"
    return str(path) if path.exists() else GENERIC


def default_workload(target: str) -> str:
    """ResNet-8 where it is at hand, else the digits; nothing on a target without energies."""
    if not ReportOptions(target).on_cells:
        return ""
    return "resnet8" if workloads.available("resnet8") else "digits"


def by_default(say: Callable[[str], None], **settings: Any) -> dict[str, Any]:
    """What `gather` finds for `DEFAULT_PRESETS` on the best target and workload at hand, with `settings` replaced."""
    target = default_target()
    return gather(
        list(DEFAULT_PRESETS), ReportOptions(target, workload=default_workload(target), settings=settings), say
    )


def gather(
    presets: list[str], options: ReportOptions, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Measure everything; what was measured before is found again.

    Returns
    -------
    dict
        Plain values, as JSON holds them. No path and no date of the host is among them.
    """
    arrays = [_array(name, preset(name, ArrayConfig, **options.settings), options, say) for name in presets]
    compared = OPEN_PRESETS if options.on_cells and not options.settings else ()
    return {
        "generator": f"sysmt {version('sysmt')}",
        "target": _target_name(options),
        "clock_mhz": options.clock_mhz,
        "settings": options.settings,
        "energy_assumptions": next((a["energy"]["assumptions"] for a in arrays if a["energy"]), None),
        "arrays": arrays,
        "comparison": compare(arrays),
        "references": [_reference(name, arrays, options, say) for name in compared],
    }


def _reference(
    name: str, arrays: list[dict[str, Any]], options: ReportOptions, say: Callable[[str], None]
) -> dict[str, Any]:
    """An array that the open ones are compared with, from `arrays` if it is there, and its clock on an ECP5."""
    known = next((array for array in arrays if array["name"] == name), None)
    found = known or _array(name, preset(name, ArrayConfig), dataclasses.replace(options, workload="", seeds=0), say)
    if not options.seeds:
        return found | {"ecp5_mhz": []}
    placed = on_ecp5(name, options.seeds, say)
    command = _commands(name, ReportOptions("ecp5", FPGA_MHZ, seeds=options.seeds, settings=FPGA_FIELDS))["silicon"]
    return found | {"ecp5_mhz": list(placed.fmax_seeds), "commands": found["commands"] | {"ecp5": command}}


def on_ecp5(name: str, seeds: int, say: Callable[[str], None], **fields: Any) -> Synthesis:
    """A preset, with `FPGA_FIELDS` and then `fields` replaced, alone on the smallest ECP5 that holds it.

    Placement depends on the design's name: it is the preset's, as in `sysmt synth`.
    """
    emitted = array_design(preset(name, ArrayConfig, **FPGA_FIELDS | fields), name)
    return synthesise(emitted, "ecp5", FPGA_MHZ, seeds, progress=say)


def _target_name(options: ReportOptions) -> str:
    return Path(options.target).name if options.on_cells else options.target


def _array(name: str, config: ArrayConfig, options: ReportOptions, say: Callable[[str], None]) -> dict[str, Any]:
    design = array_design(config, name)
    silicon = synthesise(design, options.target, options.clock_mhz, options.seeds, progress=say)
    energy = None
    if options.workload:
        mapped = map_to(design, library_of(options.target), options.clock_mhz)
        energy = power.measure(
            mapped,
            design.manifest["ports"],
            config,
            options.workload,
            workloads.jobs(options.workload),
            options.delays,
            options.clock_mhz,
            say,
        ).as_dict()
    return {
        "name": name,
        "config": config.as_dict(),
        "pes": config.rows * config.cols,
        "peak": config.rows * config.cols * config.pe.threads,
        "k_max": config.pe.k_max,
        "latency": config.latency,
        "silicon": silicon.as_dict() | {"target": _target_name(options), "shortfall": silicon.shortfall},
        "energy": energy,
        "networks": [_network(kind, config) for kind in NETWORKS],
        "commands": _commands(name, options),
    }


def _network(name: str, config: ArrayConfig) -> dict[str, Any]:
    layers = network(name, "baseline")
    cycles = evaluate(layers, config, method="rtl").total
    macs = total_macs(layers)
    return {"network": name, "macs": macs, "cycles": cycles, "macs_per_cycle": macs / cycles}


def _commands(name: str, options: ReportOptions) -> dict[str, str]:
    """What prints each number again."""
    synth = f"sysmt synth {name} --target {_target_name(options)} --clock {options.clock_mhz:g}"
    synth += "".join(f" --set {field}={_text(value)}" for field, value in options.settings.items())
    found = {"silicon": f"{synth} --seeds {options.seeds}" if options.target in FAMILIES else synth}
    if options.workload:
        found["energy"] = f"{synth} --energy {options.workload} --delays {options.delays}"
    config = preset(name, ArrayConfig, **options.settings)
    size = f"--array {config.rows}x{config.cols} --threads {config.pe.threads}"
    return found | {"cycles": f"sysmt cycles --network {NETWORKS[0]} {size}"}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
