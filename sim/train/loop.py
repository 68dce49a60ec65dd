# SPDX-License-Identifier: Apache-2.0
"""The training loop: epochs of both phases, checkpoints between them.

The result is the same however often it is interrupted: what is random depends on the seed and the epoch alone.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from sysmt.base.errors import UserError

from . import checkpoint
from .calibration import calibrate, recalibrate
from .data import Examples, augmented
from .distil import Teacher
from .network import Scale, TrainedNetwork
from .pruning import Pattern, prune
from .quantised import Mode, quantised
from .recipe import Recipe
from .regularise import kure

STATISTICS = 20
"""Batches that ranges and statistics are taken from."""
EVALUATED = 256
"""Inputs of a batch that is only evaluated."""

Log = Callable[[str], None]


@dataclass(eq=False)
class Training:
    """A training under way.

    Parameters
    ----------
    recipe : Recipe
    train, test : Examples
        On one device.
    log : function of str
        Is told the progress, once per epoch.
    folder : Path, optional
        Where the checkpoints are kept; with one of the same recipe and data there, the training goes on from it.
    start : Path, optional
        Folder of a training with the same first phase and data, which this one goes on from.

    Members
    -------
    network : TrainedNetwork
    done : int
        Epochs that are finished, of both phases.
    history : list of dict
        Per epoch `epoch`, `phase` and `loss`, the mean cross-entropy.
    found : dict of float
        Accuracies on the test examples: after the first phase `real`, `int8` (one thread), `array, untouched` and
        `array, recalibrated` (of a pruned network if it is pruned); after the second one `one thread` and `array`,
        either with statistics of its own.
    """

    recipe: Recipe
    train: Examples
    test: Examples
    log: Log
    folder: Path | None = None
    start: Path | None = None
    done: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    found: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        device = str(self.train.inputs.device)
        self.network = TrainedNetwork(self.recipe.architecture, device=device, seed=self.recipe.seed)
        self.optimiser = self._optimiser(self.recipe.rate)
        self.teacher: Teacher | None = None
        state = None
        if self.folder is not None:
            state = checkpoint.read(self.folder, checkpoint.LATEST, self._identity(self.recipe.as_dict()), device)
        if self.start is not None and state is None:
            identity = self._identity(self.recipe.first_phase())
            state = checkpoint.read(self.start, checkpoint.FIRST_PHASE, identity, device)
            if state is None:
                raise UserError(
                    f"start must be the folder of a training beyond its first phase, not {str(self.start)!r}"
                )
        self._restore(state)

    def _identity(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """What the result depends on: the recipe, and the examples by their contents."""
        return recipe | {"data": self.train.digest(), "test": self.test.digest()}

    def _optimiser(self, rate: float) -> torch.optim.Optimizer:
        decayed = [values for name, values in self.network.parameters.items() if name.endswith("weight")]
        others = [values for name, values in self.network.parameters.items() if not name.endswith("weight")]
        groups = [
            {"params": decayed, "weight_decay": self.recipe.decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.SGD(groups, lr=max(rate, 1e-12), momentum=self.recipe.momentum, nesterov=True)

    def run(self) -> None:
        """Train to the end."""
        recipe = self.recipe
        while self.done < recipe.epochs:
            self._epoch("real", self.done, recipe.epochs, recipe.rate, None)
        if self.done == recipe.epochs and "real" not in self.found:
            self._between()
        while self.done < recipe.epochs + recipe.array_epochs:
            self._epoch("array", self.done - recipe.epochs, recipe.array_epochs, recipe.array_rate, recipe.mode)
        if not recipe.array_epochs:
            self.without_threads()
            return
        one = Mode(pe=recipe.pe)
        recalibrate(self.network, self.batches(), one)
        self.found["one thread"] = self.measure(one)
        recalibrate(self.network, self.batches(), recipe.mode)
        self.found["array"] = self.measure(recipe.mode)

    def without_threads(self) -> None:
        """Give the network the statistics and ranges of real numbers: those of an int8 network like any other."""
        recalibrate(self.network, self.batches(), None)
        calibrate(self.network, self.batches(), self.recipe.clipped)

    def _between(self) -> None:
        """After the first phase: measure it, as it is and on the array; prune, and make the second one ready."""
        recipe, one = self.recipe, Mode(pe=self.recipe.pe)
        self._save(checkpoint.FIRST_PHASE, recipe.first_phase())
        self.without_threads()
        self.found["real"] = self.accuracy(lambda inputs: self.network.real(inputs))
        self.found["int8"] = self.measure(one)
        self.found["array, untouched"] = self.measure(recipe.mode)
        self.teacher = Teacher(self.network) if recipe.distil else None
        pattern = Pattern.parse(recipe.prune)
        if pattern != Pattern():
            prune(self.network, pattern)
            self.without_threads()
        recalibrate(self.network, self.batches(), recipe.mode)
        self.found["array, recalibrated"] = self.measure(recipe.mode)
        self.log(", ".join(f"{name} {100 * value:.2f} %" for name, value in self.found.items()))
        self.optimiser = self._optimiser(recipe.array_rate)
        self._save(checkpoint.LATEST, recipe.as_dict())

    def _save(self, name: str, recipe: dict[str, Any]) -> None:
        if self.folder is None:
            return
        network = self.network
        state = {
            "parameters": {name: values.detach() for name, values in network.parameters.items()},
            "statistics": network.statistics,
            "masks": network.masks,
            "scales": {name: asdict(scale) for name, scale in network.scales.items()},
            "optimiser": self.optimiser.state_dict(),
            "teacher": None if self.teacher is None else self.teacher.state(),
            "done": self.done,
            "history": self.history,
            "found": self.found,
        }
        checkpoint.write(self.folder, name, self._identity(recipe), state)

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        network = self.network
        with torch.no_grad():
            for name, values in state["parameters"].items():
                network.parameters[name].copy_(values)
        network.statistics, network.masks = state["statistics"], state["masks"]
        network.scales = {name: Scale(**fields) for name, fields in state["scales"].items()}
        self.optimiser.load_state_dict(state["optimiser"])
        if state.get("teacher") is not None:
            self.teacher = Teacher(network)
            self.teacher.restore(state["teacher"])
        self.done, self.history, self.found = state["done"], state["history"], state["found"]
        self.log(f"going on after epoch {self.done}")

    def _epoch(self, phase: str, epoch: int, epochs: int, rate: float, mode: Mode | None) -> None:
        recipe, device = self.recipe, self.train.inputs.device
        random = torch.Generator().manual_seed(1_000_003 * recipe.seed + self.done)
        order = torch.randperm(len(self.train), generator=random)
        order = order if mode is None or not recipe.array_inputs else order[: recipe.array_inputs]
        parts = order.split(recipe.batch)
        parts = parts[: max(1, len(order) // recipe.batch)]
        losses = torch.zeros((), device=device)
        of_batch = mode is None or recipe.statistics == "batch"
        if mode is not None and not of_batch:
            recalibrate(self.network, self.batches(), mode)
        for step, part in enumerate(parts):
            progress = (epoch + step / len(parts)) / epochs
            for group in self.optimiser.param_groups:
                group["lr"] = rate * (1 + math.cos(math.pi * progress)) / 2
            chosen = self.train[part.to(device)]
            inputs = augmented(chosen.inputs, recipe.architecture, random)
            if mode is None:
                scores = self.network.real(inputs, training=True)
            else:
                scores = quantised(self.network, inputs, mode, training=of_batch)[0]
            loss = torch.nn.functional.cross_entropy(scores, chosen.labels)
            losses += loss.detach()
            if mode is not None and self.teacher is not None:
                loss = (1 - recipe.distil) * loss + recipe.distil * self.teacher.loss(scores, inputs)
            self.optimiser.zero_grad()
            (loss + recipe.kure * kure(self.network) if recipe.kure else loss).backward()
            self.optimiser.step()
        self.done += 1
        row = {"epoch": self.done, "phase": phase, "loss": losses.item() / len(parts)}
        self.history.append(row)
        self.log(f"epoch {self.done} of {recipe.epochs + recipe.array_epochs} ({phase}): loss {row['loss']:.4f}")
        self._save(checkpoint.LATEST, recipe.as_dict())

    def batches(self) -> Iterator[torch.Tensor]:
        """The first training inputs, augmented as in training, always alike.

        As they are, a network that has learned them by heart has other statistics on them than on any other input.
        """
        random = torch.Generator().manual_seed(self.recipe.seed)
        for start in range(0, min(len(self.train), STATISTICS * EVALUATED), EVALUATED):
            yield augmented(self.train.inputs[start : start + EVALUATED], self.recipe.architecture, random)

    def measure(self, mode: Mode) -> float:
        """Share of the test examples that the exported network recognises, computed so."""
        return self.accuracy(lambda inputs: quantised(self.network, inputs, mode)[1])

    def accuracy(self, answer: Callable[[torch.Tensor], torch.Tensor]) -> float:
        """Share of the test examples whose largest score is the label's; of equal ones the first counts."""
        right = 0
        with torch.no_grad():
            for start in range(0, len(self.test), EVALUATED):
                part = self.test[start : start + EVALUATED]
                right += int((answer(part.inputs).argmax(1) == part.labels).sum())
        return right / len(self.test)
