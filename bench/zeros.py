# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.zeros`: what predictors of zeros save of work and of cycles, against top-1: minutes.

Every method over its trade-off on the public models and the digits, their figures with one point of top-1 to lose, and
the layers of the pruned SqueezeNet on photographs, where nobody knows the answers: there the loss is the share of the
outputs' sum. Calibration inputs are never tested. Beside it stands what was published: 23.5 % and 32.3 % of the
multiply-accumulates of VGG-16 (ECCV 2020), 30.4 % on average over three networks (IEEE CAL 2019).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.digits import data as digits
from sysmt.sim.nn.inputs import Inputs, load
from sysmt.sim.nn.model import Model, read_model
from sysmt.sim.nullcache.traces.squeezenet import squeezenet
from sysmt.sim.quant.zeros.choice import frontier
from sysmt.sim.quant.zeros.saving import Saving, saving
from sysmt.sim.quant.zeros.sites import Site
from sysmt.sim.quant.zeros.study import METHODS, Settings, computed_first, options_of, study

from . import record
from .command import run

ARRAY = ArrayConfig(rows=8, cols=8)
POINTS = 8
WITHIN = 0.01
"""Points of top-1 that may be lost, as a fraction of 1."""
CALIBRATION = 64
RESNET = ("models/resnet8_cifar10_int8.tflite", "cifar10/test_first500.npz", "cifar10/train_first1000.npz")
KEYWORDS = ("models/dscnn_kws_int8.tflite", "kws/even500.npz")
SQUEEZENET, PHOTOGRAPHS = "squeezenet_deep_compression/compressed_SqueezeNet.net", "images"
PHOTOGRAPH_COUNT = 4


def subjects(root: Path) -> Iterator[tuple[str, Model, Inputs, Inputs]]:
    """Name, model, tested inputs, calibration inputs."""
    model = read_model("digits")
    train, test = (Inputs(part.pixels, part.labels) for part in digits.load())
    yield "digits", model, test, train[:CALIBRATION]
    model = read_model(_there(root, KEYWORDS[0])).optimised()
    keywords = load(_there(root, KEYWORDS[1]), model.network)
    yield "DS-CNN", model, keywords[CALIBRATION:], keywords[:CALIBRATION]
    model = read_model(_there(root, RESNET[0])).optimised()
    tested, calibration = (load(_there(root, name), model.network) for name in RESNET[1:])
    yield "ResNet-8", model, tested, calibration[:CALIBRATION]


def _there(root: Path, name: str) -> Path:
    if not (root / name).exists():
        raise UserError(f"SYSMT_DATA must name a folder with data/{name}, not {str(root.parent)!r}")
    return root / name


def measure(root: Path, points: int = POINTS) -> dict[str, list[dict[str, Any]]]:
    """Three tables: a row per network and method, within a point of top-1; per point of their curves; SqueezeNet's."""
    tables: dict[str, list[dict[str, Any]]] = {"within a point": [], "curves": []}
    for name, model, tested, calibration in subjects(root):
        for method in METHODS:
            progress(f"{name}, {method}")
            report = study(model, tested, calibration, ARRAY, Settings(method=method, points=points))
            tables["curves"] += [
                {
                    "network": name,
                    "method": method,
                    "point": place,
                    "macs saved": point["saved"],
                    "cycles saved": point["cycles_saved"],
                    "loss": point["loss"],
                    "top1": point["top1"],
                }
                for place, point in enumerate(report["points"], start=1)
            ]
            kept = [point for point in report["points"] if report["top1_exact"] - point["top1"] <= WITHIN + 1e-9]
            tables["within a point"].append(
                {
                    "network": name,
                    "method": method,
                    "zeros": report["zeros"],
                    "macs saved": max((point["saved"] for point in kept), default=0.0),
                    "cycles saved": max((point["cycles_saved"] for point in kept), default=0.0),
                    "top1 exact": report["top1_exact"],
                }
            )
    return tables | {"photographs": _photographs(root, points)}


def _photographs(root: Path, points: int) -> list[dict[str, Any]]:
    """The pruned SqueezeNet: every layer on some photographs to calibrate, and on others to count."""
    pictures = sorted(path for path in _there(root, PHOTOGRAPHS).iterdir() if path.suffix in (".bmp", ".jpg", ".png"))
    weights = _there(root, SQUEEZENET)
    layers = zip(*(squeezenet(weights, picture) for picture in pictures[:PHOTOGRAPH_COUNT]), strict=True)
    measured: dict[str, list[tuple[Site, np.ndarray]]] = {}
    for place, same in enumerate(layers):
        operands = same[0]
        values = np.stack([layer.output().transpose(1, 2, 0) for layer in same])
        k = operands.w[0].size
        # The network computes in real numbers: 8 bits of them say where the zeros are, and how much others count.
        codes = np.ceil(values * (255 / max(float(values.max()), 1e-9))).astype(np.int16)
        shape = (codes.shape[1], codes.shape[2], codes.shape[3])
        measured.setdefault("layers", []).append((Site(place, operands.layer.name, place, shape, 0, k), codes))
    rows = []
    half = PHOTOGRAPH_COUNT // 2
    macs = sum(site.macs * int(np.prod(site.shape)) for site, _ in measured["layers"])
    for method in METHODS:
        settings = Settings(method=method, points=points)
        progress(f"SqueezeNet, {method}")
        options = [options_of(settings, site, codes[:half]) for site, codes in measured["layers"]]
        for point, choice in enumerate(frontier(options, points), start=1):
            saved, lost, total = 0, Saving(), []
            for (site, codes), option in zip(measured["layers"], choice, strict=True):
                tested = codes[half:]
                left_out = option.mask(tested) if option.mask is not None else np.zeros(tested.shape, bool)
                computed = computed_first(settings, option, site.shape[:2])
                if option.mask is None:
                    computed = np.ones(site.shape[:2], bool)
                one = saving(site.macs, False, tested, left_out, computed, ARRAY)
                saved, lost = saved + one.left_out * site.macs, lost + one
                total.append(tested.sum(where=left_out, dtype=np.int64) / max(1, tested.sum(dtype=np.int64)))
            rows.append(
                {
                    "network": "SqueezeNet, pruned",
                    "method": method,
                    "point": point,
                    "macs saved": saved / (macs * (PHOTOGRAPH_COUNT - half)),
                    "cycles saved": 1 - lost.cycles / lost.cycles_exact,
                    "loss": float(sum(total)),
                }
            )
    return rows


def markdown() -> str:
    """The recorded run: within a point of top-1, and the curves."""
    recorded: dict[tuple[str, ...], dict[str, float]] = {}
    for figure in record.load().get("zeros", []):
        key = tuple(map(str, figure.key.values()))
        recorded.setdefault(key, {})[figure.column] = figure.value
    lines: list[str] = []
    for titles, columns in (
        (("network", "method"), ("zeros", "macs saved", "cycles saved", "top1 exact")),
        (("network", "method", "point"), ("loss", "macs saved", "cycles saved", "top1")),
    ):
        lines += ["", f"| {' | '.join((*titles, *columns))} |", f"|{' --- |' * len(titles)}{' ---: |' * len(columns)}"]
        for key, values in recorded.items():
            if len(key) == len(titles):
                cells = [_cell(column, values.get(column)) for column in columns]
                lines.append(f"| {' | '.join((*key, *cells))} |")
    return "\n".join(lines[1:])


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if column == "loss" else f"{100 * value:.1f} %"


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    return run("bench.zeros", __doc__.partition("\n")[0], lambda: measure(data_folder() / "data"), argv)


if __name__ == "__main__":
    sys.exit(main())
