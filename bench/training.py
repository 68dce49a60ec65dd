# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.training`: networks trained for the array, with and without KURE and pruning: hours without a GPU.

ResNet-8 is trained on the first 29,000 images of SYSMT_DATA, and tested on the 500 of the test set and the last 1,000
of the training set, which no training sees. All its trainings share the first phases of two. Of DS-CNN there are two
first phases on what few keywords SYSMT_DATA has. What is finished is found again in the build folder.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.extras import require
from sysmt.base.files import build_root, write_together
from sysmt.cli.output import progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.sim.nn.batches import BATCH_INPUTS
from sysmt.sim.nn.inputs import Inputs

from . import record

NETWORK = "resnet8"
HELD_OUT = 1000
"""Training images that are tested on instead."""
PLAIN, KURE = "plain", "KURE"
FIRST_PHASES: dict[str, tuple[str, dict[str, Any]]] = {
    PLAIN: (NETWORK, {"kure": 0.0}),
    KURE: (NETWORK, {}),
    "DS-CNN, plain": ("dscnn", {"kure": 0.0, "array_epochs": 0}),
    "DS-CNN, KURE": ("dscnn", {"array_epochs": 0}),
}
"""By name: the network, and what differs from its recipe."""
SECOND_PHASE: dict[str, Any] = {"array_epochs": 3, "array_rate": 0.01}
DISTILLED = SECOND_PHASE | {"distil": 0.5}
SPARSE = "2:4"
PRUNED = DISTILLED | {"array_rate": 0.02}
TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    PLAIN: (PLAIN, {}),
    KURE: (KURE, {}),
    "KURE, threads": (KURE, SECOND_PHASE),
    "KURE, threads, distilled": (KURE, DISTILLED),
    "KURE, 40 % pruned, threads": (KURE, PRUNED | {"prune": "0.4"}),
    "KURE, 2:4 pruned, threads": (KURE, PRUNED | {"prune": SPARSE}),
}
"""By name: the first phase, and what else differs from the recipe: a second phase, or none. All are adapted on training
inputs at the end, as `sysmt infer --reorder --recalibrate` does."""
CALIBRATION = 1000
"""Training inputs for that."""
COMPARED = 64
"""Test inputs that the golden model runs, to compare."""
SIDE = 16
THREADS = 4
SPARSE_PE = SparqConfig(pairs=2, stc=True)
RESULT = "result.json"


def folder(name: str, first_phase: bool) -> Path:
    """Where a training, or the first phase of one, keeps its files."""
    tame = "".join(letter if letter.isalnum() else "_" for letter in name)
    return build_root() / "training" / (f"first_phase_{tame}" if first_phase else tame)


def run(name: str, first_phase: bool, epochs: tuple[int, int] | None) -> dict[str, Any]:
    """Train one, or the first phase of one, and return its rows."""
    from sysmt.sim.train.loop import Training
    from sysmt.sim.train.recipe import RECIPES
    from sysmt.sim.train.robustness import robustness
    from sysmt.sim.train.run import repeatable, train_on

    phase, changes = (name, {}) if first_phase else TRAININGS[name]
    network, own = FIRST_PHASES[phase]
    recipe = replace(RECIPES[network], **(own | changes))
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs[0], array_epochs=epochs[1])
    if first_phase:
        recipe = replace(recipe, array_epochs=0)
    kept, unseen = _examples(recipe)
    start = None if first_phase else folder(phase, True)
    where = folder(name, first_phase)

    def say(text: str) -> None:
        progress(f"{name}: {text}")

    if start is not None and not recipe.array_epochs:
        training = Training(recipe, kept, unseen, say, None, start)
        with repeatable(training.network.device):
            training.without_threads()
        result: dict[str, Any] = {"trained": [_names(name, unseen) | _adapted(training)]}
        write_together(where, {RESULT: json.dumps(result)})
        return result
    trained = train_on(recipe, (kept, unseen), where, start=start, log=say)
    if first_phase:
        rows = [{"network": network, "first phase": name} | row for row in robustness(trained.training)]
        result = {"weights": rows}
    else:
        result = {"trained": [_names(name, unseen) | _row(name, trained, unseen)]}
    write_together(where, {RESULT: json.dumps(result)})
    return result


