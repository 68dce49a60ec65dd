# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.budget`: ResNet-8 on the four-thread engine, planned for accuracy or for speed: cycles and top-1.

The public model, and those that `python -m bench.training` has left in the build folder, each planned by `sysmt compile
--reorder --recalibrate` with `--budget 1`, within a point, and with `--speedup 3.5`, on the first 1,000 training images
of CIFAR-10, and tested on 500 others.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import build_root, data_folder
from sysmt.cli.output import progress
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.engine.execute import execute
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.options import Options

from .command import run

ENGINE, POLICY = "engine_sysmt4_8", "S+aW"
ADD_LANES = 2
BUDGET, SPEEDUP = 0.01, 3.5
PLANS = {
    f"budget {100 * BUDGET:g}": Options(budget=BUDGET, reorder=True, recalibrate=True),
    f"{SPEEDUP}x": Options(speedup=SPEEDUP, reorder=True, recalibrate=True),
}
MODEL, TEST, CALIBRATION = (
    "models/resnet8_cifar10_int8.tflite",
    "cifar10/test_first500.npz",
    "cifar10/train_first1000.npz",
)


def networks(root: Path) -> Iterator[tuple[str, Path]]:
    """Names and files of ResNet-8, public and trained."""
    yield "public", root / MODEL
    for name in ("first_phase_plain", "first_phase_KURE", "KURE"):
        path = build_root() / "training" / name / "model.tflite"
        if path.exists():
            yield f"trained, {name.replace('_', ' ')}", path


def measure(root: Path, plans: Iterable[str] = PLANS) -> list[dict[str, Any]]:
    """Plan, compile and run every network.

    Parameters
    ----------
    root : Path
        Below it, models and inputs.
    plans : iterable of str
        Some of `PLANS`.

    Returns
    -------
    list of dict
        `network`, `engine` with the plan, `cycles` of one input; on the tested inputs `top1`, `top1_exact` and the
        `drop` in points.
    """
    for part in (MODEL, TEST, CALIBRATION):
        if not (root / part).exists():
            raise UserError(f"SYSMT_DATA must name a folder with data/{part}, not {str(root.parent)!r}")
    config = preset(ENGINE, EngineConfig, add_lanes=ADD_LANES).with_fields(**{"array.policy": POLICY})
    rows = []
    for (name, path), plan in product(networks(root), plans):
        progress(f"{name}: planning, {plan}")
        model = read_model(path)
        calibration, test = (load(root / part, model.network) for part in (CALIBRATION, TEST))
        planned = prepare(model, config, PLANS[plan], calibration=calibration, log=progress)
        report = execute(planned, test)[1]
        rows.append(
            {
                "network": name,
                "engine": f"{ENGINE}, {POLICY}, {plan}",
                "cycles": report["cycles"],
                "top1": report["top1"],
                "top1_exact": report["top1_exact"],
                "drop": 100 * (report["top1_exact"] - report["top1"]),
            }
        )
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    plans: dict[str, Any] = {"nargs": "+", "choices": PLANS, "default": list(PLANS), "metavar": "PLAN"}

    def found(plans: list[str]) -> list[dict[str, Any]]:
        return measure(data_folder() / "data", plans)

    return run("bench.budget", __doc__.partition("\n")[0], found, argv, plans=plans)


if __name__ == "__main__":
    sys.exit(main())
