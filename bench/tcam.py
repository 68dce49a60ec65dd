# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.tcam`: the TCAMs in silicon: cell area, and frequency on an ECP5.

Area: sky130hd, as `sysmt synth` finds it, enables turned into clock gates (one per entry, since all bits of an entry
are written together) unless said otherwise; no wires, no clock tree. The data cache is counted in bits of SRAM of
SRAM_UM2 each.
The published overhead, 0.1 %, is that of a whole Intel Atom of the Z series: 24.2 mm2 in 45 nm (7.8 mm x 3.1 mm, Tech
Report, 2008-04), and of a TCAM of custom cells. Ours is in flip-flops and gates; its share of that die, with areas
scaled by the square of the feature size from 130 nm, is printed beside it.
Frequency: in the test harness of `sysmt synth --target ecp5`, median of seeds.
"""

import argparse
import dataclasses
import json
import sys
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.output import progress, table
from sysmt.hdl.emit import emit
from sysmt.hdl.nullcache import NullCache
from sysmt.hdl.nullcache.designs import tcam_design
from sysmt.hdl.params.cache import CacheConfig
from sysmt.hdl.params.presets import TCAMS, preset
from sysmt.sim.flow.synthesis import synthesise

from .area import cell_library

SRAM_UM2 = 4.0
"""Assumed area of a bit of single-port SRAM with its periphery in 130 nm; the cell alone is about half."""

ATOM_UM2, ATOM_NM, OUR_NM = 7800 * 3100, 45, 130
PUBLISHED = 0.1
"""Percent of that processor (DATE 2020)."""


FPGA_MHZ = 120
"""What placement is asked for on an ECP5: more than it can give."""


def measure(seeds: int) -> dict[str, Any]:
    """Areas, the share of the null cache, and with `seeds` the frequencies."""
    library = cell_library()
    design = tcam_design(TCAMS["tcam32"], "tcam32")
    rows = [
        {
            "design": f"TCAM 32 x 32, {what}",
            "um2": synthesise(design, library, clock_gates=gated, progress=progress).area,
        }
        for what, gated in (("clock gates", True), ("enables in the data path", False))
    ]
    cache = preset("galileo", CacheConfig)
    bits = cache.sets * cache.ways * (8 * cache.line + cache.tag_bits + 1 + (cache.ways - 1).bit_length())
    shares = []
    for entries in (cache.null.entries // 2, cache.null.entries):
        sized = dataclasses.replace(cache, null=dataclasses.replace(cache.null, entries=entries))
        null_cache = emit(NullCache(sized), "null_cache", {})
        um2 = synthesise(null_cache, library, clock_gates=True, progress=progress).area
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
        for name, chosen in (("flip-flops", "tcam32"), ("memory", "tcam32_memory")):
            placed = synthesise(tcam_design(TCAMS[chosen], chosen), "ecp5", FPGA_MHZ, seeds, progress=progress)
            row = {"TCAM": name, "on": placed.library, "MHz": placed.fmax_mhz, "seeds": list(placed.fmax_seeds)}
            facts.setdefault("frequency", []).append(row)
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
    for row in facts.get("frequency", []):
        seeds = ", ".join(map(str, row["seeds"]))
        print(f"{row['on']}, TCAM in {row['TCAM']}: {row['MHz']:.4g} MHz, median of {seeds}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