def _examples(recipe: Any) -> tuple[Any, Any]:
    """What is trained on and what is tested on."""
    from sysmt.sim.train.data import Examples, load

    torch = require("torch", "train")
    every, test = load(recipe.architecture)
    if recipe.network != NETWORK:
        return every, test
    kept, held_out = every[: len(every) - HELD_OUT], every[len(every) - HELD_OUT :]
    images = torch.cat([test.inputs, held_out.inputs]), torch.cat([test.labels, held_out.labels])
    return kept, Examples(*images)


def _names(name: str, unseen: Any) -> dict[str, Any]:
    return {"network": NETWORK, "training": name, "inputs": len(unseen)}


def _adapted(training: Any) -> dict[str, Any]:
    """A network by its statistics for one thread, reordered and adapted as `sysmt infer` does: what it then gives."""
    from sysmt.sim.nn.model import Model
    from sysmt.sim.nn.network import build
    from sysmt.sim.quant.infer import infer
    from sysmt.sim.quant.options import Options
    from sysmt.sim.train.export import graph

    model = Model(build(graph(training.network)))
    config = ArrayConfig(rows=SIDE, cols=SIDE).with_fields(threads=THREADS, policy=training.recipe.policy)
    options = Options(reorder=True, recalibrate=True, batch=BATCH_INPUTS)
    calibration = _inputs(training.train[:CALIBRATION])
    tested = _inputs(training.test)
    report = infer(model, tested, config, options, calibration=calibration, attribution=False, log=training.log).report
    return {
        "int8": report["top1_exact"],
        "adapted": report["top1"],
        "drop": report["top1_exact"] - report["top1"],
        "speedup": report["speedup_threaded"],
    }


def _inputs(examples: Any) -> Inputs:
    """Examples as the exported network takes them."""
    signed = np.ascontiguousarray(examples.inputs.cpu().numpy() ^ np.uint8(128)).view(np.int8)
    return Inputs(signed, examples.labels.cpu().numpy())


def _row(name: str, trained: Any, unseen: Any) -> dict[str, Any]:
    """One training with a second phase: accuracies as it is, and adapted; the drop is to the best on one thread."""
    from sysmt.sim.nn.model import Model
    from sysmt.sim.nn.network import build
    from sysmt.sim.quant.infer import infer
    from sysmt.sim.train.calibration import recalibrate
    from sysmt.sim.train.quantised import Mode, quantised

    training, found = trained.training, trained.report["accuracy"]
    recipe = training.recipe
    images = unseen.inputs[:COMPARED]
    config = ArrayConfig(rows=SIDE, cols=SIDE, pe=recipe.pe)
    inference = infer(Model(build(trained.graph)), _inputs(unseen[:COMPARED]), config, attribution=False)
    answers = quantised(training.network, images.to(training.network.device), recipe.mode)[1]
    if not np.array_equal(inference.outputs.astype(int) + 128, answers.detach().cpu().numpy()):
        raise UserError(f"{name}: outputs must be the golden model's, not others")
    recalibrate(training.network, training.batches(), Mode(pe=recipe.pe))
    adapted = _adapted(training)
    sparse = {"stc": _sparse(training)} if recipe.prune == SPARSE else {}
    return sparse | {
        "real": found["real"],
        "int8": found["int8"],
        "untouched": found["array, untouched"],
        "recalibrated": found["array, recalibrated"],
        "one thread": found["one thread"],
        "array": found["array"],
        "adapted": adapted["adapted"],
        "drop": max(found["int8"], found["one thread"]) - adapted["adapted"],
        "sparsity": trained.report["sparsity"],
        "speedup": adapted["speedup"],
    }


