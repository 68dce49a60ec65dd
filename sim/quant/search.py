# SPDX-License-Identifier: Apache-2.0
"""Chooses how every layer runs: what shares its steps within a loss budget, order of K, corrected biases.

As for four threads in the paper (Shomron and Weiser, MICRO 2020, section 5.3) layers slow down until little enough is
lost. What a layer's slowing down is worth is measured: the harm that it does to the scores when it alone is threaded,
on calibration inputs. All layers are then slowed down by one price of time: each runs as is best for itself at that
price, and the price falls as long as the loss of the whole network keeps the budget. That is judged on calibration
inputs that nothing was made from, by upper bounds of two estimates (`sysmt.sim.quant.accuracy_drop`): the loss
expected from what the exact network believes, which is the surer one, and the loss against labels. Both are too low as
far as margins are wider on calibration inputs than on others, as they are where the network was trained on them.

Images judge twice, the second time mirrored, where the exact network is right about their mirror images as often.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from math import inf

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.sim.nn.batches import run, watch
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, Plan, Runner, Seen, exact_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.network import Network

from .accuracy_drop import expected_loss, labelled_loss, score_error
from .layer_stats import EXACT, covered, layer_cycles, steps_cycles
from .paired import paired_loss
from .recalibrate import Recalibrator
from .reorder import ROWS, Reordered, Reorderer

MADE_INPUTS = 256
"""Most calibration inputs that plans are made from, and half of them at most; the others judge."""
ORDER_INPUTS = 200
HARM_INPUTS = 100
"""Of those, inputs that a layer's order is made from, and that its harm is measured on."""
CONFIDENCE = {"expected": 1.645, "labelled": 1.0}
"""Standard errors added to either estimate: losses are below these bounds in 95 and in 84 of 100 cases."""
PRICES = 5
"""Times that the range of prices is halved."""
RANGE = 1e-5
"""Smallest price tried, of the one from which on nothing is slowed down."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user asks for; `budget` in fractions of 1, None for all threads everywhere."""

    threads: int
    budget: float | None = None
    reorder: bool = False
    recalibrate: bool = False
    keep_weights: bool = False
    """Whether recalibration leaves the weights as they are and corrects biases only."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Planner:
    """Makes plans for one network on one array from one set of calibration inputs."""

    network: Network
    engine: Golden
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
        dense = self._corrected(self._at(inf))
        if self.wishes.budget is None or self.wishes.threads == 1 or self._keeps(dense):
            return dense
        # Harm and cycles per step differ by layer: above this price nobody slows down.
        high = self._highest()
        low, found = RANGE * high, None
        for _ in range(PRICES):
            price = (low * high) ** 0.5
            plan = self._corrected(self._at(price))
            if self._keeps(plan):
                low, found = price, plan
            else:
                high = price
        return found or exact_plan(self.network)

    @cached_property
    def orders(self) -> dict[int, Reorderer]:
        """Finders of orders for the covered layers; none where an order makes no difference or none is wished."""
        pe = self.config.pe
        if not self.wishes.reorder or self.wishes.threads == 1:
            return {}
        if not isinstance(pe, NbSmtConfig) or not pe.rules.detects_zeros:
            return {}
        self.say("reading operands for the order of K")
        return {
            index: Reorderer(
                x=x,
                w=self.network.layers[index].weights,
                pe=pe,
                threads=self.wishes.threads,
                weight=self.network.layers[index].requantize.scale ** 2,
                centred=self.wishes.recalibrate,
            )
            for index, x in self._sample().items()
        }

    def held_out(self, plan: Plan) -> dict[int, tuple[int, int]]:
        """For layers in an order of their own: products reduced in the natural order and in that one.

        Counted on calibration inputs that no order was made from.
        """
        return {i: self.orders[i].judge(layer.order) for i, layer in enumerate(plan) if layer.order is not None}

    @cached_property
    def _dense(self) -> dict[int, Reordered]:
        """The orders with as few steps as can be."""
        return {index: finder.at() for index, finder in self.orders.items()}

    def _at(self, price: float) -> Plan:
        """Every layer as is best for itself at a price of time."""
        plan = list(exact_plan(self.network))
        for index in self._free:
            plan[index] = self._layer(index, price)
        return tuple(plan)

    def _layer(self, index: int, price: float) -> LayerPlan:
        threads, layer = self.wishes.threads, self.network.layers[index]
        if index not in self.orders:
            if price == inf:
                return LayerPlan(threads=threads)
            plans = [(harm, LayerPlan(threads=t)) for t, harm in self._harm[index].items()]
            return min(plans, key=lambda each: each[0] + price * self._cycles(index, each[1]))[1]
        if price == inf:
            return LayerPlan(threads=threads, order=self._dense[index].order)
        unit = self._harm[index][threads] / max(self._dense[index].harm, 1e-30)
        found = self.orders[index].at(price / max(unit, 1e-30), partial(steps_cycles, layer, self.config))
        if found.order is None or len(found.order) >= threads * len(layer.weights):
            return EXACT
        return LayerPlan(threads=threads, order=found.order)

    def _cycles(self, index: int, plan: LayerPlan) -> int:
        return layer_cycles(self.network.layers[index], self.config, plan)

    @property
    def _free(self) -> list[int]:
        return [index for index, free in enumerate(covered(self.network)) if free]

    @cached_property
    def _harm(self) -> dict[int, dict[int, float]]:
        """What a covered layer does to the scores when it alone runs threaded, by the number of threads.

        In terms of noise power: a little noise makes some roundings of the next activations fall otherwise, and the
        share of these, and so the squared error of the scores, grows as the noise's amplitude. The square of that error
        is what adds up over layers.
        """
        found = {}
        for index in self._free:
            plans = {self.wishes.threads: self._layer(index, inf)}
            if index not in self.orders:
                plans = {t: LayerPlan(threads=t) for t in THREADS if t <= self.wishes.threads}
            found[index] = {t: self._alone(index, plan) ** 2 if t > 1 else 0.0 for t, plan in plans.items()}
            self.say(f"layer {index}: harm {max(found[index].values()):.3g}")
        return found

    def _alone(self, index: int, layer: LayerPlan) -> float:
        plan = list(exact_plan(self.network))
        plan[index] = layer
        scores = self._scores(self._corrected(tuple(plan)), self._made[:HARM_INPUTS])
        return score_error(self._undisturbed, scores)

    @cached_property
    def _undisturbed(self) -> np.ndarray:
        return self._scores(exact_plan(self.network), self._made[:HARM_INPUTS])

    def _highest(self) -> float:
        """A price at which nothing slows down."""
        every = []
        for index in self._free:
            dense = self._layer(index, inf)
            faster = self._cycles(index, EXACT) - self._cycles(index, dense)
            if faster > 0:
                every.append(max(self._harm[index].values()) * len(self.network.layers[index].weights) / faster)
        return max(every, default=1.0)

    def _corrected(self, plan: Plan) -> Plan:
        return self._recalibrator(plan) if self.wishes.recalibrate else plan

    @cached_property
    def _recalibrator(self) -> Recalibrator:
        return Recalibrator(self.network, self.engine, self._made.values, not self.wishes.keep_weights)

    @cached_property
    def _made(self) -> Inputs:
        """The calibration inputs that plans are made from: all of them when nothing has to be judged."""
        half = -(-len(self.calibration) // 2)
        return self.calibration if self.wishes.budget is None else self.calibration[: min(MADE_INPUTS, half)]

    @cached_property
    def _judging(self) -> Inputs:
        """The calibration inputs that judge plans, behind them their mirror images if these may judge too."""
        if not self._images or self._held.labels is None:
            return self._held
        both = self._held + self._held.mirrored()
        right = self._scores(exact_plan(self.network), both).reshape(len(both), -1).argmax(axis=1) == both.labels
        lost = paired_loss(*right.reshape(2, -1))
        return both if lost.loss <= lost.error else self._held

    @property
    def _held(self) -> Inputs:
        """The calibration inputs that no plan is made from; a single one does both."""
        return self.calibration[len(self._made) :] if len(self.calibration) > 1 else self.calibration

    @property
    def _images(self) -> bool:
        """Whether inputs are square and so taken for images."""
        _, *shape = self.network.input.shape
        return len(shape) == 3 and shape[0] == shape[1]

    def _sample(self) -> dict[int, np.ndarray]:
        """Rows of the exact network's operands, a bounded number per covered layer."""
        inputs = self._made.values[:ORDER_INPUTS]
        found: dict[int, list[np.ndarray]] = {}

        def take(seen: Seen) -> None:
            if seen.index in self._free:
                step = max(1, seen.layer.rows * len(inputs) // (2 * ROWS))
                found.setdefault(seen.index, []).append(seen.x[::step].copy())

        watch(Runner(network=self.network, engine=self.engine, plan=exact_plan(self.network)), inputs, take)
        return {index: np.concatenate(parts) for index, parts in found.items()}

    @cached_property
    def _exact_scores(self) -> np.ndarray:
        return self._scores(exact_plan(self.network), self._judging)

    def _scores(self, plan: Plan, inputs: Inputs) -> np.ndarray:
        return run(Runner(network=self.network.scores, engine=self.engine, plan=plan), inputs.values)

    def _keeps(self, plan: Plan) -> bool:
        """Whether a plan keeps the budget: with the bounds of the expected and, with labels, of the labelled loss."""
        exact, scores, labels = self._exact_scores, self._scores(plan, self._judging), self._judging.labels
        scale = self.network.scores.output.scale
        views = len(self._judging) // len(self._held)
        found = {"expected": expected_loss(exact, scores, float(scale[0]) if len(scale) else 1.0, views)}
        if labels is not None:
            found["labelled"] = labelled_loss(exact, scores, labels, views)
        free = [(self._cycles(i, plan[i]), self._cycles(i, EXACT)) for i in self._free]
        speedup = sum(exact for _, exact in free) / max(1, sum(cycles for cycles, _ in free))
        said = ", ".join(
            f"{name} loss {100 * each.loss:.2f} points, bound {100 * each.bound(CONFIDENCE[name]):.2f}"
            for name, each in found.items()
        )
        mirrored = " and their mirror images" if views > 1 else ""
        self.say(f"{speedup:.2f}x on {len(self._held)} calibration inputs{mirrored}: {said}")
        return all(each.bound(CONFIDENCE[name]) <= self.wishes.budget for name, each in found.items())
