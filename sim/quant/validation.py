# SPDX-License-Identifier: Apache-2.0
"""Validates plans: does a plan keep the budget of accuracy, on calibration inputs that no plan was made from?

Two estimates of the accuracy drop (`sysmt.sim.quant.accuracy_drop`) must keep it with their upper bounds: the drop
expected from what the exact network believes, which is the surer one, and the drop against labels. Both are too low as
far as margins are wider on calibration inputs than on others, as they are where the network was trained on them.

Images are validated twice, the second time mirrored, where the exact network is right about their mirror images as
often.
"""

from dataclasses import dataclass

import numpy as np

from sysmt.sim.nn.batches import run, run_all
from sysmt.sim.nn.engines import Engine
from sysmt.sim.nn.forward import Plan, Runner, exact_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.network import Network

from .accuracy_drop import DropEstimate, expected_drop, labelled_drop
from .judge import OutputError, classifies, output_error
from .paired import paired_drop

PLANNING_INPUTS = 256
"""Most calibration inputs that plans are made from when there is a budget, and half of them at most.

`sysmt.sim.quant.candidates` takes 200 of them, recalibration 256; the others serve the validation, whose standard
errors shrink with the square root of their number."""
EXPECTED_DEVIATIONS = 1.645
"""Standard errors added to the expected drop: the 95 % quantile of the normal distribution."""
LABELLED_DEVIATIONS = 1.0
"""Standard errors added to the drop against labels: its 84 % quantile, less than for the expected drop because this
estimate has the larger error and only guards the other one."""


def split(calibration: Inputs, budget: float | None) -> tuple[Inputs, Inputs]:
    """The calibration inputs that plans are made from, and the validation set.

    Without a budget nothing is validated, and plans are made from all. A single input does both.
    """
    if budget is None:
        return calibration, calibration[:0]
    half = -(-len(calibration) // 2)
    planning = calibration[: min(PLANNING_INPUTS, half)]
    return planning, calibration[len(planning) :] if len(calibration) > 1 else calibration


def scores(network: Network, engine: Engine, plan: Plan, inputs: np.ndarray) -> np.ndarray:
    """What answers are chosen by: the outputs of a plan, before a softmax at their end."""
    return run(Runner(network=network.scores, engine=engine, plan=plan), inputs)


@dataclass(frozen=True, eq=False)
class Drops:
    """The accuracy drop of a plan on the validation set: `labelled` is None without labels."""

    expected: DropEstimate
    labelled: DropEstimate | None

    def keep(self, budget: float) -> bool:
        """Whether both upper bounds keep the budget."""
        if self.labelled is not None and self.labelled.bound(LABELLED_DEVIATIONS) > budget:
            return False
        return self.expected.bound(EXPECTED_DEVIATIONS) <= budget

    def describe(self) -> str:
        """Both estimates for people, in points."""
        estimates = [("expected", self.expected, EXPECTED_DEVIATIONS)]
        if self.labelled is not None:
            estimates.append(("labelled", self.labelled, LABELLED_DEVIATIONS))
        return ", ".join(
            f"{name} accuracy drop {100 * estimate.drop:.2f} points, bound {100 * estimate.bound(deviations):.2f}"
            for name, estimate, deviations in estimates
        )


class Validator:
    """Estimates the accuracy drop of plans for one network.

    Parameters
    ----------
    network : Network
    engine : Engine
    inputs : Inputs
        The validation set.

    Members
    -------
    inputs : Inputs
        Those that plans run on: the validation set, behind it its mirror images where they may count.
    views : int
        How often every input is among them: 1, or 2 with its mirror image.
    """

    def __init__(self, network: Network, engine: Engine, inputs: Inputs) -> None:
        self.network, self.engine = network, engine
        self.inputs, self.views = _with_mirror_images(network, engine, inputs)
        self.classifies = classifies(network, inputs.labels)
        if self.classifies:
            self._exact = scores(network, engine, exact_plan(network), self.inputs.values)
        else:
            runner = Runner(network=network, engine=engine, plan=exact_plan(network))
            self._exact_outputs = run_all(runner, self.inputs.values)

    def drops(self, plan: Plan) -> Drops | OutputError:
        """The accuracy drop of a plan; of a network that does not classify the error of its outputs."""
        if not self.classifies:
            runner = Runner(network=self.network, engine=self.engine, plan=plan)
            return output_error(self._exact_outputs, run_all(runner, self.inputs.values))
        planned = scores(self.network, self.engine, plan, self.inputs.values)
        scale = self.network.scores.output.scale
        expected = expected_drop(self._exact, planned, float(scale[0]) if len(scale) else 1.0, self.views)
        labels = self.inputs.labels
        labelled = None if labels is None else labelled_drop(self._exact, planned, labels, self.views)
        return Drops(expected, labelled)

    def describe(self) -> str:
        """What plans are validated on, for people."""
        mirrored = " and their mirror images" if self.views > 1 else ""
        return f"{len(self.inputs) // self.views} validation inputs{mirrored}"


def _with_mirror_images(network: Network, engine: Engine, inputs: Inputs) -> tuple[Inputs, int]:
    """The inputs and their views.

    Square inputs are taken for images. Mirror images count if the exact network is right about them as often, to within
    a standard error of the paired difference: without labels nobody knows.
    """
    _, *shape = network.input.shape
    if inputs.labels is None or len(shape) != 3 or shape[0] != shape[1]:
        return inputs, 1
    both = inputs + inputs.mirrored()
    answers = scores(network, engine, exact_plan(network), both.values).reshape(len(both), -1).argmax(axis=1)
    as_they_are, mirrored = (answers == both.labels).reshape(2, -1)
    lost = paired_drop(as_they_are, mirrored)
    return (both, 2) if lost.drop <= lost.error else (inputs, 1)
