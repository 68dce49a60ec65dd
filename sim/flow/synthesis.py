# SPDX-License-Identifier: Apache-2.0
"""Any design on any target: area or resources, and the clock. What `sysmt synth`, the report and `bench` show."""

import re
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from sysmt.base.cache import cached, digest
from sysmt.base.errors import UserError
from sysmt.hdl.emit import Design

from . import area, fpga, liberty, mapping, sta, yosys
from .harness import HARNESS
from .parts import FAMILIES, fitting
from .tools import Progress, silent

GENERIC = "generic"
CLOCK_MHZ = 100.0


def read_verilog(text: str, top: str) -> Design:
    """Verilog of any origin as a design that `synthesise` takes: read by Yosys and written again.

    Parameters
    ----------
    text : str
        All modules, in the Verilog and SystemVerilog that Yosys reads. The only clock is the port `clk`.
    top : str
        The top module.

    Raises
    ------
    UserError
        Yosys cannot read it; the message is Yosys' own.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", top):
        raise UserError(f"top must be a plain name of a module, not {top!r}")
    commands = ["read_verilog -sv design.v", f"hierarchy -check -top {top}", "proc -nomux -norom", "memory_collect"]
    commands += ["write_verilog -noattr read.v"]

    def make(directory: Path) -> None:
        (directory / "design.v").write_text(text)
        yosys.run(commands, directory)

    directory = cached("silicon", f"{top}-verilog", [digest(text), commands, yosys.version()], make)
    return Design(top, (directory / "read.v").read_text(), {})


@dataclass(frozen=True)
class Synthesis:
    """A design on a target; what a target cannot tell is None.

    Members
    -------
    area : um2 on a cell library
    nand2 : the same in two-input NANDs, of that library or generic
    cells, ffs, luts, dsps : counts; DSPs in the unit of `sysmt.sim.flow.parts.Family.dsp`
    ram_bits : bits of memories, which in standard cells are no part of `area` (`sysmt.sim.flow.memories`)
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
        fields = dict(vars(self))
        return fields | {key: list(fields[key]) for key in ("fmax_seeds", "paths", "modules")}

    @property
    def shortfall(self) -> str | None:
        """One line that says by how much the clock asked for is missed, and where; None when it is met."""
        if self.period_ps is None or self.period_ps <= 1e6 / self.clock_mhz:
            return None
        where = f" on the path {self.paths[0]['start']} -> {self.paths[0]['end']}" if self.paths else ""
        slack = f"slack {1e6 / self.clock_mhz - self.period_ps:.0f} ps{where}"
        return f"clock {self.clock_mhz:g} MHz cannot be met: {slack}; at most {self.fmax_mhz:.4g} MHz"


