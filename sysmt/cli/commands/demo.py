# SPDX-License-Identifier: Apache-2.0
"""`sysmt demo`: handwritten digits on the conventional and the multithreaded arrays, RTL beside the model."""

import argparse
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import build_root
from sysmt.cli.output import Handler, Result, progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset

ARRAYS = ("os8", "sysmt2_8", "sysmt4_8")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for Verilog and picture (default: build)")
    parser.add_argument(
        "--images", type=int, default=8, metavar="N", help="images on the simulated Verilog (default 8)"
    )
    parser.add_argument("--simulator", default="verilator", metavar="verilator|icarus", help="which simulator")
    parser.add_argument("--waves", action="store_true", help="leave a waveform of each array's first layer")


def _run(args: argparse.Namespace) -> Result:
    from sysmt.hdl.designs import array_design
    from sysmt.sim.cosim.digits import compare
    from sysmt.sim.cosim.simulator import require
    from sysmt.sim.nn.digits import data, network
    from sysmt.sim.quant import digits, digits_figure

    require(args.simulator)
    images = data.load()[1]
    if not 1 <= args.images <= len(images.labels):
        raise UserError(f"--images must be from 1 to {len(images.labels)}, not {args.images}")
    folder = Path(args.output) if args.output else build_root()
    trained, few = network.load(), images[: args.images]

    progress(f"golden model: every policy on all {len(images.labels)} test images")
    results = list(digits.sweep(images))
    accuracy = {(r.threads, r.policy or "S+A"): r.accuracy for r in results}

    rows: list[dict[str, Any]] = []
    checks = []
    for name in ARRAYS:
        config = preset(name, ArrayConfig)
        design = array_design(config, name)
        design.write(folder)
        progress(f"{name}: {folder / name}.v generated; simulating {args.images} images (compiled the first time)")
        suffix = "fst" if args.simulator == "icarus" else "vcd"
        waves = folder / f"{name}.{suffix}" if args.waves else None
        rtl = compare(trained, few.pixels, config, design, args.simulator, waves)
        counters = [trace.product.counters for trace in rtl.traces]
        checks.append(rtl.agrees)
        first = rows[0] if rows else None
        rows.append(
            {
                "array": name,
                "threads": config.pe.threads,
                "accuracy": accuracy[config.pe.threads, config.as_dict()["policy"]],
                "images on RTL": args.images,
                "recognised": int((rtl.classes == few.labels).sum()),
                "layers equal": f"{rtl.layers_equal}/{len(rtl.traces)}",
                "cycles": rtl.cycles,
                "speed-up": first["cycles"] / rtl.cycles if first else 1.0,
                "speed-up, threaded layers": first["_threaded"] / rtl.threaded_cycles if first else 1.0,
                "collisions": sum(c.collisions for c in counters),
                "reduced": sum(c.reduced for c in counters),
                "_threaded": rtl.threaded_cycles,
            }
        )
    drawn = folder / "digits.png"
    digits_figure.draw(results, len(images.labels), drawn)
    for row in rows:
        del row["_threaded"]
    verdict = "RTL and golden model agree bit for bit, and cycle for cycle with the closed formula"
    if not all(checks):
        verdict = "RTL and golden model DIFFER"
    text = f"{table(rows)}\n\naccuracy: golden model on {len(images.labels)} unseen images; {verdict}\n"
    text += f"Verilog: {', '.join(str(folder / f'{n}.v') for n in ARRAYS)}\npicture: {drawn}"
    data_ = {"arrays": rows, "policies": [r.as_dict() for r in results], "agree": all(checks), "picture": str(drawn)}
    return Result(text, data_, 0 if all(checks) else 1)


DEMO = Handler(_arguments, _run)
