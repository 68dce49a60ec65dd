# SPDX-License-Identifier: Apache-2.0
"""A LiteX SoC in simulation: an engine by sysmt is the unit for custom instructions (CFU) of a VexRiscv.

The processor loads a network and runs inputs on it, word by word, with the five functions of docs/guides/bus.md;
outputs are compared with the golden engine's.

    pip install 'sysmt[infer,cosim,litex]'
    sudo apt-get install gcc-riscv64-unknown-elf
    python examples/litex/cfu.py --json
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from simulate import inside, random_inputs, simulated
from toolchain import HERE, compiled, missing

from sysmt.base.errors import UserError
from sysmt.boards.program_lists import ProgramLists
from sysmt.cli.output import progress, table
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.command_list import number_of, with_data
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import MAGIC
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim.verilator import require
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.options import Options

ENGINE = "engine_sysmt2_4"


def simulate(model: str, count: int) -> dict[str, Any]:
    """Build, run, compare, and count.

    Raises
    ------
    UserError
        Something is missing, or an output is not the golden engine's.
    """
    absent = missing()
    if absent:
        raise UserError(absent)
    require("verilator")
    # What needs LiteX, which may be absent.
    from soc import RAM, SRAM, SoC

    config = preset(ENGINE, EngineConfig, link="cfu")
    network = read_model(Path(model)).network
    program = prepare(read_model(Path(model)), config, Options(), threads=1)
    lists, inputs = ProgramLists(program, 0), random_inputs(network, count)
    with tempfile.TemporaryDirectory(prefix="litex-") as name:
        folder = Path(name)
        (folder / "lists.h").write_text(header(config, lists, lists.pack(inputs)))
        design_of(config, "Cfu").write(folder)
        with inside(folder), contextlib.redirect_stderr(io.StringIO()):
            SoC({}, folder, [0], [0], folder / "Cfu.v").write(folder)
            rom = compiled(folder, "boot", [HERE / "boot.c"], 0, SRAM)
            ram = compiled(folder, "main", [HERE / "cfu.c", HERE / "console.c"], RAM, 0)
            verilog = SoC({}, folder, rom, ram, folder / "Cfu.v").write(folder)
        progress(f"simulating {count} inputs on the SoC")
        lines = simulated(folder, verilog, "-O0")
    words = [list(map(int, line[1:])) for line in lines if line[0] == "output"]
    left = np.array(words, "<u4").view(np.uint8).reshape(count, -1)
    if not np.array_equal(lists.unpack(left), GoldenEngine(program).run(inputs)):
        raise UserError("outputs must be those of the golden engine; the simulated SoC gave others")
    cycles = {name: [int(line[1]) for line in lines if line[0] == name] for name in ("load", "run")}
    return {"model": Path(model).stem, "inputs": count, "load": cycles["load"][0], "run": max(cycles["run"])}


def header(config: EngineConfig, lists: ProgramLists, images: np.ndarray) -> str:
    """The lists with their data, as C: every WRITE has its data behind it."""
    run = lists.run([0], images.shape[1], [0])
    load_words = _words(config, lists.load, lists.data)
    runs = [_words(config, run, image) for image in images]
    numbers = {
        **{name.upper(): number_of(name) for name in ("list_commands", "list", "interrupt", "interrupt_enable")},
        **{"MAGIC_NUMBER": MAGIC, "INPUTS": len(images), "OUTPUT_WORDS": lists.output_bytes // 4},
        **{"LOAD_COMMANDS": len(lists.load), "LOAD_WORDS": len(load_words)},
        **{"RUN_COMMANDS": len(run), "RUN_WORDS": len(runs[0])},
    }
    arrays = {"load_words[LOAD_WORDS]": _text(load_words), "run_words[INPUTS][RUN_WORDS]": _text(runs)}
    lines = [
        f"#define {name} {value:#x}u" if value > 2**31 else f"#define {name} {value}" for name, value in numbers.items()
    ]
    lines += [f"static const uint32_t {name} = {text};" for name, text in arrays.items()]
    return "\n".join(["#include <stdint.h>", *lines, ""])


def _words(config: EngineConfig, commands: list[bytes], memory: np.ndarray) -> list[int]:
    return np.frombuffer(with_data(config, commands, memory.tobytes()), "<u4").tolist()


def _text(values: Any) -> str:
    return f"{{{', '.join(map(_text, values))}}}" if isinstance(values, list) else f"{values}u"


def main(argv: list[str] | None = None) -> int:
    """Simulate and print. Returns 2 when it cannot be, or was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="digits", help="a .tflite file (default digits)")
    parser.add_argument("--limit", type=int, default=2, metavar="N", help="random inputs (default 2)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        report = simulate(args.model, args.limit)
    except UserError as error:
        print(f"cfu.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=2) if args.json else table([report]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