def synthesise(
    design: Design,
    target: str,
    clock_mhz: float = CLOCK_MHZ,
    seeds: int = 5,
    clock_gates: bool | None = None,
    progress: Progress = silent,
) -> Synthesis:
    """Synthesise a design: an array, a cache, a TCAM, an accelerator, or what `read_verilog` returns.

    Equal designs give equal numbers, whoever asks; what was synthesised before is found in the cache.

    Parameters
    ----------
    design : Design
    target : str
        "generic" (gates of Yosys), the name of a liberty file, or a family of `sysmt.sim.flow.parts.FAMILIES`.
    clock_mhz : float
        What the cells are chosen for, and what is asked of the timing.
    seeds : int
        Placements on an FPGA; 0: resources only.
    clock_gates : bool, optional
        Make clock gates of enables, on a cell library; None: as the configuration of the array says.
    progress : callable
        Takes a line of text.

    Raises
    ------
    UserError
        The target is unknown, no part is large enough, a tool is missing or cannot place the design.
    """
    if isinstance(clock_mhz, bool) or not isinstance(clock_mhz, Real):
        raise UserError(f"clock must be a number of MHz, not {clock_mhz!r}")
    if not 0 < clock_mhz <= 1e5:
        raise UserError(f"clock must be above 0 and at most 100000 MHz, not {clock_mhz:g}")
    if isinstance(seeds, bool) or not isinstance(seeds, Integral) or not 0 <= seeds <= 1000:
        raise UserError(f"seeds must be from 0 to 1000, not {seeds!r}")
    if not isinstance(target, str):
        raise UserError(f"target must be {', '.join((GENERIC, *FAMILIES))} or a liberty file, not {target!r}")
    if target in FAMILIES:
        return _on_fpga(design, target, clock_mhz, seeds, progress)
    if target == GENERIC:
        progress(f"mapping {design.name} to generic gates")
        gates = mapping.to_gates(design, progress)
        return _with_area(Synthesis(target, yosys.version(), clock_mhz=clock_mhz), gates)
    library = library_of(target)
    progress(f"mapping {design.name} to {library.name}")
    mapped = map_to(design, library, clock_mhz, clock_gates, progress)
    result = _with_area(Synthesis(target, yosys.version(), library=library.name, clock_mhz=clock_mhz), mapped)
    if not sta.available():
        progress(f"opensta is not installed ({sta.PACKAGE}): the clock is our own estimate")
    progress(f"timing {design.name}")
    times = sta.measure(mapped, library, 1e6 / clock_mhz)
    if not times.period_ps:
        return result
    return replace(
        result,
        period_ps=times.period_ps,
        fmax_mhz=1e6 / times.period_ps,
        timing_tool=times.tool,
        timing_assumptions=sta.ASSUMPTIONS + ("; no access times of memories" if result.ram_bits else ""),
        paths=tuple(vars(path) for path in times.paths),
    )


def library_of(target: str) -> liberty.CellLibrary:
    """The library of a target that names a liberty file; anything else is refused."""
    if target == GENERIC or target in FAMILIES:
        raise UserError(f"energy needs a liberty file as target (.lib or .lib.gz), not {target!r}")
    if not target.endswith((".lib", ".lib.gz")):
        known = ", ".join((GENERIC, *FAMILIES))
        raise UserError(f"target must be {known} or a liberty file (.lib or .lib.gz), not {target!r}")
    return liberty.read(Path(target))


def map_to(
    design: Design,
    library: liberty.CellLibrary,
    clock_mhz: float,
    clock_gates: bool | None = None,
    progress: Progress = silent,
) -> mapping.Mapped:
    """A design in the cells of a library, as `synthesise` maps it."""
    if clock_gates is None:
        clock_gates = bool(design.manifest.get("config", {}).get("clock_gating", False))
    return mapping.to_cells(design, library, 1e6 / clock_mhz, clock_gates, progress)


def _with_area(result: Synthesis, mapped: mapping.Mapped) -> Synthesis:
    sizes, library = area.measure(mapped), mapped.library
    return replace(
        result,
        area=sizes.total if library else None,
        nand2=sizes.total / library.smallest_nand.area if library else sizes.total,
        cells=sizes.cells,
        ffs=sizes.ffs,
        ram_bits=mapped.netlist.memory_bits,
        blocks=sizes.blocks,
        modules=tuple(sizes.modules),
    )


def _on_fpga(design: Design, target: str, clock_mhz: float, seeds: int, progress: Progress) -> Synthesis:
    family = FAMILIES[target]
    progress(f"synthesising {design.name} for {target}")
    netlist, file = fpga.synthesise(design.verilog, design.name, family, progress)
    alone = fpga.resources(fpga.cells(netlist, without=HARNESS), family)
    result = Synthesis(target, yosys.version(), **vars(alone), clock_mhz=clock_mhz)
    if not seeds:
        return result
    part = fitting(family.used(fpga.cells(netlist)), family)
    clock = fpga.clock(file, part, seeds, clock_mhz, progress)
    return replace(
        result,
        library=part.title,
        period_ps=1e6 / clock.fmax_mhz,
        fmax_mhz=clock.fmax_mhz,
        fmax_seeds=clock.fmax_seeds,
        timing_tool=clock.tool,
        timing_assumptions="placed and routed between registers, median of seeds",
    )
