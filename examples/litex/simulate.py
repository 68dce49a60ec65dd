# SPDX-License-Identifier: Apache-2.0
"""A LiteX SoC in simulation: VexRiscv runs a product and a whole network on devices by sysmt, and by itself.

The SoC has a VexRiscv with caches, SDRAM behind LiteDRAM, an accelerator and an engine. Its program, in C, lies in the
SDRAM: the driver that `sysmt generate` writes, and plain loops over 8-bit integers (-O2) that compute the same on the
processor alone. It compares every value with the golden model's and counts cycles.

    pip install 'sysmt[infer,cosim,litex]'
    sudo apt-get install gcc-riscv64-unknown-elf
    python examples/litex/simulate.py
    python examples/litex/simulate.py dscnn_kws_int8.tflite features.npz --link axi --json
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import SHAPE, cases
from toolchain import HERE, compiled, missing, simulator

from sysmt.base.errors import UserError
from sysmt.cli.output import progress, table
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.link import MASTERS
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim.programs import OPTIMISE
from sysmt.sim.cosim.verilator import require
from sysmt.sim.engine.c_source import c_source
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.options import Options

PROGRAM = ("main.c", "console.c", "cpu.c", "sysmt_driver.c")
LIMIT = 2_000_000_000
"""Cycles after which a simulation is given up."""
ARRAY = "sysmt2_4"


def simulate(model: str, inputs: Path | None, count: int, link: str) -> dict[str, Any]:
    """Build, run, and take the cycles from what the program prints.

    Raises
    ------
    UserError
        Something is missing, or the program on the SoC found an error.
    """
    absent = missing()
    if absent:
        raise UserError(absent)
    require("verilator")
    # What needs LiteX, which may be absent.
    from soc import RAM, SRAM, SoC

    accel = preset(f"accel_{ARRAY}", AccelConfig, link=link)
    engine = preset(f"engine_{ARRAY}", EngineConfig, link=link)
    network = read_model(Path(model)).network
    progress(f"compiling {network.input.name} for the engine")
    program = prepare(read_model(Path(model)), engine, Options(), threads=1)
    values = load(inputs, network, count).values if inputs else random_inputs(network, count)
    with tempfile.TemporaryDirectory(prefix="litex-") as name:
        folder = Path(name)
        (folder / "network.h").write_text(c_source(program))
        (folder / "cases.h").write_text(cases(network, program, values, accel))
        devices = {"accel": accel, "engine": engine}
        with inside(folder), contextlib.redirect_stderr(io.StringIO()):
            SoC(devices, folder, [0], [0]).write(folder)
            rom = compiled(folder, "boot", [HERE / "boot.c"], 0, SRAM)
            sources = [HERE / part if (HERE / part).exists() else folder / part for part in PROGRAM]
            ram = compiled(folder, "main", sources, RAM, 0)
            verilog = SoC(devices, folder, rom, ram).write(folder)
        progress(f"simulating {len(values)} inputs on the SoC")
        lines = simulated(folder, verilog)
    return _report(lines, model, link)


def simulated(folder: Path, verilog: list[Path], optimise: str = OPTIMISE) -> list[list[str]]:
    """The words of every line that the program on the SoC prints, which must reach its end.

    `optimise` is the compiler's option: -O0 where few cycles are simulated.

    Raises
    ------
    UserError
        It did not; the message has its last line.
    """
    done = subprocess.run(
        [str(simulator(verilog, optimise)), str(LIMIT)], cwd=folder, capture_output=True, text=True, check=False
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    if done.returncode or ["end", "0"] not in lines:
        raise UserError(f"the program on the SoC must reach its end, not stop at {' '.join(sum(lines[-3:], []))!r}")
    return lines


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """LiteX writes what memories hold into the current folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def random_inputs(network: Any, count: int) -> np.ndarray:
    kind = np.iinfo(network.input.dtype)
    shape = (count, *network.input.shape[1:])
    return np.random.default_rng(0).integers(kind.min, kind.max + 1, shape, network.input.dtype)


def _report(lines: list[list[str]], model: str, link: str) -> dict[str, Any]:
    """The figures."""
    numbers = {name: [int(word) for word in words] for name, *words in lines if all(map(str.isdigit, words))}
    driver, alone = numbers["matmul"]
    load_cycles, pack, run, rest, cpu = numbers["network"]
    whole = pack + run + rest
    return {
        "model": Path(model).stem,
        "link": link,
        "product_shape": "x".join(map(str, SHAPE)),
        "product": {"devices": driver, "processor": alone, "ratio": round(alone / driver, 1)},
        "network": {
            **{"load": load_cycles, "pack": pack, "engine": run, "rest": rest},
            **{"devices": whole, "processor": cpu, "ratio": round(cpu / whole, 1), "engine alone": round(cpu / run, 1)},
        },
        "interrupts": numbers["interrupts"][0],
        "simulated": numbers["cycles"][0],
    }


def main(argv: list[str] | None = None) -> int:
    """Simulate and print. Returns 2 when it cannot be, or was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="digits", help="a .tflite file, a chain of layers (default digits)")
    parser.add_argument("inputs", nargs="?", type=Path, metavar="INPUTS.npz", help="images, features (default random)")
    parser.add_argument("--limit", type=int, default=1, metavar="N", help="inputs (default 1)")
    parser.add_argument("--link", choices=MASTERS, default="wishbone", help="the devices' bus (default wishbone)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        report = simulate(args.model, args.inputs, args.limit, args.link)
    except UserError as error:
        print(f"simulate.py: {error}", file=sys.stderr)
        return 2
    rows = [{"cycles": what, **report[what]} for what in ("product", "network")]
    every = {key: None for row in rows for key in row}
    print(json.dumps(report, indent=2) if args.json else table([{k: row.get(k, "-") for k in every} for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
