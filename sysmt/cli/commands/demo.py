# SPDX-License-Identifier: Apache-2.0
"""`sysmt demo`: handwritten digits on the conventional and the multithreaded arrays, RTL beside the model.

Then the whole network as a program of the engine, every layer of it on the simulated gates.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import build_root
from sysmt.cli.output import Handler, Result, progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset

if TYPE_CHECKING:
    from sysmt.sim.nn.digits.data import Images

ARRAYS = ("os8", "sysmt2_8", "sysmt4_8")
ENGINE = "engine_sysmt2_4"
"""Runs the whole network: small, so that it is compiled soon."""


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

    rows: list[dict[str, Any]] = []
    checks = []
    with _compiling_engine() if args.simulator == "verilator" else nullcontext():
        progress(f"golden model: every policy on all {len(images.labels)} test images")
        results = list(digits.sweep(images))
        accuracy = {(r.threads, r.policy or "S+A"): r.accuracy for r in results}

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
    engine = _engine(few, images, args.simulator)
    checks.append(engine["agree"])
    verdict = "RTL and golden model agree bit for bit, and cycle for cycle with the closed formula"
    if not all(checks):
        verdict = "RTL and golden model DIFFER"
    text = f"{table(rows)}\n\naccuracy: golden model on {len(images.labels)} unseen images; {verdict}\n"
    text += f"\n{table(engine['layers'])}\n\n" if engine["layers"] else ""
    text += f"{engine['text']}\n\n"
    text += f"Verilog: {', '.join(str(folder / f'{n}.v') for n in ARRAYS)}\npicture: {drawn}"
    data_ = {"arrays": rows, "policies": [r.as_dict() for r in results], "agree": all(checks), "picture": str(drawn)}
    data_["engine"] = {name: value for name, value in engine.items() if name != "text"}
    return Result(text, data_, 0 if all(checks) else 1)


@contextmanager
def _compiling_engine() -> Iterator[None]:
    """The engine's simulation is compiled beside what is done inside: a compiler keeps one core busy."""
    from sysmt.sim.cosim.network import compile_engine, emitted_engine

    config = preset(ENGINE, EngineConfig)
    design = emitted_engine(config)
    progress(f"{ENGINE}: generated; it is compiled while the arrays are at work")
    with ThreadPoolExecutor(1) as beside:
        compiled = beside.submit(compile_engine, config, design)
        yield
        compiled.result()


def _engine(few: "Images", images: "Images", simulator: str) -> dict[str, Any]:
    """The network as a program on the simulated engine: every layer for the first image, then a few images.

    All images go through the golden engine.
    """
    from sysmt.sim.engine.execute import run_golden
    from sysmt.sim.engine.golden import GoldenEngine
    from sysmt.sim.engine.prepare import prepare
    from sysmt.sim.nn.model import read_model

    program = prepare(read_model("digits"), preset(ENGINE, EngineConfig))
    if simulator != "verilator":
        return {"preset": ENGINE, "layers": [], "agree": True, "text": f"{ENGINE}: simulated by Verilator only"}
    from sysmt.sim.cosim.layers import check_layers
    from sysmt.sim.cosim.network import SimulatedEngine

    progress(f"{ENGINE}: the whole network, every layer beside the golden engine")
    with SimulatedEngine(program.config) as gates:
        found = check_layers(gates, program, few.pixels[:1])
        run = gates.run(few.pixels)
    scores = run_golden(GoldenEngine(program), images.pixels)
    equal = np.array_equal(run.outputs, scores[: len(few)])
    accuracy = float(np.mean(_classes(scores) == images.labels))
    recognised = int((_classes(run.outputs) == few.labels).sum())
    agree = equal and all(layer.agrees for layer in found)
    verdict = "every layer and every score is the golden engine's" if agree else "gates and golden engine DIFFER"
    return {
        "preset": ENGINE,
        "layers": [
            {
                "layer": layer.name,
                "operator": layer.kind,
                "cycles": layer.cycles,
                "model": layer.modelled,
                "equal": "yes" if layer.equal else "NO",
            }
            for layer in found
        ],
        "cycles": run.cycles[0],
        "accuracy": accuracy,
        "recognised": recognised,
        "agree": agree,
        "text": f"{ENGINE}: the whole network runs in the engine in {run.cycles[0]} cycles per image, {recognised} of "
        f"{len(few)} recognised on the gates, accuracy {accuracy:.3g} on all {len(images)}; {verdict}",
    }


def _classes(scores: np.ndarray) -> np.ndarray:
    """The digits that scores [B, ...] stand for."""
    found: np.ndarray = scores.reshape(len(scores), -1).argmax(axis=1)
    return found


DEMO = Handler(_arguments, _run)
