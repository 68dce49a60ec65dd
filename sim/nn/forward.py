# SPDX-License-Identifier: Apache-2.0
"""Runs a network on a batch of inputs, every layer as its plan says."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sysmt.sim.golden.product import Product
from sysmt.sim.golden.zero_point import distances
from sysmt.sim.nn.operators.linear import Linear

from .arrays import join, joined
from .depthwise_patches import DepthwiseLowering
from .engines import Engine
from .graph import Tensor
from .network import Network, Step
from .permutation import PADDING_SLOT, permuted


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPlan:
    """How one layer runs.

    Parameters
    ----------
    threads : int
    permutation : int64 [at least K] or None
        The static order of K: slot p of the reduction takes operand `permutation[p]` (MICRO 2020, section 4.2), or
        zeros where that is `PADDING_SLOT`.
    correction : int64 [N] or None
        Added to the integer biases (recalibration).
    weights : int8 [K, N] or None
        In place of the layer's own, in the natural order of K (adaptation).
    lowering : DepthwiseLowering or None
        Of a depthwise layer: the products that it becomes, on the threads said there; None runs it channel by channel
        on one thread. It changes no result.
    """

    threads: int = 1
    permutation: np.ndarray | None = None
    correction: np.ndarray | None = None
    weights: np.ndarray | None = None
    lowering: DepthwiseLowering | None = None

    def slots(self, k: int) -> int:
        """Length of the reduction of K operands, the padding slots included."""
        return k if self.permutation is None else len(self.permutation)

    def permuted(self, weights: np.ndarray) -> np.ndarray:
        """Weights [K, N] in their slots, zeros in the padding slots."""
        return weights if self.permutation is None else np.ascontiguousarray(permuted(weights.T, self.permutation).T)

    def natural(self, weights: np.ndarray) -> np.ndarray:
        """The inverse: weights in their slots put back, [K, N]."""
        if self.permutation is None:
            return weights
        slots = np.flatnonzero(self.permutation != PADDING_SLOT)
        restored = np.empty((len(slots), weights.shape[1]), weights.dtype)
        restored[self.permutation[slots]] = weights[slots]
        return restored


Plan = tuple[LayerPlan, ...]
"""One entry per layer of the array, in the order of `Network.linears`."""


def exact_plan(network: Network) -> Plan:
    """Every layer on one thread."""
    return tuple(LayerPlan() for _ in network.linears)


def threaded(network: Network) -> tuple[bool, ...]:
    """Which layers NB-SMT may take: all but the first, the last and depthwise ones.

    Papers on quantisation leave the first and the last exact.
    """
    last = len(network.linears) - 1
    return tuple(0 < i < last and not linear.depthwise for i, linear in enumerate(network.linears))


def threaded_plan(network: Network, threads: int) -> Plan:
    """Every layer that NB-SMT may take on so many threads, the others on one."""
    return tuple(LayerPlan(threads=threads if may else 1) for may in threaded(network))


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTrace:
    """What an observer is shown of a layer.

    Parameters
    ----------
    linear : Linear
    index : int
        Its place in `Network.linears`.
    x : uint8
        The im2col operand, permuted as the array sees it: [M, slots], of a depthwise layer [M, taps, C].
    w : int8
        The weights, permuted alike.
    plan : LayerPlan
    product : Product
    zero : int
        The zero point that the array took off x (`Engine.takes_zero`); 0 where it took x as it is.
    """

    linear: Linear
    index: int
    x: np.ndarray
    w: np.ndarray
    plan: LayerPlan
    product: Product
    zero: int = 0

    @property
    def operands(self) -> np.ndarray:
        """The activations as the array means them, 0 being none: x, or int16 distances from the zero point."""
        return distances(self.x, self.zero) if self.zero else self.x


Observer = Callable[[LayerTrace], None]
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

    def __post_init__(self) -> None:
        pairs = zip(self.network.linears, self.plan, strict=True)
        weights = tuple(
            plan.permuted(linear.weights if plan.weights is None else plan.weights) for linear, plan in pairs
        )
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
        inputs : array [B, ...], or a structured array [B]
            In the type and shape of the network's input; of several inputs, a field for each (`sysmt.sim.nn.batches`).
            A network with states takes them one after the other, and forgets when it returns.
        observe : function of LayerTrace, optional
            Called for every layer of the array.
        tensors : function of a step and its output, optional
            Called for every step.
        correct : function of a layer's index and its sums, optional
            Gives the correction of the layer's biases in place of the plan's.
        adapt : function of a layer's index, its operand and its weights, both permuted, optional
            Gives the weights to run with. Called for layers whose operand can be threaded.

        Returns
        -------
        array [B, ...]
            The network's output; of several the first.
        """
        return self.all_outputs(inputs, observe, tensors, correct, adapt)[0]

    def all_outputs(
        self,
        inputs: np.ndarray,
        observe: Observer | None = None,
        tensors: TensorObserver | None = None,
        correct: Correction | None = None,
        adapt: Adaptation | None = None,
    ) -> tuple[np.ndarray, ...]:
        """The same, to a tuple of all outputs."""
        state = {state.tensor: join(state.initial, tensor.shape) for state, tensor in self.network.states}
        if not state or len(inputs) < 2:
            return self._pass(inputs, state, observe, tensors, correct, adapt)
        one_by_one = [
            self._pass(inputs[i : i + 1], state, observe, tensors, correct, adapt) for i in range(len(inputs))
        ]
        return tuple(np.concatenate(values) for values in zip(*one_by_one, strict=True))

    def _pass(
        self,
        inputs: np.ndarray,
        state: dict[int, np.ndarray],
        observe: Observer | None,
        tensors: TensorObserver | None,
        correct: Correction | None,
        adapt: Adaptation | None,
    ) -> tuple[np.ndarray, ...]:
        """One pass through all steps; what they leave behind goes into `state`."""
        fields = inputs.dtype.names
        parts = [inputs] if fields is None else [np.ascontiguousarray(inputs[field]) for field in fields]
        values = {i: part for (i, _), part in zip(self.network.inputs, parts, strict=True)}
        values |= self.network.constants | state
        index = 0
        for step in self.network.steps:
            operands = [values[i] for i in step.inputs]
            if isinstance(step.operation, Linear):
                values[step.output] = self._linear(step.operation, index, operands[0], observe, correct, adapt)
                index += 1
            else:
                result = step.operation(*operands)
                values |= zip(step.outputs, result if isinstance(result, tuple) else (result,), strict=True)
            if tensors is not None:
                tensors(step, values[step.output])
            for dead in step.last_use:
                values.pop(dead, None)
        state.update({state.tensor: values[state.update] for state, _ in self.network.states})
        return tuple(_repeated(values[i], tensor, len(inputs)) for i, tensor in self.network.outputs)

    def traced(self, inputs: np.ndarray) -> tuple[np.ndarray, list[LayerTrace]]:
        """The output of a batch, and the trace of every layer."""
        traces: list[LayerTrace] = []
        return self(inputs, traces.append), traces

    def _linear(
        self,
        linear: Linear,
        index: int,
        x: np.ndarray,
        observe: Observer | None,
        correct: Correction | None,
        adapt: Adaptation | None,
    ) -> np.ndarray:
        plan, w = self.plan[index], self.weights[index]
        zero = linear.zero if self.engine.takes_zero else 0
        rows = natural = linear.im2col(x)
        if linear.depthwise:
            product = self.engine.depthwise(rows, w, plan.lowering, zero)
        else:
            if plan.permutation is not None:
                rows = permuted(rows, plan.permutation, zero)
            if adapt is not None:
                w = adapt(index, rows, w)
            product = self.engine.product(rows, w, plan.threads, zero)
        if observe is not None:
            observe(LayerTrace(linear=linear, index=index, x=rows, w=w, plan=plan, product=product, zero=zero))
        return linear.finish(product.sums, correct(index, product.sums) if correct else plan.correction, natural)


def _repeated(values: np.ndarray, tensor: Tensor, count: int) -> np.ndarray:
    """An output that no input changes has a value for each of them all the same."""
    shape = (count, *joined(tensor.shape))
    return values if values.shape == shape else np.array(np.broadcast_to(values, shape))
