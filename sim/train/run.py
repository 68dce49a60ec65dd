# SPDX-License-Identifier: Apache-2.0
"""A training from recipe to files: the one function behind `sysmt train`."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.writers import onnx, tflite

from .data import Examples, load
from .export import graph
from .loop import Log, Training
from .recipe import Recipe

DEVICES = ("auto", "cpu", "cuda")
MODEL = "model.tflite"


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What a training gave.

    Parameters
    ----------
    training : Training
        At its end.
    graph : Graph
        The network in int8, its statistics those of the array.
    report : dict
        `recipe`, `device`, numbers of `training` and `test` examples, `accuracy` by what was measured, `history`.
    """

    training: Training
    graph: Graph
    report: dict[str, Any]

    def files(self) -> dict[str, bytes]:
        """The network as .tflite and .onnx, and the report, by file name."""
        return {
            MODEL: tflite.write(self.graph),
            "model.onnx": onnx.write(self.graph),
            "report.json": (json.dumps(self.report, indent=2) + "\n").encode(),
        }


def train(
    recipe: Recipe,
    folder: Path | None = None,
    *,
    data: tuple[Path | None, Path | None] = (None, None),
    limit: int | None = None,
    start: Path | None = None,
    device: str = "auto",
    log: Log = lambda text: None,
) -> Trained:
    """Train a network, or finish its training.

    Parameters
    ----------
    recipe : Recipe
    folder : Path, optional
        For the checkpoint and the files of the result. With a checkpoint of the same recipe and data in it, the
        training goes on from there, with the same result.
    data : (Path, Path), optional
        Training and test inputs (`sysmt.sim.train.data.load`).
    limit : int, optional
        Only the first so many training inputs.
    start : Path, optional
        Folder of a training with the same first phase: this one takes it from there.
    device : "auto", "cpu" or "cuda"
        `auto`: a GPU where there is one.
    log : function of str
        Is told the progress.

    Returns
    -------
    Trained

    Raises
    ------
    UserError
        Data or checkpoint cannot be used, there is no such device, or a file cannot be written.
    """
    if limit is not None and limit < 2:
        raise UserError(f"limit must be at least 2, not {limit}")
    examples = load(recipe.architecture, *data)
    return train_on(recipe, (examples[0][slice(limit)], examples[1]), folder, start=start, device=device, log=log)


def train_on(
    recipe: Recipe,
    examples: tuple[Examples, Examples],
    folder: Path | None = None,
    *,
    start: Path | None = None,
    device: str = "auto",
    log: Log = lambda text: None,
) -> Trained:
    """As `train`, on examples to train and to test with that are at hand."""
    chosen = _device(device)
    train, test = (part.to(chosen) for part in examples)
    with repeatable(chosen):
        training = Training(recipe, train, test, log, folder, start)
        training.run()
        trained = Trained(training=training, graph=graph(training.network), report=_report(training, examples, chosen))
    if folder is not None:
        write_together(folder, trained.files())
    return trained


def _device(name: str) -> str:
    if name not in DEVICES:
        raise UserError(f"device must be one of {', '.join(DEVICES)}, not {name!r}")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("device must be 'cpu' where PyTorch finds no GPU, not 'cuda'; leave --device out")
    return ("cuda" if there else "cpu") if name == "auto" else name


@contextmanager
def repeatable(device: str) -> Iterator[None]:
    """The same result from run to run on one machine: a processor does so by itself, a GPU when it is told."""
    if device == "cpu":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the library is first used
    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # all of it is written before it is read
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]


def _report(training: Training, examples: tuple[Examples, Examples], device: str) -> dict[str, Any]:
    return {
        "recipe": training.recipe.as_dict(),
        "device": device,
        "training": len(examples[0]),
        "test": len(examples[1]),
        "accuracy": training.found,
        "sparsity": training.network.sparsity(),
        "history": training.history,
    }
