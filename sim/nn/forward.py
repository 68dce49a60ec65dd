# SPDX-License-Identifier: Apache-2.0
"""Runs a network on a batch of inputs, every layer as its plan says."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sysmt.sim.golden.product import Product
from sysmt.sim.nn.operators.linear import Linear

from .engines import Engine
from .k_order import HOLE, ordered
from .network import Network, Step


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPlan:
    """How one layer runs.

    Parameters
    ----------
    threads : int
    order : int64 [at least K] or None
        The static order of K: place p of the reduction takes operand `order[p]` (MICRO 2020, section 4.2), or zeros
        where that is `HOLE`.
    correction : int64 [N] or None
        Added to the integer biases (recalibration).
    weights : int8 [K, N] or None
        In place of the layer's own, in the natural order of K (adaptation).
    """

    threads: int = 1
    order: np.ndarray | None = None
    correction: np.ndarray | None = None
    weights: np.ndarray | None = None

    def places(self, k: int) -> int:
        """Length of the reduction of K operands, the holes included."""
        return k if self.order is None else len(self.order)

    def ordered(self, weights: np.ndarray) -> np.ndarray:
        """Weights [K, N] in this order, zeros in its holes."""
        return weights if self.order is None else np.ascontiguousarray(ordered(weights.T, self.order).T)

    def natural(self, weights: np.ndarray) -> np.ndarray:
        """The inverse: weights in this order put back, [K, N]."""
        if self.order is None:
            return weights
        places = np.flatnonzero(self.order != HOLE)
        found = np.empty((len(places), weights.shape[1]), weights.dtype)
        found[self.order[places]] = weights[places]
        return found


Plan = tuple[LayerPlan, ...]
"""One entry per layer of the array, in the order of `Network.layers`."""


def exact_plan(network: Network) -> Plan:
    """Every layer on one thread."""
    return tuple(LayerPlan() for _ in network.layers)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What an observer is shown of a layer.

    Parameters
    ----------
    layer : Linear
    index : int
        Its place in `Network.layers`.
    x : uint8
        The lowered operand, reordered as the array sees it.
    w : int8
        The weights, reordered alike.
    plan : LayerPlan
    product : Product
    """

    layer: Linear
    index: int
    x: np.ndarray
    w: np.ndarray
    plan: LayerPlan
    product: Product


Observer = Callable[[Seen], None]
Correction = Callable[[int, np.ndarray], np.ndarray]
Adaptation = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
TensorObserver = Callable[[Step, np.ndarray], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Runner:
    """A network, the engine of its products and the plan of its layers, ready for any number of batches.

    Parameters
    ----------
    network : Network
    engine : Engine
    plan : Plan
    """

    network: Network
    engine: Engine
    plan: Plan
    weights: tuple[np.ndarray, ...] = field(init=False)

    def __post_init__(self):
        pairs = zip(self.network.layers, self.plan, strict=True)
        weights = tuple(plan.ordered(layer.weights if plan.weights is None else plan.weights) for layer, plan in pairs)
        object.__setattr__(self, "weights", weights)

    def __call__(
        self,
        inputs: np.ndarray,
        observe: Observer | None = None,
        tensors: TensorObserver | None = None,
        correct: Correction | None = None,
        adapt: Adaptation | None = None,
    ) -> np.ndarray:
        """Run a batch.

        Parameters
        ----------
        inputs : array [B, ...]
            In the type and shape of the network's input.
        observe : function of Seen, optional
            Called for every layer of the array.
        tensors : function of a step and its output, optional
            Called for every step.
        correct : function of a layer's index and its sums, optional
            Gives the correction of the layer's biases in place of the plan's.
        adapt : function of a layer's index, its operand and its weights, both in their order, optional
            Gives the weights to run with. Called for layers whose operand can be threaded.

        Returns
        -------
        array [B, ...]
            The network's output.
        """
        held = {self.network.input_index: inputs} | self.network.constants
        index = 0
        for step in self.network.steps:
            values = [held[i] for i in step.inputs]
            if isinstance(step.operation, Linear):
                held[step.output] = self._layer(step.operation, index, values[0], observe, correct, adapt)
                index += 1
            else:
                held[step.output] = step.operation(*values)
            if tensors is not None:
                tensors(step, held[step.output])
            for dead in step.last_use:
                held.pop(dead, None)
        return held[self.network.output_index]

    def _layer(
        self,
        layer: Linear,
        index: int,
        x: np.ndarray,
        observe: Observer | None,
        correct: Correction | None,
        adapt: Adaptation | None,
    ) -> np.ndarray:
        plan, w = self.plan[index], self.weights[index]
        lowered = layer.lower(x)
        if layer.depthwise:
            product = self.engine.depthwise(lowered, w)
        else:
            if plan.order is not None:
                lowered = ordered(lowered, plan.order)
            if adapt is not None:
                w = adapt(index, lowered, w)
            product = self.engine.product(lowered, w, plan.threads)
        if observe is not None:
            observe(Seen(layer=layer, index=index, x=lowered, w=w, plan=plan, product=product))
        return layer.finish(product.sums, correct(index, product.sums) if correct else plan.correction)
