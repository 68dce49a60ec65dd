# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.windows`: SPARQ's options: errors without and with signed windows; areas, also of 2:4 weights.

Layers: MobileNet-V2 (int8) on photographs, those that run on all threads and whose activations have a zero point; error
as `sysmt infer` reports it, in the natural order of K, nothing calibrated. Areas: 8x8 on sky130hd without counters,
relative to one thread in clusters of the same size; throughput is operands of K per step.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.presets import preset
from sysmt.report.markdown import table
from sysmt.sim.flow.synthesis import CLOCK_MHZ, synthesise
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import threaded, threaded_plan
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.layer_stats import relative_errors

from . import record
from .area import cell_library
from .command import run

MODEL, PICTURES, SIDE = "mobilenet_v2_224_int8.tflite", ("bird", "cat", "dragonfly", "sunflower"), 224
PLAIN, SIGNED = "plain", "signed"
KINDS = {PLAIN: SparqConfig(), SIGNED: SparqConfig(signed_window=True)}
PLANS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("os8", {}),
    ("sparq_8", {}),
    ("sparq_8", {"signed_window": True}),
    ("sparq_8", {"stc": True}),
    ("sparq2_8", {"stc": True}),
    ("os8", {"cluster": 2}),
    ("sparq_8", {"stc": True, "cluster": 2}),
    ("sparq2_8", {"stc": True, "cluster": 2}),
)
"""Preset and fields of every array; the first of a size of cluster is the one-thread array."""


def pictures(folder: Path) -> np.ndarray:
    """The photographs, cut to their centre and brought to size by nearest neighbours: uint8 [B, 224, 224, 3]."""
    from matplotlib.image import imread

    found = []
    for name in PICTURES:
        path = folder / f"{name}.bmp"
        if not path.exists():
            raise UserError(f"photograph {path.name} is not in {folder}: set SYSMT_DATA to the folder that holds it")
        image = imread(path)[..., :3]
        side = min(image.shape[:2])
        rows, cols = ((n - side) // 2 + np.arange(SIDE) * side // SIDE for n in image.shape[:2])
        found.append(image[rows][:, cols])
    return np.stack(found).astype(np.uint8)


def layers() -> list[dict[str, Any]]:
    """A row per layer that has a zero point and runs on all threads, then the worst of each column."""
    folder = data_folder() / "data"
    if not (folder / "models" / MODEL).exists():
        raise UserError(f"model {MODEL} is not in {folder / 'models'}: set SYSMT_DATA to the folder that holds it")
    network = read_model(folder / "models" / MODEL).network
    inputs, errors = pictures(folder / "images"), {}
    for name, pe in KINDS.items():
        progress(f"MobileNet-V2, {name} windows")
        engine = Golden(pe, counting=False)
        errors[name] = relative_errors(network, engine, threaded_plan(network, pe.threads), inputs)
    rows = [
        {"layer": str(i), "zero point": linear.zero, "shape": linear.layer.shape_text()}
        | {name: errors[name][i] for name in KINDS}
        for i, (linear, may) in enumerate(zip(network.linears, threaded(network), strict=True))
        if may and linear.zero
    ]
    return [*rows, {"layer": "worst"} | {name: max(row[name] for row in rows) for name in KINDS}]


def areas() -> list[dict[str, Any]]:
    """A row per array."""
    library = cell_library()
    rows: list[dict[str, Any]] = []
    for name, fields in PLANS:
        text = " ".join(f"{field}={str(value).lower()}" for field, value in fields.items()) or "-"
        progress(f"{name} {text}")
        config = preset(name, ArrayConfig, counters=False, **fields)
        found = synthesise(array_design(config, name), library, CLOCK_MHZ, progress=progress)
        key = {"array": name, "with": text, "products": config.pe.products}
        rows.append(key | {"um2": found.area, "MHz": found.fmax_mhz})
    return compared(rows)


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, with their ratios to the first of the same cluster."""
    found, base = [], rows[0]
    for row in rows:
        base = row if row["products"] == 1 else base
        ratio = row["um2"] / base["um2"]
        found.append(row | {"area": ratio, "throughput per area": row["products"] / ratio})
    return found


def measure() -> dict[str, list[dict[str, Any]]]:
    """Both tables."""
    return {"layers": layers(), "areas": areas()}


def markdown() -> str:
    """The tables of docs/figures.md, from the record."""
    rows: list[dict[str, Any]] = []
    for figure in record.load().get("windows", []):
        row = next((r for r in rows if figure.key.items() <= r.items()), None)
        if row is None:
            rows.append(row := dict(figure.key))
        row[figure.column] = figure.value
    errors = [[row["layer"], *(f"{row[name]:.3f}" for name in KINDS)] for row in rows if "layer" in row]
    formats = {"um2": ",.0f", "MHz": ".1f", "area": ".3f", "throughput per area": ".2f"}
    head = ["array", "with", "products", *formats]
    found = compared([row for row in rows if "array" in row])
    sizes = [[format(row[name], formats.get(name, "")) for name in head] for row in found]
    return f"{table(['layer', *KINDS], errors)}\n\n{table(head, sizes)}"


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.windows", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
