# SPDX-License-Identifier: Apache-2.0
"""`sysmt train`: a network trained for the array, as .tflite and .onnx."""

import argparse
from dataclasses import replace
from pathlib import Path

from sysmt.cli.output import Handler, Result, progress, table
from sysmt.hdl.params.pe import DEFAULT_KIND, THREADS, kinds
from sysmt.hdl.params.policy import POLICIES

NAMES = ("resnet8", "dscnn", "digits")
STATISTICS = ("batch", "running")
"""The recipes, and what their second phase may normalise by; `sysmt.sim.train.recipe`, which says so, needs PyTorch."""
OVERRIDES = (
    *("epochs", "array_epochs", "array_inputs", "array_rate", "batch", "seed"),
    *("kure", "distil", "statistics", "prune", "kind", "policy", "threads"),
)


def _train(args: argparse.Namespace) -> Result:
    from sysmt.sim.train.recipe import RECIPES
    from sysmt.sim.train.run import train

    given = {name: getattr(args, name) for name in OVERRIDES if getattr(args, name) is not None}
    recipe = replace(RECIPES[args.recipe], **given)
    data = (args.data, args.test)
    trained = train(
        recipe, args.output, data=data, limit=args.limit, start=args.start, device=args.device, log=progress
    )
    report = trained.report
    rows = [{"measured": name, "top-1 %": f"{100 * value:.2f}"} for name, value in report["accuracy"].items()]
    lines = [
        table(rows),
        "",
        f"{report['test']} test inputs; array: {recipe.threads} threads, "
        f"{recipe.policy if recipe.kind == DEFAULT_KIND else recipe.kind}",
        f"wrote {', '.join(str(args.output / name) for name in trained.files())}",
    ]
    return Result("\n".join(lines), report)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", choices=NAMES, required=True, help="network, and how it is trained")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for checkpoint and results")
    parser.add_argument("--data", type=Path, metavar="TRAIN.npz", help="training inputs and labels, with --test")
    parser.add_argument("--test", type=Path, metavar="TEST.npz", help="test inputs and labels, with --data")
    parser.add_argument("--start", type=Path, metavar="FOLDER", help="take the first phase from a training there")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N training inputs")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes in real numbers")
    parser.add_argument("--array-epochs", type=int, metavar="N", help="passes as the array computes")
    parser.add_argument("--array-inputs", type=int, metavar="N", help="training inputs of such a pass (default all)")
    parser.add_argument("--array-rate", type=float, metavar="X", help="learning rate at the beginning of these passes")
    parser.add_argument("--batch", type=int, metavar="N", help="inputs of one step")
    parser.add_argument("--kure", type=float, metavar="X", help="weight of the kurtosis penalty, 0: none")
    parser.add_argument(
        "--distil", type=float, metavar="X", help="share of the loss that the first phase's scores have"
    )
    parser.add_argument("--statistics", choices=STATISTICS, help="normalise by each batch, or as exported")
    parser.add_argument("--prune", metavar="SHARE|N:M", help="weights to prune, such as 0.4 or 2:4")
    parser.add_argument("--kind", choices=kinds(), help="kind of PE (default nbsmt)")
    parser.add_argument("--policy", choices=POLICIES, help="of NB-SMT (default S+aW)")
    parser.add_argument("--threads", type=int, choices=THREADS, help="threads of the array (default 4)")
    parser.add_argument("--seed", type=int, metavar="N", help="default 0")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is")


TRAIN = Handler(_arguments, _train)
