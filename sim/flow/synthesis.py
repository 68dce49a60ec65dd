# SPDX-License-Identifier: Apache-2.0
"""One design on one target: area or resources, and the clock. What `sysmt synth` and the report show."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError

from . import area, fpga, liberty, mapping, sta, yosys

GENERIC = "generic"
CLOCK_MHZ = 100.0


@dataclass(frozen=True)
class Verilog:
    """What is synthesised: text, its top module, modules that are flattened into their parents, clock gates or not."""

    text: str
    top: str
    dissolve: tuple[str, ...] = ()
    clock_gates: bool = False

    @classmethod
    def of_array(cls, text: str, top: str, clock_gates: bool = False) -> "Verilog":
        """An emitted array: the multiplier is flattened into its PE, the population counts into the counters."""
        inner = (f"{top}_multiplier", f"{top}_population_")
        return cls(text, top, tuple(name for name in mapping.modules(text) if name.startswith(inner)), clock_gates)


@dataclass(frozen=True)
class Synthesis:
    """What was found; what a target cannot tell is None.

    Members
    -------
    area : um2 on a cell library
    nand2 : the same in two-input NANDs, of that library or generic
    cells, ffs, luts, dsps, ram_bits : counts
    period_ps, fmax_mhz : the shortest period and its clock; on an FPGA the median of the seeds
    fmax_seeds : MHz of every seed
    blocks : area per block, in the unit of `area` or `nand2`
    paths : the slowest path that ends in each module, as `sysmt.sim.flow.sta.Slowest`
    tool, library, timing_tool : what they were measured with
    timing_assumptions : what the timing leaves out
    modules : per module its copies, and cells, flip-flops and area of one copy
    """

    target: str
    tool: str
    library: str | None = None
    area: float | None = None
    nand2: float | None = None
    cells: int = 0
    ffs: int = 0
    luts: int | None = None
    dsps: int | None = None
    ram_bits: int = 0
    period_ps: float | None = None
    fmax_mhz: float | None = None
    fmax_seeds: tuple[float, ...] = ()
    timing_tool: str | None = None
    timing_assumptions: str | None = None
    blocks: dict[str, float] | None = None
    paths: tuple[dict[str, Any], ...] = ()
    modules: tuple[dict[str, Any], ...] = ()
    clock_mhz: float = CLOCK_MHZ

    def as_dict(self) -> dict[str, Any]:
        """As JSON: the fields."""
        found = dict(vars(self))
        return found | {key: list(found[key]) for key in ("fmax_seeds", "paths", "modules")}

    @property
    def shortfall(self) -> str | None:
        """One line that says by how much the clock asked for is missed, and where; None when it is met."""
        if self.period_ps is None or self.period_ps <= 1e6 / self.clock_mhz:
            return None
        where = f" on the path {self.paths[0]['start']} -> {self.paths[0]['end']}" if self.paths else ""
        slack = f"slack {1e6 / self.clock_mhz - self.period_ps:.0f} ps{where}"
        return f"clock {self.clock_mhz:g} MHz cannot be met: {slack}; at most {self.fmax_mhz:.4g} MHz"


def synthesise(
    design: Verilog,
    target: str,
    clock_mhz: float = CLOCK_MHZ,
    seeds: int = 5,
    say: Callable[[str], None] = lambda text: None,
) -> Synthesis:
    """Synthesise a design.

    Parameters
    ----------
    design : Verilog
    target : str
        "generic", the name of a liberty file, or a family of `sysmt.sim.flow.fpga.FAMILIES`.
    clock_mhz : float
        What the cells are chosen for, and what is asked of the timing.
    seeds : int
        Placements on an FPGA; 0: resources only.
    say : callable
        Told what is going on.
    """
    if not 0 < clock_mhz <= 1e5:
        raise UserError(f"clock must be above 0 and at most 100000 MHz, not {clock_mhz:g}")
    if not 0 <= seeds <= 1000:
        raise UserError(f"seeds must be from 0 to 1000, not {seeds}")
    if target in fpga.FAMILIES:
        return _on_fpga(design, target, clock_mhz, seeds, say)
    if target == GENERIC:
        say(f"mapping {design.top} to generic gates")
        mapped = mapping.to_gates(design.text, design.top, design.dissolve)
        return _of_area(Synthesis(target, yosys.version(), clock_mhz=clock_mhz), area.measure(mapped), None)
    library = library_of(target)
    say(f"mapping {design.top} to {library.name}")
    mapped = map_to(design, library, clock_mhz)
    found = Synthesis(target, yosys.version(), library=library.name, clock_mhz=clock_mhz)
    found = _of_area(found, area.measure(mapped), library)
    if not sta.available():
        say(f"opensta is not installed ({sta.PACKAGE}): the clock is our own estimate")
    say(f"timing {design.top}")
    times = sta.measure(mapped, library, 1e6 / clock_mhz)
    return replace(
        found,
        period_ps=times.period_ps,
        fmax_mhz=1e6 / times.period_ps,
        timing_tool=times.tool,
        timing_assumptions=sta.ASSUMPTIONS,
        paths=tuple(vars(path) for path in times.paths),
    )


def library_of(target: str) -> liberty.Library:
    """The library of a target that names a liberty file; anything else is refused."""
    if target == GENERIC or target in fpga.FAMILIES:
        raise UserError(f"energy needs a liberty file as target (.lib or .lib.gz), not {target!r}")
    if not target.endswith((".lib", ".lib.gz")):
        known = ", ".join((GENERIC, *fpga.FAMILIES))
        raise UserError(f"target must be {known} or a liberty file (.lib or .lib.gz), not {target!r}")
    return liberty.read(Path(target))


def map_to(design: Verilog, library: liberty.Library, clock_mhz: float) -> mapping.Mapped:
    """A design in the cells of a library."""
    period_ps = 1e6 / clock_mhz
    return mapping.to_cells(design.text, design.top, library, period_ps, design.dissolve, design.clock_gates)


def _of_area(found: Synthesis, sizes: area.Area, library: liberty.Library | None) -> Synthesis:
    return replace(
        found,
        area=sizes.total if library else None,
        nand2=sizes.total / library.smallest_nand.area if library else sizes.total,
        cells=sizes.cells,
        ffs=sizes.ffs,
        blocks=sizes.blocks,
        modules=tuple(sizes.modules),
    )


def _on_fpga(design: Verilog, target: str, clock_mhz: float, seeds: int, say: Callable[[str], None]) -> Synthesis:
    family = fpga.FAMILIES[target]
    say(f"synthesising {design.top} for {target}")
    netlist, file = fpga.synthesise(design.text, design.top, target)
    needed = fpga.resources(netlist, family, without="ring")
    found = Synthesis(target, yosys.version(), **vars(needed), clock_mhz=clock_mhz)
    if not seeds:
        return found
    device = fpga.fitting(fpga.resources(netlist, family), target)
    speed = fpga.clock(file, target, device, seeds, clock_mhz, say)
    return replace(
        found,
        library=device.name,
        period_ps=1e6 / speed["fmax_mhz"],
        fmax_mhz=speed["fmax_mhz"],
        fmax_seeds=tuple(speed["fmax_seeds"]),
        timing_tool=speed["tool"],
        timing_assumptions="placed and routed between registers, median of seeds",
    )
