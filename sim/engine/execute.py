# SPDX-License-Identifier: Apache-2.0
"""A program on inputs: on whatever executes it, and the report that `sysmt run` prints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.inputs import Inputs

from .cost import layer_rows, link_cycles
from .cycles import program_cycles
from .golden import GoldenEngine
from .program import Program

BATCH = 8
"""Inputs that the golden engine runs at a time: bounds the memory."""

Progress = Callable[[int, int], None]
"""Is told how many inputs are done, and of how many."""


class Run(Protocol):
    """What an executor computed."""

    @property
    def outputs(self) -> np.ndarray:
        """The network's outputs [B, ...]."""

    @property
    def cycles(self) -> Sequence[int]:
        """Per input, from start to done."""

    @property
    def layer_cycles(self) -> Sequence[int]:
        """Per layer, of the last input."""

    @property
    def seconds(self) -> float | None:
        """What all inputs took on a board, its link included; None elsewhere."""


class Executor(Protocol):
    """What runs a program: the golden engine, simulated gates, a board."""

    def run(self, inputs: np.ndarray, progress: Progress | None = None) -> Run:
        """Run inputs [B, ...]."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A `Run`; of a board, with the seconds that it took from the first byte sent to the last one that came."""

    outputs: np.ndarray
    cycles: list[int]
    layer_cycles: list[int]
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class GoldenExecutor:
    """The golden engine, with the cycles that the model gives.

    Parameters
    ----------
    program : Program
    """

    program: Program

    def run(self, inputs: np.ndarray, progress: Progress | None = None) -> FinishedRun:
        """Run inputs [B, ...]."""
        layers = program_cycles(self.program)
        outputs = run_golden(GoldenEngine(self.program), inputs, progress)
        return FinishedRun(outputs, [sum(layers)] * len(inputs), layers)


def run_golden(engine: GoldenEngine, inputs: np.ndarray, progress: Progress | None = None) -> np.ndarray:
    """Outputs of any number of inputs, a few at a time."""
    parts = []
    for start in range(0, len(inputs), BATCH):
        parts.append(engine.run(inputs[start : start + BATCH]))
        if progress is not None:
            progress(min(start + BATCH, len(inputs)), len(inputs))
    return np.concatenate(parts)


def execute(
    program: Program, inputs: Inputs, executor: Executor | None = None, progress: Progress | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Run a program and report.

    Parameters
    ----------
    program : Program
    inputs : Inputs
        In the type and shape of the network's input.
    executor : Executor, optional
        The golden engine by default. What another one computes is compared with it.
    progress : Progress, optional

    Returns
    -------
    array [B, ...]
        The network's raw outputs.
    dict
        `inputs`; `top1`, `top1_exact` (None without labels); `agree`, the share of inputs that the exact network
        answers alike; `cycles` of one input, from start to done; `milliseconds` at the clock it was compiled for (None
        without); `layers`; with an executor, `equal`: whether the outputs are the golden engine's, and
        `link_milliseconds` of one input: on a board what it took beyond its cycles, measured, on simulated gates what
        its bytes take on the link of a board with this engine (None without a clock).

    Raises
    ------
    UserError
        There are no inputs, or they do not fit the program.
    """
    if not len(inputs):
        raise UserError(f"inputs must hold at least one input, not {inputs.values.shape}; the set is empty")
    run = (executor or GoldenExecutor(program)).run(inputs.values, progress)
    exact = run_golden(GoldenEngine(program, exact=True), inputs.values)
    if len(run.layer_cycles) != len(program.layers) or not run.cycles:
        raise UserError(f"run must give cycles of {len(program.layers)} layers, not {len(run.layer_cycles)}")
    cycles = max(run.cycles)
    report = {"inputs": len(inputs), **answers(run.outputs, exact, inputs.labels)}
    report |= {
        "cycles": cycles,
        "milliseconds": None if program.clock_hz is None else 1e3 * cycles / program.clock_hz,
        "layers": layer_rows(program, run.layer_cycles),
    }
    if executor is not None:
        report["equal"] = np.array_equal(run.outputs, run_golden(GoldenEngine(program), inputs.values))
        report["link_milliseconds"] = _link(program, run)
    return run.outputs, report


def _link(program: Program, run: Run) -> float | None:
    """Milliseconds that an input takes beside its cycles."""
    if program.clock_hz is None:
        return None
    if run.seconds is None:
        return 1e3 * link_cycles(program) / program.clock_hz
    return 1e3 * max(0.0, run.seconds - sum(run.cycles) / program.clock_hz) / len(run.cycles)


def answers(outputs: np.ndarray, exact: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    """Accuracy of the outputs and of the exact network's."""
    found, wanted = (values.reshape(len(values), -1).argmax(axis=1) for values in (outputs, exact))
    report: dict[str, Any] = {"top1": None, "top1_exact": None, "agree": float(np.mean(found == wanted))}
    if labels is not None:
        report |= {"top1": float(np.mean(found == labels)), "top1_exact": float(np.mean(wanted == labels))}
    return report
