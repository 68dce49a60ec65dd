# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.engine`: whole networks on the engine, by the cycle model, which tests hold equal to the gates.

The public models are looked for below SYSMT_DATA; MobileNetV1-0.25-96 is of that shape and has random weights, none of
them zero. `utilisation` is MACs per cycle against what the array has multipliers for. MobileNetV2-224 fits on no
engine: on the ULX3S its weights, parameters and input are in the board's SDRAM, and its wide layers run in bands of
rows; `of array cycles` compares that with an engine that has room for everything.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.boards.definitions import board
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.program import Program
from sysmt.sim.engine.streaming import compile_streamed
from sysmt.sim.nn.forward import threaded_plan
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.network import Network, build

from . import record
from .command import run
from .mobilenet import mobilenet_v1

MODELS = ("resnet8_cifar10", "dscnn_kws", "autoencoder_ad")
ENGINES = ("engine_sysmt2_8", "engine_sysmt4_8", "engine_sysmt2_4")
MOBILENET = "mobilenet_v1 0.25 96"
LARGE, BOARD = "mobilenet_v2_224", "ulx3s"
ROOM = {"stream": None, "activation_words": 1 << 17, "weight_words": 1 << 20, "parameter_words": 1 << 16, "layers": 256}
"""Of an engine that everything fits on."""


def measure(root: Path, engines: tuple[str, ...] = ENGINES, models: tuple[str, ...] = MODELS) -> list[dict[str, Any]]:
    """Compile every network for every engine; one that does not fit is left out.

    Parameters
    ----------
    root : Path
        Below it, models/MODEL_int8.tflite.
    engines, models : tuple of str
        Presets, and names of models.

    Returns
    -------
    list of dict
        `network`, `engine`, `cycles` of one input, `MAC/cycle`, `utilisation` in percent, `patches`: depthwise layers
        that compute several pixels at a time, of how many.
    """
    networks: dict[str, Network] = {}
    for name in models:
        networks[name] = _network(root, name)
    networks[MOBILENET] = build(mobilenet_v1(0.25, 96))
    rows = []
    for engine in engines:
        config = preset(engine, EngineConfig)
        for name, network in networks.items():
            try:
                program = compile_network(network, threaded_plan(network, config.array.pe.threads), config)
            except UserError as error:
                print(f"{name} on {engine}: {error}", file=sys.stderr)
                continue
            rows.append({"network": name, "engine": engine, **_figures(program)})
    return rows


def measure_large(root: Path) -> dict[str, Any]:
    """The row of the network that fits on no engine, as `measure` has them, with `of array cycles`."""
    network, config = _network(root, LARGE), board(BOARD).networks(stream=True)
    plan = threaded_plan(network, config.array.pe.threads)
    roomy = compile_network(network, plan, replace(config, **ROOM))
    found = _figures(compile_streamed(network, plan, config))
    key = {"network": LARGE, "engine": f"{BOARD}, SDRAM"}
    return key | found | {"of array cycles": found["cycles"] / sum(program_cycles(roomy))}


def _network(root: Path, name: str) -> Network:
    path = root / "models" / f"{name}_int8.tflite"
    if not path.exists():
        raise UserError(f"SYSMT_DATA must name a folder with data/models/{path.name}, not {str(root.parent)!r}")
    return read_model(path).optimised().network


def _figures(program: Program) -> dict[str, Any]:
    array = program.config.array
    cycles, macs = sum(program_cycles(program)), sum(layer.macs for layer in program.layers)
    depthwise = [layer["patch_h"] + layer["patch_w"] > 0 for layer in program.descriptors if layer["grouped"]]
    return {
        "cycles": cycles,
        "MAC/cycle": macs / cycles,
        "utilisation": 100 * macs / (cycles * array.rows * array.cols * array.pe.products),
        "patches": f"{sum(depthwise)}/{len(depthwise)}",
    }


def markdown() -> str:
    """What was recorded, as a table."""
    names = "network", "engine", "cycles", "MAC/cycle", "utilisation %", "of array cycles"
    lines = [f"| {' | '.join(names)} |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for figure in record.load().get("engine", []):
        rows.setdefault(tuple(map(str, figure.key.values())), {})[figure.column] = figure.value
    for key, values in rows.items():
        cells = (f"{values['cycles']:,.0f}", f"{values['MAC/cycle']:.1f}", f"{values['utilisation']:.1f}")
        cells += (f"{values['of array cycles']:.2f}" if "of array cycles" in values else "-",)
        lines.append(f"| {' | '.join((*key, *cells))} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""

    def rows() -> list[dict[str, Any]]:
        root = data_folder() / "data"
        return [*measure(root), measure_large(root)]

    return run("bench.engine", __doc__.partition("\n")[0], rows, argv)


if __name__ == "__main__":
    sys.exit(main())
