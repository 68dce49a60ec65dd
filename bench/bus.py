# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.bus`: front ends of buses: how busy an array is that fetches its operands, LUTs beside the UART's.

The product is 256x512x256 in a memory whose bursts wait 0 to 50 cycles, at random: `busy %` is the share of all cycles,
from the start of the list to its interrupt, in which the array takes a step, simulated and by the cycle model. LUTs are
those of synthesis for ECP5, the accelerator on that bus less the same one behind its UART.
"""

import argparse
import json
import sys
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.cli.output import progress, table
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import ListError
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.registers import FIGURES, NUMBERS
from sysmt.sim.cosim.bus import SimulatedBus
from sysmt.sim.cost.command_list import list_cycles
from sysmt.sim.flow.synthesis import synthesise
from sysmt.sim.golden.matmul import matmul

from . import record

SHAPE = (256, 512, 256)
LATENCY = 50
BUSY = (("accel_sysmt2_8", 64), ("accel_sysmt2_8", 128))
BUFFERS = {"depth": 1024, "result_rows": 128, "channels": 32}
"""Four tiles of each side in one half: what a bus of 64 bits keeps up with."""
LUTS = "accel_os4"
FRONT_ENDS = (("axi", 32), ("axi", 64), ("wishbone", 32))


def busy(name: str, data_width: int) -> dict[str, Any]:
    """One row: the product on the accelerator `name`, on AXI."""
    config = preset(name, AccelConfig, link="axi", data_width=data_width, **BUFFERS)
    (m, k, n), random = SHAPE, np.random.default_rng(0)
    x = random.integers(0, 256, (m, k), dtype=np.uint8)
    w = random.integers(-128, 128, (k, n), dtype=np.int8)
    threads, first = config.array.pe.threads, 0x10000
    plan = Plan(x, w, config, threads)
    maker = ListPlan(plan, threads, first)
    listed = maker.listed()
    progress(f"compiling and simulating {name} on AXI with {data_width} bits")
    with SimulatedBus(config, memory=1 << (listed.end - 1).bit_length(), latency=LATENCY) as bus:
        bus.memory[first : first + len(listed.data)] = listed.data
        bus.start(listed.commands, 0)
        cycles = bus.wait()
        figures = {figure: bus.read(NUMBERS[figure])[1] for figure in FIGURES}
        right = bus.link("list")["error"] == ListError.NONE
        right &= np.array_equal(maker.outputs(bus.memory, listed.results, n), matmul(x, w, config.array.pe).sums)
    return {
        "accelerator": name,
        "bits": data_width,
        "product": "x".join(map(str, SHAPE)),
        "latency": f"0-{LATENCY}",
        "cycles": cycles,
        "busy %": round(100 * figures["steps"] / cycles, 1),
        "model %": round(100 * figures["steps"] / list_cycles(config, listed.commands, LATENCY / 2), 1),
        "equal": right,
    }


def luts(link: str, data_width: int, uart: int) -> dict[str, Any]:
    """One row: what a front end takes beyond the UART, which takes `uart` with its accelerator."""
    progress(f"synthesising {LUTS} on {link} with {data_width} bits")
    used = _luts(preset(LUTS, AccelConfig, link=link, data_width=data_width))
    return {"front end": link, "bits": data_width, "LUTs": used, "beyond UART": used - uart}


def _luts(config: AccelConfig) -> int:
    used = synthesise(design_of(config, "npu"), "ecp5", seeds=0).luts
    assert used is not None
    return used


def markdown() -> str:
    """The recorded run as tables, one per kind of row."""
    return record.tables("bus")


def main(argv: list[str] | None = None) -> int:
    """Measure and print. Returns 1 when a result was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.bus", description=__doc__, epilog="example: python -m bench.bus --only busy"
    )
    parser.add_argument("--only", choices=("busy", "luts"), help="leave the other table out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    facts: dict[str, Any] = {}
    try:
        if args.only != "luts":
            facts["busy"] = [busy(*which) for which in BUSY]
        if args.only != "busy":
            progress(f"synthesising {LUTS} behind its UART")
            uart = _luts(preset(LUTS, AccelConfig))
            facts["luts"] = [luts(*which, uart) for which in FRONT_ENDS]
    except UserError as error:
        print(f"bench.bus: {error}", file=sys.stderr)
        return 2
    print(json.dumps(facts, indent=2) if args.json else "\n\n".join(table(rows) for rows in facts.values()))
    return 0 if all(row["equal"] for row in facts.get("busy", [])) else 1


if __name__ == "__main__":
    sys.exit(main())
