# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.accuracy`: every policy on the digits network and, where they are, on the public int8 models.

A fresh clone has the digits network only; the models are looked for below SYSMT_DATA (by default the folder `shared`
beside the checkout). Pictures go to the folder that `--to` names.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdl.config import POLICIES, ArrayConfig
from hdl.files import build_root
from sim.digits import data, demonstration
from sim.digits.picture import draw
from sim.int8 import inputs, picture
from sim.int8.infer import infer
from sim.int8.network import build
from sim.int8.planning import Wishes
from sim.int8.tflite_reader import read
from sysmt.output import progress, table

MODELS = (
    ("resnet8", "resnet8_cifar10_int8.tflite", "cifar10/test_first500.npz", "cifar10/train_first1000.npz"),
    ("dscnn", "dscnn_kws_int8.tflite", "kws/even500.npz", None),
)
"""Name, model, test inputs, calibration inputs (None: the first half of the test inputs, which is then not tested)."""
CALIBRATION = 200


def models(root: Path, limit: int) -> Iterator[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]:
    """For every model at hand: its name, a row per run, and the layers of two threads with S+A, prepared.

    Every policy runs plainly and, where it detects zeros, with reordering and recalibration.
    """
    for name, model, tests, calibration in MODELS:
        if not (root / "models" / model).exists() or not (root / tests).exists():
            progress(f"{name}: {model} and its inputs are not below {root}; left out")
            continue
        network = build(read(root / "models" / model))
        tested = inputs.load(root / tests, network)
        if calibration is None:
            half = len(tested) // 2
            calibrated, tested = tested[:half], tested[half:]
        else:
            calibrated = inputs.load(root / calibration, network)
        tested, calibrated = tested[:limit], calibrated[:CALIBRATION]
        rows, layers = [], []
        for threads in (2, 4):
            for policy in POLICIES:
                config = ArrayConfig(rows=16, cols=16).with_fields(threads=threads, policy=policy)
                for prepared in (False, True) if policy.startswith("S") else (False,):
                    progress(f"{name}: {threads} threads, {policy}{', prepared' if prepared else ''}")
                    wishes = Wishes(threads=threads, reorder=prepared, recalibrate=prepared)
                    report = infer(network, tested, config, wishes, calibrated).report
                    label = f"{policy}*" if prepared else policy
                    kept = ("top1", "top1_exact", "agree", "speedup", "speedup_covered")
                    rows.append({"threads": threads, "policy": label} | {key: report[key] for key in kept})
                    if (threads, label) == (2, "S+A*"):
                        layers = report["layers"]
        yield name, rows, layers


def main(argv: list[str] | None = None) -> int:
    """Print the tables and draw the pictures."""
    checkout = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", type=int, default=200, help="test inputs per model (default 200)")
    parser.add_argument("--to", type=Path, default=build_root() / "accuracy", help="folder of the pictures")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    args.to.mkdir(parents=True, exist_ok=True)
    test = data.load()[1][: args.limit]
    outcomes = list(demonstration.sweep(test))
    draw(outcomes, len(test), args.to / "digits.png")
    keys = ("threads", "policy", "accuracy", "utilisation", "reduced_share")
    found = {"digits": [{key: outcome.as_dict()[key] for key in keys} for outcome in outcomes]}
    root = Path(os.environ.get("SYSMT_DATA", checkout.parent / "shared")) / "data"
    for name, rows, layers in models(root, args.limit):
        found[name] = rows
        picture.draw_policies(name, rows, args.to / f"{name}.png")
        title = f"{name}, 2 threads, S+A, reordered and recalibrated"
        picture.draw_layers(title, layers, args.to / f"{name}_layers.png")
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join(f"{name}\n{table(rows)}" for name, rows in found.items()))
        print("\n* reordered and recalibrated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
