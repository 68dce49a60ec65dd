# SPDX-License-Identifier: Apache-2.0
"""Chooses how every layer runs: threads within a loss budget, order of K, corrected biases, from calibration inputs.

As for four threads in the paper (Shomron and Weiser, MICRO 2020, section 5.3): start with all threads everywhere, and
as long as too much is lost, slow down the layer that does most harm per cycle it saves. Every step is measured on the
whole network; the plan that is returned has been verified.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hdl.config import ArrayConfig
from hdl.errors import UserError

from .batches import run
from .engines import Engine
from .forward import LayerPlan, Plan, Runner, Seen, exact_plan
from .inputs import Inputs
from .layers import covered, deviations, layer_cycles
from .network import Network
from .paired import paired_loss
from .recalibrate import recalibrate
from .reorder import ROWS, reorder

ORDER_INPUTS = 200
ERROR_INPUTS = 32
MARGIN = 1.0
"""Standard errors that the measured loss must stay below the budget: calibration inputs flatter."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user asks for; `budget` in fractions of 1, None for all threads everywhere."""

    threads: int
    budget: float | None = None
    reorder: bool = False
    recalibrate: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Planner:
    """Makes plans for one network on one array from one set of calibration inputs."""

    network: Network
    engine: Engine
    config: ArrayConfig
    wishes: Wishes
    calibration: Inputs | None
    say: Say

    def __post_init__(self):
        needed = [
            name
            for name, wanted in (
                ("budget", self.wishes.budget is not None),
                ("reorder", self.wishes.reorder),
                ("recalibrate", self.wishes.recalibrate),
            )
            if wanted
        ]
        if needed and self.calibration is None:
            raise UserError(f"{needed[0]} must come with calibration inputs; add --calibrate CALIB.npz")
        if self.wishes.budget is not None and not 0 <= self.wishes.budget < 1:
            raise UserError(f"budget must be from 0 to below 100 percent, not {100 * self.wishes.budget:g}")

    def plan(self) -> Plan:
        """The plan that the wishes lead to."""
        wanted = [self.wishes.threads if free else 1 for free in covered(self.network)]
        sample = self._sample() if self.wishes.reorder else {}
        orders: dict[tuple[int, int], np.ndarray | None] = {}
        plan = self._prepared(wanted, sample, orders)
        if self.wishes.budget is None:
            return plan
        exact = self._answers(exact_plan(self.network))
        while max(wanted) > 1:
            loss, bound = self._loss(exact, self._answers(plan))
            self.say(f"threads {wanted}: calibration loss {100 * loss:.2f} points, bound {100 * bound:.2f}")
            if bound <= self.wishes.budget:
                break
            slow = self._worst(plan)
            wanted[slow] //= 2
            plan = self._prepared(wanted, sample, orders)
        return plan

    def _prepared(
        self,
        threads: list[int],
        sample: dict[int, np.ndarray],
        orders: dict[tuple[int, int], np.ndarray | None],
    ) -> Plan:
        """Order and correct the layers for these threads; `orders` keeps what was found before."""
        plan = []
        for i, (layer, count) in enumerate(zip(self.network.layers, threads, strict=True)):
            if i in sample and count > 1 and (i, count) not in orders:
                orders[i, count] = reorder(sample[i], layer.weights, self.config.pe, count).order
            plan.append(LayerPlan(threads=count, order=orders.get((i, count))))
        if not self.wishes.recalibrate:
            return tuple(plan)
        return recalibrate(self.network, self.engine, tuple(plan), self.calibration.values)

    def _sample(self) -> dict[int, np.ndarray]:
        """Rows of the exact network's operands, a bounded number per covered layer."""
        self.say("reading operands for the order of K")
        inputs = self.calibration.values[:ORDER_INPUTS]
        free = covered(self.network)
        found: dict[int, list[np.ndarray]] = {}

        def take(seen: Seen) -> None:
            if free[seen.index]:
                step = max(1, seen.layer.rows * len(inputs) // (2 * ROWS))
                found.setdefault(seen.index, []).append(seen.x[::step].copy())

        run(Runner(network=self.network, engine=self.engine, plan=exact_plan(self.network)), inputs, take)
        return {index: np.concatenate(parts) for index, parts in found.items()}

    def _answers(self, plan: Plan) -> np.ndarray:
        outputs = run(Runner(network=self.network, engine=self.engine, plan=plan), self.calibration.values)
        return outputs.reshape(len(outputs), -1).argmax(axis=1)

    def _loss(self, exact: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
        """Accuracy lost on the calibration inputs (without labels: answers changed), and its upper bound."""
        right = exact if self.calibration.labels is None else self.calibration.labels
        found = paired_loss(exact == right, answers == right)
        return found.loss, found.loss + MARGIN * found.error

    def _worst(self, plan: Plan) -> int:
        """The layer whose error per cycle saved is largest."""
        errors = deviations(self.network, self.engine, plan, self.calibration.values[:ERROR_INPUTS])

        def harm(index: int) -> float:
            layer, threads = self.network.layers[index], plan[index].threads
            saved = layer_cycles(layer, self.config, threads // 2) - layer_cycles(layer, self.config, threads)
            return errors[index] ** 2 / max(1, saved)

        return max((i for i, layer in enumerate(plan) if layer.threads > 1), key=harm)
