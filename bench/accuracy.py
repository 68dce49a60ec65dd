# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.accuracy`: every policy on the digits network and, where they are, on the public int8 models.

A fresh clone has the digits network only; the models are looked for below SYSMT_DATA (by default the folder `shared`
beside the checkout). For each model there is a sweep over all policies on the first `--limit` test inputs, and plans
within a budget of one point for 2 and 4 threads on all of them. Pictures go to the folder that `--to` names.

Nothing is calibrated on what it is tested on. Where there are no calibration inputs, the test inputs are halved (every
other one) and each half is tested with the plan that the other one made: all are tested, by two plans.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.files import build_root, data_folder
from sysmt.cli.output import progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.sim.nn import inputs
from sysmt.sim.nn.digits import data
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model, read_model
from sysmt.sim.quant import digits, figures
from sysmt.sim.quant.digits_figure import draw
from sysmt.sim.quant.infer import Inference, infer
from sysmt.sim.quant.options import Options
from sysmt.sim.quant.paired import paired_drop

MODELS = (
    ("resnet8", "resnet8_cifar10_int8.tflite", "cifar10/test_first500.npz", "cifar10/train_first1000.npz"),
    ("dscnn", "dscnn_kws_int8.tflite", "kws/even500.npz", None),
)
"""Name, model, test inputs, calibration inputs (None: halves of the test inputs, crosswise)."""
CALIBRATION = 100
"""Calibration inputs of the sweep; a budget takes all."""
BUDGET = 0.01
BUDGET_POLICY = "S+aW"
SIDE = 16


@dataclass(frozen=True, eq=False)
class Subject:
    """A model at hand, with pairs of calibration and test inputs that have nothing in common."""

    name: str
    model: Model
    folds: tuple[tuple[Inputs, Inputs], ...]


def models(root: Path) -> Iterator[Subject]:
    """The models that are below a folder."""
    for name, file, tests, calibration in MODELS:
        if not (root / "models" / file).exists() or not (root / tests).exists():
            progress(f"{name}: {file} and its inputs are not below {root}; left out")
            continue
        model = read_model(root / "models" / file)
        tested = inputs.load(root / tests, model.network)
        if calibration is None:
            halves = tested[::2], tested[1::2]
            yield Subject(name, model, (halves, halves[::-1]))
        else:
            yield Subject(name, model, ((inputs.load(root / calibration, model.network), tested),))


