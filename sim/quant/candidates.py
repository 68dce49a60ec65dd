# SPDX-License-Identifier: Apache-2.0
"""How every layer could run: for any Lagrange multiplier of time, the plan that is best layer by layer.

A plan trades accuracy for time. Its Lagrangian, the sum over layers of sensitivity + multiplier * cycles, falls apart
into layers: each is minimised on its own, and one multiplier slows all layers down alike (Everett, "Generalized
Lagrange Multiplier Method", Operations Research 1963; for bits per layer: Shoham and Gersho, IEEE ASSP 1988).

What a layer may choose from is its number of threads, or, with reordering, a permutation of K: operands whose sharing
would cost more than a step is worth get a step to themselves.
"""

from collections.abc import Callable
from functools import cached_property
from math import inf

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.nn.batches import observe_in_order
from sysmt.sim.nn.engines import Engine
from sysmt.sim.nn.forward import LayerPlan, LayerTrace, Plan, Runner, exact_plan, threaded
from sysmt.sim.nn.network import Network

from .accuracy_drop import score_error
from .layer_stats import EXACT, planned_cycles
from .options import Options
from .reorder import ROWS, Reorderer, Reordering
from .validation import scores

PERMUTATION_INPUTS = 200
"""Planning inputs that permutations are made from: with `ROWS` rows of each half, more inputs only spread the rows."""
SENSITIVITY_INPUTS = 100
"""Planning inputs that a layer's sensitivity is measured on: each layer costs a run of them."""
SMALLEST = 1e-30
"""Stands for an error of 0 where something is divided by it."""

Correct = Callable[[Plan], Plan]
"""Recalibrates a plan, or leaves it as it is."""
Log = Callable[[str], None]
"""Is told the progress, in a line."""


