# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.multipliers`: products in LUTs against products in DSP blocks, per FPGA family and threads.

Synthesis of 2x2 arrays without counters, with all pipeline registers; numbers per PE, edges included. `saved` is what
every DSP block saves in LUTs: where a part runs out of LUTs before it runs out of DSP blocks, DSP blocks win.
Products of 4 by 4 bits, those of 4 threads, are too small for the DSP blocks of an iCE40.
"""

import sys
from typing import Any

from sysmt.cli.output import progress
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.flow.parts import FAMILIES
from sysmt.sim.flow.synthesis import synthesise

from .command import run

PRESETS = ("os2", "sysmt2_2", "sysmt4_2")


def measure() -> list[dict[str, Any]]:
    """A row per family and threads."""
    rows = []
    for family in FAMILIES:
        for name in PRESETS:
            ways = []
            for dsp in (False, True):
                config = preset(name, ArrayConfig).with_fields(target="fpga", pipeline=3, dsp=dsp, counters=False)
                design = array_design(config, "array_dsp" if dsp else "array_luts")
                ways.append(synthesise(design, family, seeds=0, progress=progress))
            pes, (plain, blocks) = config.rows * config.cols, ways
            rows.append(
                {
                    "family": family,
                    "threads": config.pe.threads,
                    "LUTs a PE": plain.luts / pes,
                    "with DSPs": blocks.luts / pes,
                    "DSPs a PE": blocks.dsps / pes,
                    "saved": (plain.luts - blocks.luts) / blocks.dsps if blocks.dsps else 0.0,
                }
            )
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    return run("bench.multipliers", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
