# SPDX-License-Identifier: Apache-2.0
"""FPGAs: resources by Yosys, the clock by nextpnr as the median over placement seeds.

A design has far more ports than a package has pins. It is placed between registers: a shift register, fed through one
pin, drives all inputs, and all outputs are folded into one pin over registered steps of four. Resources are those of
the design alone; the clock is that of all registers, which those around it do not limit.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sysmt.base.errors import UserError

from . import netlist, yosys
from .disk_cache import digest, kept, kept_json
from .netlist import Netlist

FOLD = 4
"""Outputs that one step of folding joins."""


@dataclass(frozen=True)
class Device:
    """A member of a family that a design may fit into: at most `luts` and `dsps`, chosen by `arguments`.

    `pins` are those of the clock, the input and the output, where the tool does not choose them itself.
    """

    name: str
    luts: int
    dsps: int
    arguments: tuple[str, ...]
    pins: tuple[str, ...] = ()

    @property
    def constraints(self) -> str:
        """The file that places the pins of `ring`."""
        return "".join(f'IO_LOC "{port}" {pin};\n' for port, pin in zip(("clk", "i", "o"), self.pins, strict=True))


@dataclass(frozen=True)
class Family:
    """A target: its synthesis command, its place-and-route tool, its parts, and what its cells count as.

    `luts`, `ffs`, `dsps` are patterns of cell names; `carry` cells count as so many LUTs each; `ram_bits` is a
    pattern and bits per cell. `finish` are commands behind the synthesis.
    """

    synth: str
    tool: str
    devices: tuple[Device, ...]
    luts: str
    carry: tuple[str, int]
    ffs: str
    dsps: str
    ram_bits: tuple[tuple[str, int], ...]
    finish: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def _ecp5(size: str, luts: int, dsps: int) -> Device:
    return Device(f"LFE5U-{size[:-1]}F-6", luts, dsps, (f"--{size}", "--package", "CABGA381", "--speed", "6"))


def _gowin(name: str, luts: int, dsps: int, part: str, chip: str, pins: tuple[str, str, str]) -> Device:
    return Device(name, luts, dsps, ("--device", part, "--vopt", f"family={chip}"), pins)


FAMILIES = {
    "ecp5": Family(
        synth="synth_ecp5",
        tool="nextpnr-ecp5",
        devices=(_ecp5("25k", 24288, 28), _ecp5("45k", 43848, 72), _ecp5("85k", 83640, 156)),
        luts="LUT4",
        carry=("CCU2C", 2),
        ffs="TRELLIS_FF",
        dsps="MULT18X18D",
        ram_bits=(("DP16KD", 18432), ("TRELLIS_DPR16X4", 64)),
        arguments=("--lpf-allow-unconstrained",),
    ),
    "ice40": Family(
        synth="synth_ice40 -dsp",
        tool="nextpnr-ice40",
        devices=(
            Device("iCE40UP5K", 5280, 8, ("--up5k", "--package", "sg48")),
            Device("iCE40HX8K", 7680, 0, ("--hx8k", "--package", "ct256")),
        ),
        luts="SB_LUT4",
        carry=("SB_CARRY", 0),
        ffs="SB_DFF.*",
        dsps="SB_MAC16",
        ram_bits=(("SB_RAM40_4K.*", 4096), ("SB_SPRAM256KA", 262144)),
        arguments=("--pcf-allow-unconstrained",),
    ),
    "gowin": Family(
        # Of all modules, only the ring has pads.
        synth="synth_gowin -noiopads",
        finish=("iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O ring",),
        tool="nextpnr-himbaechel-gowin",
        devices=(
            _gowin("GW1NR-9C", 8640, 10, "GW1NR-LV9QN88PC6/I5", "GW1N-9C", ("52", "18", "17")),
            _gowin("GW2A-18", 20736, 24, "GW2A-LV18PG256C8/I7", "GW2A-18", ("H11", "T13", "M11")),
        ),
        luts="LUT[1-4]",
        carry=("ALU", 1),
        ffs="DFF.*",
        dsps="MULT.*",
        ram_bits=(("(SPX9|SDPX9B|DPX9B|SP|SDPB|DPB|pROM).*", 18432), ("RAM16SDP4", 64)),
    ),
}


@dataclass(frozen=True)
class Resources:
    """What a design takes."""

    cells: int
    luts: int
    ffs: int
    dsps: int
    ram_bits: int


def resources(found: Netlist, family: Family, without: str = "") -> Resources:
    """Count the cells of all modules but `without`."""
    cells: Counter = Counter()
    for name, times in found.copies.items():
        if name != without:
            for kind, count in found.modules[name].kinds.items():
                if kind not in found.modules:
                    cells[kind] += count * times

    def number(pattern: str) -> int:
        return sum(count for kind, count in cells.items() if re.fullmatch(pattern, kind))

    return Resources(
        cells=sum(cells.values()),
        luts=number(family.luts) + family.carry[1] * number(family.carry[0]),
        ffs=number(family.ffs),
        dsps=number(family.dsps),
        ram_bits=sum(bits * number(pattern) for pattern, bits in family.ram_bits),
    )


def synthesise(verilog: str, top: str, target: str) -> tuple[Netlist, Path]:
    """Synthesise a design, flattened, between registers.

    Returns
    -------
    netlist, and the file that nextpnr reads; the module `ring` in it is what was put around the design
    """
    family = FAMILIES[target]
    text = verilog + "\n" + ring(verilog, top)
    commands = [
        "read_verilog @/design.v",
        "hierarchy -check -top ring",
        f"setattr -mod -set keep_hierarchy 1 {top}",
        # Names that Amaranth made unique with a dollar sign collide inside abc9 of Yosys 0.70.
        "rename -hide w:*",
        f"{family.synth} -top ring",
        *family.finish,
        "write_json @/netlist.json",
    ]

    def make(folder: Path) -> None:
        (folder / "design.v").write_text(text)
        yosys.run([command.replace("@", str(folder)) for command in commands])
        (folder / "design.v").unlink()

    folder = kept(f"{top}-{target}", {"text": digest(text), "commands": commands, "tool": yosys.version()}, make)
    return netlist.load(folder / "netlist.json", "ring"), folder / "netlist.json"


def clock(
    file: Path, target: str, device: Device, seeds: int, goal_mhz: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """Place and route once per seed.

    Returns
    -------
    dict
        `tool`, `device`, `fmax_mhz` (median), `fmax_seeds`.
    """
    family = FAMILIES[target]
    tool = Path(sys.executable).parent / f"yowasp-{family.tool}"
    if not tool.exists():
        raise UserError(f"{family.tool} is missing: pip install yowasp-{family.tool}")
    version = yosys.package(f"yowasp-{family.tool}")
    found = []
    for seed in range(1, seeds + 1):
        say(f"placing on {device.name}, seed {seed} of {seeds}")
        arguments = [*device.arguments, *family.arguments, "--freq", f"{goal_mhz:g}", "--timing-allow-fail"]
        arguments += ["--seed", str(seed)]
        facts = {"netlist": digest(file.read_bytes()), "arguments": arguments, "pins": device.pins, "tool": version}
        found.append(kept_json(f"{target}-clock", facts, lambda a=arguments: _place(tool, a, file, device)))
    return {"tool": version, "device": device.name, "fmax_mhz": median(found), "fmax_seeds": found}


def _place(tool: Path, arguments: list[str], file: Path, device: Device) -> float:
    if device.pins:
        pins = file.with_name(f"{device.name}.cst")
        pins.write_text(device.constraints)
        arguments = [*arguments, "--vopt", f"cst={pins.name}"]
    done = subprocess.run([str(tool), *arguments, "--json", file.name], cwd=file.parent, capture_output=True, text=True)
    output = done.stderr + done.stdout
    speeds = re.findall(r"Max frequency for clock\s+\S+ ([\d.]+) MHz", output)
    if done.returncode or not speeds:
        errors = re.findall(r"^ERROR: .*$", output, re.MULTILINE)
        if errors:
            raise UserError(f"{tool.name} cannot place the design on {device.name}: {errors[0][7:]}")
        raise RuntimeError(f"{tool.name} failed ({done.returncode}):\n{output[-2000:]}")
    return float(speeds[-1])


def fitting(needed: Resources, target: str) -> Device:
    """The smallest part with enough of everything; refused when there is none."""
    devices = FAMILIES[target].devices
    for device in devices:
        if needed.luts <= device.luts and needed.dsps <= device.dsps:
            return device
    raise UserError(
        f"target {target} has no part for {needed.luts} LUTs and {needed.dsps} DSPs (largest: {devices[-1].name}, "
        f"{devices[-1].luts} and {devices[-1].dsps}): choose a smaller array, or --seeds 0 for resources only"
    )


def ring(verilog: str, top: str) -> str:
    """The module `ring`: `top` between registers, with three pins."""
    body = re.search(rf"^module {re.escape(top)} *\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL).group(0)
    ports = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?([\w$]+);", body, re.MULTILINE)
    inputs = [(name, int(high or 0) + 1) for way, high, name in ports if way == "input" and name != "clk"]
    outputs = [(name, int(high or 0) + 1) for way, high, name in ports if way == "output"]
    pins, at = [".clk(clk)"], 0
    for name, width in inputs:
        pins.append(f".{name}(feed[{at + width - 1}:{at}])")
        at += width
    out = 0
    for name, width in outputs:
        pins.append(f".{name}(seen[{out + width - 1}:{out}])")
        out += width
    lines = [
        "module ring (clk, i, o);",
        "  input clk, i;",
        "  output o;",
        f"  reg [{at - 1}:0] feed;",
        f"  wire [{out - 1}:0] seen;",
        "  always @(posedge clk) feed <= {feed, i};",
        f"  {top} design_under_test ({', '.join(pins)});",
    ]
    name, width, step = "seen", out, 0
    while True:
        following = -(-width // FOLD)
        lines.append(f"  reg [{following - 1}:0] fold_{step};")
        lines.append("  always @(posedge clk) begin")
        for i in range(following):
            lines.append(f"    fold_{step}[{i}] <= ^{name}[{min(width, FOLD * (i + 1)) - 1}:{FOLD * i}];")
        lines.append("  end")
        name, width, step = f"fold_{step}", following, step + 1
        if width == 1:
            break
    return "\n".join([*lines, f"  assign o = {name}[0];", "endmodule", ""])