class Candidates:
    """The plans of one network on one array, by Lagrange multiplier.

    Parameters
    ----------
    network : Network
    engine : Engine
        The golden model of the array's PEs.
    config : ArrayConfig
    options : Options
    inputs : array [B, ...]
        Calibration inputs that plans are made from; none are needed without a budget and reordering.
    correct : function of a plan
        Recalibrates it, if that is wanted.
    log : function of str
    """

    def __init__(
        self,
        network: Network,
        engine: Engine,
        config: ArrayConfig,
        options: Options,
        inputs: np.ndarray | None,
        correct: Correct,
        log: Log,
    ) -> None:
        self.network, self.engine, self.config, self.options = network, engine, config, options
        self.threads = config.pe.threads
        self.indices = [index for index, may in enumerate(threaded(network)) if may]
        self._inputs, self._correct, self._log = inputs, correct, log

    def plan(self, multiplier: float = inf) -> Plan:
        """Every layer as is best for itself at a multiplier: the error that a cycle is worth; infinite for speed."""
        plan = list(exact_plan(self.network))
        for index in self.indices:
            plan[index] = self._layer(index, multiplier)
        return tuple(plan)

    def largest_multiplier(self) -> float:
        """A multiplier at which hardly anything slows down: no layer without reordering, few operands with it.

        Sensitivity per cycle saved differs by layer; the factor K is for a single operand, which saves as little as 1/K
        of what its layer saves.
        """
        multipliers = []
        for index in self.indices:
            saved = self.cycles(index, EXACT) - self.cycles(index, self._layer(index, inf))
            if saved > 0:
                k = len(self.network.linears[index].weights)
                multipliers.append(max(self.sensitivity[index].values()) * k / saved)
        return max(multipliers, default=1.0)

    def cycles(self, index: int, plan: LayerPlan) -> int:
        """Cycles of a layer for one input."""
        return planned_cycles(self.network.linears[index], self.config, plan)

    def speedup(self, plan: Plan) -> float:
        """Of the layers that may run threaded."""
        planned = sum(self.cycles(index, plan[index]) for index in self.indices)
        exact = sum(self.cycles(index, EXACT) for index in self.indices)
        return exact / max(1, planned)

    @cached_property
    def reorderers(self) -> dict[int, Reorderer]:
        """Finders of permutations, by layer; none where the policy makes no difference or none is wanted."""
        pe = self.config.pe
        if not self.options.reorder or self.threads == 1:
            return {}
        if golden_of(pe).sharing(pe) is None:
            return {}
        self._log("reading operands for the permutations of K")
        return {
            index: Reorderer(
                x=x,
                w=self.network.linears[index].weights,
                pe=pe,
                threads=self.threads,
                weight=self.network.linears[index].requantize.scale ** 2,
                centred=self.options.recalibrate,
            )
            for index, x in self._operands().items()
        }

    @cached_property
    def sensitivity(self) -> dict[int, dict[int, float]]:
        """What a layer does to the scores when it alone runs threaded, by its number of threads.

        In terms of noise power: a little noise makes some roundings of the next activations fall otherwise, and the
        share of these, and so the squared error of the scores, grows as the noise's amplitude. The square of that error
        is what adds up over layers.
        """
        by_layer = {}
        inputs = self._planning[:SENSITIVITY_INPUTS]
        exact = scores(self.network, self.engine, exact_plan(self.network), inputs)
        for index in self.indices:
            most = self._most_threads[index]
            choices = {most: self._layer(index, inf)}
            if index not in self.reorderers:
                choices = {t: LayerPlan(threads=t) for t in self.config.pe.throttles if t <= most}
            errors = {1: 0.0}
            for threads, choice in choices.items():
                if threads > 1:
                    alone = (*exact_plan(self.network)[:index], choice, *exact_plan(self.network)[index + 1 :])
                    disturbed = scores(self.network, self.engine, self._correct(alone), inputs)
                    errors[threads] = score_error(exact, disturbed) ** 2
            by_layer[index] = errors
            self._log(f"layer {index}: sensitivity {max(errors.values()):.3g}")
        return by_layer

    @cached_property
    def _most_threads(self) -> dict[int, int]:
        """Most threads that a layer may run on: all, where the array takes its weights on so many."""
        pe = self.config.pe
        weights = {index: self.network.linears[index].weights for index in self.indices}
        found = {index: golden_of(pe).most_threads(w, pe) for index, w in weights.items()}
        for index in (index for index, threads in found.items() if threads < pe.threads):
            self._log(
                f"layer {index}: its weights are not 2:4; it runs on {found[index]} of {pe.threads} threads, exactly"
            )
        return found

    @cached_property
    def _densest(self) -> dict[int, Reordering]:
        """The permutations with as few steps as can be."""
        return {index: reorderer.at() for index, reorderer in self.reorderers.items()}

    def _layer(self, index: int, multiplier: float) -> LayerPlan:
        reorderer = self.reorderers.get(index)
        if multiplier == inf:
            permutation = self._densest[index].permutation if reorderer else None
            return LayerPlan(threads=self._most_threads[index], permutation=permutation)
        if reorderer is None:
            by_threads = {t: LayerPlan(threads=t) for t in self.sensitivity[index]}

            def lagrangian(threads: int) -> float:
                return self.sensitivity[index][threads] + multiplier * self.cycles(index, by_threads[threads])

            return by_threads[min(by_threads, key=lagrangian)]
        # A permutation is made by the error of the layer's sums: the sensitivity says what that is worth.
        unit = self.sensitivity[index][self.threads] / max(self._densest[index].error, SMALLEST)
        linear = self.network.linears[index]

        def time(groups: int) -> int:
            steps = -(-groups * reorderer.together // self.threads)
            return RtlCycles(self.config).layer_cycles(linear.layer, steps)

        permutation = reorderer.at(multiplier / max(unit, SMALLEST), time).permutation
        if permutation is not None:
            alone = len(permutation) >= self.threads * len(linear.weights)
            return EXACT if alone else LayerPlan(threads=self.threads, permutation=permutation)
        # No order reduces fewer products than the natural one: all of its steps are shared, or none.
        natural = LayerPlan(threads=self.threads)
        saved = multiplier * (self.cycles(index, EXACT) - self.cycles(index, natural))
        return natural if self.sensitivity[index][self.threads] < saved else EXACT

    @property
    def _planning(self) -> np.ndarray:
        if self._inputs is None:
            raise ValueError("calibration inputs must be given where something is made from them")
        return self._inputs

    def _operands(self) -> dict[int, np.ndarray]:
        """Rows of the exact network's operands, a bounded number per layer."""
        inputs = self._planning[:PERMUTATION_INPUTS]
        parts: dict[int, list[np.ndarray]] = {index: [] for index in self.indices}

        def take(trace: LayerTrace) -> None:
            if trace.index in parts:
                step = max(1, trace.linear.rows * len(inputs) // (2 * ROWS))
                parts[trace.index].append(trace.operands[::step].copy())

        runner = Runner(network=self.network, engine=self.engine, plan=exact_plan(self.network))
        observe_in_order(runner, inputs, take)
        return {index: np.concatenate(rows) for index, rows in parts.items()}