def sweep(subject: Subject, limit: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row per run of every policy, and the layers of two threads with S+aW, prepared.

    Every policy runs plainly and, where it detects zeros, with reordering and recalibration. `fewer_reduced` is the
    smallest gain of any layer in an order of its own, in reduced products on validation inputs.
    """
    calibrated, tested = subject.folds[0][0][:CALIBRATION], subject.folds[0][1][:limit]
    rows, layers = [], []
    for threads in (2, 4):
        for policy in POLICIES:
            for prepared in (False, True) if POLICIES[policy].detects_zeros else (False,):
                progress(f"{subject.name}: {threads} threads, {policy}{', prepared' if prepared else ''}")
                options = Options(reorder=prepared, recalibrate=prepared)
                config = _array(threads, policy)
                report = infer(subject.model, tested, config, options, calibration=calibrated, attribution=False).report
                label = f"{policy}*" if prepared else policy
                columns = ("top1", "top1_exact", "agree", "speedup", "speedup_threaded")
                gains = [row["fewer_reduced"] for row in report["layers"] if row["fewer_reduced"] is not None]
                rows.append(
                    {"model": subject.name, "threads": threads, "policy": label}
                    | {key: report[key] for key in columns}
                    | {"reordered": len(gains), "fewer_reduced": min(gains, default=0.0)}
                )
                if (threads, label) == (2, f"{BUDGET_POLICY}*"):
                    layers = report["layers"]
    return rows, layers


def within_budget(subject: Subject, threads: int) -> dict[str, Any]:
    """Plan within the budget and test on everything: accuracy drop with its paired interval, speed-up, worst layer.

    `worst` is the layer that, made exact alone, brings back most of the answers that changed.
    """
    runs: list[tuple[Inference, Inputs]] = []
    for calibrated, tested in subject.folds:
        progress(f"{subject.name}: {threads} threads, {BUDGET_POLICY}, within {100 * BUDGET:g} point")
        options = Options(budget=BUDGET, reorder=True, recalibrate=True)
        config = _array(threads, BUDGET_POLICY)
        run = infer(subject.model, tested, config, options, calibration=calibrated, log=progress)
        runs.append((run, tested))
    right = [
        np.concatenate([_answers(values) == tested.labels for values, tested in pairs])
        for pairs in ([(run.exact, t) for run, t in runs], [(run.outputs, t) for run, t in runs])
    ]
    drop = asdict(paired_drop(*right))
    reports = [run.report for run, _ in runs]
    layers = Counter(name for report in reports for answer in report["attribution"] for name in answer["layers"])
    row = {
        "model": subject.name,
        "threads": threads,
        "policy": f"{BUDGET_POLICY}, budget",
        "inputs": len(right[0]),
        "top1": float(right[1].mean()),
        "top1_exact": float(right[0].mean()),
        "accuracy drop": drop["drop"],
        "low": drop["low"],
        "high": drop["high"],
        "changed": sum(len(report["changed"]) for report in reports),
        "speedup": float(np.mean([report["speedup"] for report in reports])),
        "speedup_threaded": float(np.mean([report["speedup_threaded"] for report in reports])),
        "worst": layers.most_common(1)[0][0].split(";")[0][-28:] if layers else "-",
    }
    progress(f"{subject.name}: {json.dumps(row)}")
    return row


def _array(threads: int, policy: str) -> ArrayConfig:
    return ArrayConfig(rows=SIDE, cols=SIDE).with_fields(threads=threads, policy=policy)


def _answers(outputs: np.ndarray) -> np.ndarray:
    return outputs.reshape(len(outputs), -1).argmax(axis=1)


def main(argv: list[str] | None = None) -> int:
    """Print the tables and draw the pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.accuracy",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.accuracy --limit 100 --to pictures",
    )
    parser.add_argument("--limit", type=int, default=100, help="test inputs per model of the sweep (default 100)")
    parser.add_argument("--to", type=Path, default=build_root() / "accuracy", help="folder of the pictures")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    if args.limit < 1:
        parser.error(f"--limit must be at least 1, not {args.limit}")
    args.to.mkdir(parents=True, exist_ok=True)
    test = data.load()[1][: args.limit]
    results = list(digits.sweep(test))
    draw(results, len(test), args.to / "digits.png")
    keys = ("threads", "policy", "accuracy", "utilisation", "reduced_share")
    tables = {"digits": [{"model": "digits"} | {key: result.as_dict()[key] for key in keys} for result in results]}
    subjects = list(models(data_folder() / "data"))
    planned = [[within_budget(subject, threads) for threads in (2, 4)] for subject in subjects]
    for subject, budgets in zip(subjects, planned, strict=True):
        rows, layers = sweep(subject, args.limit)
        tables |= {f"{subject.name}, within {100 * BUDGET:g} point": budgets, subject.name: rows}
        figures.draw_policies(subject.name, rows + budgets, args.to / f"{subject.name}.png")
        title = f"{subject.name}, 2 threads, {BUDGET_POLICY}, reordered and recalibrated"
        figures.draw_layers(title, layers, args.to / f"{subject.name}_layers.png")
    if args.json:
        print(json.dumps(tables, indent=2))
    else:
        print("\n\n".join(f"{name}\n{table(rows)}" for name, rows in tables.items()))
        print("\n* reordered and recalibrated; fewer_reduced: of the layer that gains least, on validation inputs")
        print(f"pictures are in {args.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
