# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.adaptation`: an int8 model as it is given, all covered layers threaded: what adaptation leaves lost.

ResNet-8 of MLPerf Tiny, no training: reordered, recalibrated and its weights adapted on training images; with a budget,
operands whose sharing costs most have steps of their own, as many as training images ask for, or as a speedup leaves
time for. The drop on the test images has its interval; `both views` is that on the test images and their mirror images,
with its standard error: views of one image count as one that is known better.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn import inputs
from sysmt.sim.nn.batches import BATCH_INPUTS, run_all
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan, threaded
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.infer import infer
from sysmt.sim.quant.layer_stats import planned_cycles
from sysmt.sim.quant.options import Options

from . import record
from .command import run

MODEL = "models/resnet8_cifar10_int8.tflite"
TESTED, CALIBRATED = "cifar10/test_first500.npz", "cifar10/train_first1000.npz"
SIDE = 16
TWO = NbSmtConfig(threads=2, policy="S+aW")
FOUR = NbSmtConfig(threads=4, policy="S+aW")
DENSEST = Options(reorder=True, recalibrate=True, batch=BATCH_INPUTS)
RUNS: dict[str, tuple[PEConfig, Options]] = {
    "2T, S+aW": (TWO, DENSEST),
    "2T, S+aW, 1.9x": (TWO, replace(DENSEST, speedup=1.9)),
    "2T, S+aW, budget 0.5": (TWO, replace(DENSEST, budget=0.005)),
    "4T, S+aW": (FOUR, DENSEST),
    "4T, S+aW, 3.5x": (FOUR, replace(DENSEST, speedup=3.5)),
    "SPARQ, 2 pairs": (SparqConfig(pairs=2), DENSEST),
    "SPARQ 2opt": (SparqConfig(window="2opt"), DENSEST),
}
"""The PEs, and how the network is prepared: `DENSEST` fills every step of all covered layers."""


def measure(root: Path, limit: int | None = None, only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Adapt and test.

    Parameters
    ----------
    root : Path
        Holds the model and its inputs.
    limit : int, optional
        Only the first so many test images.
    only : sequence of str
        Some of `RUNS`; by default all.

    Returns
    -------
    list of dict
        Per run: `top1_exact`, `top1`, `drop` with `low` and `high`, `both views` and its standard `error` (all
        fractions of 1), `output_error`, `speedup` of the covered layers with a batch of inputs together, `speedup of
        one` input.
    """
    for part in (MODEL, TESTED, CALIBRATED):
        if not (root / part).exists():
            raise UserError(f"SYSMT_DATA must name a folder with data/{part}, not {str(root.parent)!r}")
    model = read_model(root / MODEL).optimised()
    calibration = inputs.load(root / CALIBRATED, model.network)
    tested = inputs.load(root / TESTED, model.network, limit)
    rows: list[dict[str, Any]] = []
    covered = [index for index, may in enumerate(threaded(model.network)) if may]
    for name in only or RUNS:
        progress(name)
        pe, options = RUNS[name]
        config = ArrayConfig(rows=SIDE, cols=SIDE, pe=pe)
        found = infer(model, tested, config, options, calibration=calibration, attribution=False, log=progress)
        mirrored = tested.values[:, :, ::-1]
        plans = exact_plan(model.network), found.plan
        engine = Golden(pe, counting=False)
        views = [(found.exact, found.outputs)]
        views.append(
            tuple(run_all(Runner(network=model.network, engine=engine, plan=plan), mirrored)[0] for plan in plans)
        )
        lost = np.mean([_right(a, tested).astype(int) - _right(b, tested) for a, b in views], axis=0)
        report = found.report
        cycles, exact = (
            sum(planned_cycles(model.network.linears[index], config, plan[index]) for index in covered)
            for plan in (found.plan, exact_plan(model.network))
        )
        rows.append(
            {
                "network": "resnet8",
                "PE": name,
                "inputs": len(tested),
                "top1_exact": report["top1_exact"],
                "top1": report["top1"],
                **{column: report["accuracy_drop"][column] for column in ("drop", "low", "high")},
                "both views": float(lost.mean()),
                "error": float(lost.std() / len(lost) ** 0.5),
                "output_error": report["output_error"],
                "speedup": report["speedup_threaded"],
                "speedup of one": exact / cycles,
            }
        )
    return rows


def _right(outputs: np.ndarray, tested: Inputs) -> np.ndarray:
    answers: np.ndarray = outputs.reshape(len(outputs), -1).argmax(axis=1)
    return answers == tested.labels


def markdown() -> str:
    """The recorded run as a table."""
    rows: dict[str, dict[str, float]] = {}
    for figure in record.load().get("adaptation", []):
        rows.setdefault(str(figure.key["PE"]), {})[figure.column] = figure.value
    columns = ("top1_exact", "top1", "drop", "both views")
    lines = ["| PE | int8 | adapted | drop | both views | speedup | of one |", "|" + " --- |" + " ---: |" * 6]
    for name, row in rows.items():
        cells = [f"{100 * row[column]:.1f}" for column in columns]
        cells += [f"{row[column]:.2f}x" if column in row else "-" for column in ("speedup", "speedup of one")]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    only: dict[str, Any] = {"nargs": "+", "choices": RUNS, "default": [], "metavar": "PE", "help": ", ".join(RUNS)}

    def found(only: list[str]) -> list[dict[str, Any]]:
        return measure(data_folder() / "data", only=only)

    return run("bench.adaptation", __doc__.partition("\n")[0], found, argv, only=only)


if __name__ == "__main__":
    sys.exit(main())