def _sparse(training: Any) -> float:
    """Accuracy of a network pruned to 2:4 on PEs that take two weights of four, by its statistics for one thread."""
    from sysmt.sim.nn.model import Model
    from sysmt.sim.nn.network import build
    from sysmt.sim.quant.infer import infer
    from sysmt.sim.train.export import graph

    model = Model(build(graph(training.network)))
    config = ArrayConfig(rows=SIDE, cols=SIDE, pe=SPARSE_PE)
    report = infer(model, _inputs(training.test), config, attribution=False, log=training.log).report
    return float(report["top1"])


def measure(jobs: int, epochs: tuple[int, int] | None) -> dict[str, list[dict[str, Any]]]:
    """All first phases, then all trainings, so many at a time, each in a process of its own."""

    def start(task: tuple[str, bool]) -> dict[str, Any]:
        words = [sys.executable, "-m", "bench.training", "--only", task[0], *(["--first-phase"] if task[1] else [])]
        words += [] if epochs is None else ["--epochs", *map(str, epochs)]
        done = subprocess.run([*words, "--json"], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise UserError(f"{task[0]} must end without an error, not with code {done.returncode}; see above")
        rows: dict[str, Any] = json.loads(done.stdout)
        return rows

    tables: dict[str, list[dict[str, Any]]] = {"trained": [], "weights": []}
    for tasks in ([(name, True) for name in FIRST_PHASES], [(name, False) for name in TRAININGS]):
        with ThreadPoolExecutor(jobs) as pool:
            for result in pool.map(start, tasks):
                for key, rows in result.items():
                    tables[key] += rows
    return tables


COLUMNS = {
    "training": (
        "real",
        "int8",
        "untouched",
        "recalibrated",
        "one thread",
        "array",
        "adapted",
        "stc",
        "drop",
        "speedup",
    ),
    "bits": ("top1", "recalibrated"),
}
"""Of the tables, by what is in their rows' keys."""


def markdown() -> str:
    """The recorded run as two tables: the trainings, and the first phases with coarser weights."""
    recorded: dict[tuple[str, ...], dict[str, float]] = {}
    for figure in record.load().get("training", []):
        key = tuple(str(value) for name, value in figure.key.items() if name != "network")
        recorded.setdefault(key, {})[figure.column] = figure.value
    lines: list[str] = []
    for titles, columns in ((("training",), COLUMNS["training"]), (("first phase", "bits"), COLUMNS["bits"])):
        rows = {key: values for key, values in recorded.items() if len(key) == len(titles)}
        lines += ["", f"| {' | '.join((*titles, *columns))} |", f"|{' --- |' * len(titles)}{' ---: |' * len(columns)}"]
        for key, values in rows.items():
            cells = [_cell(column, values[column]) if column in values else "-" for column in columns]
            lines.append(f"| {' | '.join((*key, *cells))} |")
    return "\n".join(lines[1:])


def _cell(column: str, value: float) -> str:
    return f"{value:.2f}x" if column == "speedup" else f"{100 * value:.1f}"


def main(argv: list[str] | None = None) -> int:
    """Train, and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.training",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.training --jobs 4 --json",
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (default 1)")
    parser.add_argument("--epochs", type=int, nargs=2, metavar="N", help="of both phases, in place of the recipe's")
    parser.add_argument("--only", choices=(*TRAININGS, *FIRST_PHASES), help="one training, its first phase being there")
    parser.add_argument("--first-phase", action="store_true", help="with --only: the first phase itself")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    epochs = None if args.epochs is None else (args.epochs[0], args.epochs[1])
    try:
        require("torch", "train")
        facts = run(args.only, args.first_phase, epochs) if args.only else measure(args.jobs, epochs)
    except UserError as error:
        print(f"bench.training: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        print("\n\n".join(f"{name}\n{table(rows)}" for name, rows in facts.items() if rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
