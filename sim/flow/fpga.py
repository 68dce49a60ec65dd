# SPDX-License-Identifier: Apache-2.0
"""A design alone on an FPGA: resources by Yosys, the clock by nextpnr as the median over placement seeds.

It is placed in a test harness (`sysmt.sim.flow.harness`). Resources are those of the design alone; the clock is that of
all registers, which those of the harness do not limit.
"""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from sysmt.base.cache import cached, cached_json, digest

from . import netlist, nextpnr, tools, yosys
from .harness import HARNESS, PORTS, wrap
from .netlist import Netlist
from .parts import Family, Part


@dataclass(frozen=True)
class Resources:
    """What a design takes: its cells, and of them LUTs, flip-flops, DSPs in the unit of its family, and bits of RAM."""

    cells: int
    luts: int
    ffs: int
    dsps: int
    ram_bits: int


@dataclass(frozen=True)
class SeededClock:
    """The clock of a design on `part` by `tool`, in MHz: the median over seeds, and that of every seed."""

    tool: str
    part: str
    fmax_mhz: float
    fmax_seeds: tuple[float, ...]


def cells(design: Netlist, without: str = "") -> Counter[str]:
    """Numbers of cells by type in all modules but `without`."""
    total: Counter[str] = Counter()
    for name, copies in design.copies.items():
        if name != without:
            for kind, count in design.modules[name].kinds.items():
                if kind not in design.modules:
                    total[kind] += count * copies
    return total


def resources(counts: Counter[str], family: Family) -> Resources:
    """What cells of a family take."""
    used = family.used(counts)
    return Resources(
        cells=sum(counts.values()),
        luts=used["LUT"],
        ffs=used["FF"],
        dsps=used["DSP"],
        ram_bits=family.memory_bits(counts),
    )


def synthesise(verilog: str, top: str, family: Family, progress: tools.Progress = tools.silent) -> tuple[Netlist, Path]:
    """Synthesise a design, flattened, in the test harness.

    Returns
    -------
    netlist, and the file that nextpnr reads; the module `HARNESS` in it is what was put around the design
    """
    text = verilog + "\n" + wrap(verilog, top)
    commands = [
        "read_verilog design.v",
        f"hierarchy -check -top {HARNESS}",
        f"setattr -mod -set keep_hierarchy 1 {top}",
        # Names that Amaranth made unique with a dollar sign collide inside abc9 of Yosys 0.70.
        "rename -hide w:*",
        f"{family.synthesis} {family.harness_options} -top {HARNESS}",
        *(command.format(harness=HARNESS) for command in family.after_synthesis),
        "write_json netlist.json",
    ]

    def make(directory: Path) -> None:
        (directory / "design.v").write_text(text)
        yosys.run(commands, directory, progress)

    key = {"text": digest(text), "commands": commands, "tool": yosys.version()}
    file = cached("silicon", f"{top}-{family.name}", key, make) / "netlist.json"
    return netlist.load(file, HARNESS), file


def clock(file: Path, part: Part, seeds: int, goal_mhz: float, progress: tools.Progress = tools.silent) -> SeededClock:
    """Place and route the netlist `file` of `synthesise` once per seed, asking for `goal_mhz`."""
    family = part.family
    tools.command(family.place_and_route)
    release = tools.release(family.place_and_route)
    content = digest(file.read_bytes())
    speeds = []
    for seed in range(1, seeds + 1):
        progress(f"placing on {part.title}, seed {seed} of {seeds}")
        key = [content, part.arguments, family.arguments, part.pins, seed, goal_mhz, release]
        make = partial(_place, file, part, seed, goal_mhz, progress)
        speeds.append(cached_json("silicon", f"{family.name}-clock", key, make))
    return SeededClock(release, part.title, median(speeds), tuple(speeds))


def _place(file: Path, part: Part, seed: int, goal_mhz: float, progress: tools.Progress) -> float:
    """MHz of one placement."""
    with tempfile.TemporaryDirectory(prefix="sysmt_") as scratch:
        folder = Path(scratch)
        shutil.copyfile(file, folder / "netlist.json")
        arguments = [*part.arguments, *part.family.arguments, "--json", "netlist.json"]
        if part.pins:
            (folder / "pins.cst").write_text(constraints(part))
            arguments += ["--vopt", "cst=pins.cst"]
        routed = nextpnr.place_and_route(part.family.place_and_route, arguments, folder, seed, goal_mhz, progress)
    # As nextpnr prints it: more digits say nothing.
    return round(min(clock.fmax_mhz for clock in routed.clocks), 2)


def constraints(part: Part) -> str:
    """The file that places the pins of the test harness, for a part whose tool does not choose them."""
    return "".join(f'IO_LOC "{port}" {pin};\n' for port, pin in zip(PORTS, part.pins, strict=True))
