# SPDX-License-Identifier: Apache-2.0
"""From the steps of a network to layers of the engine: what runs there, what the host keeps, what lies where it is."""

from collections import Counter
from dataclasses import replace

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.layer import Addition, EngineLayer, Image
from sysmt.sim.nn.forward import LayerPlan, Plan
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.network import Network, Step
from sysmt.sim.nn.operators import arithmetic
from sysmt.sim.nn.operators.floating import is_float
from sysmt.sim.nn.operators.linear import AddBias, Linear
from sysmt.sim.nn.scales import clamp

from .images import flat_window, image_of, joined
from .lowered import Lowered, Stop
from .operators import (
    EngineCannotError,
    activation,
    average,
    identity,
    linear_layer,
    maximum,
    mean,
    pad,
    requantised,
)

RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
BYTES = ("int8", "uint8")
"""Types of activations of matrix products; other operators take the first one only."""
SCORES = "int64"
"""Type of the sums that a last layer may give (`AddBias`)."""
HOST_FIRST = ("QUANTIZE", *RESHAPES)
"""Operators that the host does in front of the first layer: it touches every input anyway."""


def lower(network: Network, plan: Plan, config: EngineConfig) -> Lowered:
    """Turn a network into layers of the engine.

    Raises
    ------
    UserError
        An operator between layers of the array cannot run on the engine; the message names it.
    """
    steps, start = network.steps, 0
    if network.more_inputs or network.more_outputs or network.states:
        raise UserError(
            f"the network must have one input, one output and no state to run on the engine, not "
            f"{len(network.inputs)}, {len(network.outputs)} and {len(network.states)}; cut the model"
        )
    while start < len(steps) and steps[start].kind in HOST_FIRST:
        start += 1
    while True:
        lowering = _Lowering(network, plan, config, start)
        stopped = lowering.run()
        if stopped is None or any(isinstance(step.operation, Linear) for step in steps[start : stopped.index]):
            return lowering.result(stopped)
        if isinstance(steps[stopped.index].operation, Linear):
            raise UserError(f"{stopped.name} cannot run on the engine: {stopped.reason}")
        start = stopped.index + 1


class _Lowering:
    """Lowers the steps from `start` on, as far as the engine can run them."""

    def __init__(self, network: Network, plan: Plan, config: EngineConfig, start: int) -> None:
        self.network, self.config, self.start = network, config, start
        linears = [step for step in network.steps if isinstance(step.operation, Linear)]
        self.plans: dict[int, LayerPlan] = {step.output: p for step, p in zip(linears, plan, strict=True)}
        self.reads = Counter(i for step in network.steps for i in set(step.inputs))
        self.reads[network.output_index] += 1
        self.layers: list[EngineLayer] = []
        self.images: dict[int, Image] = {}
        self.owner: dict[int, int] = {}
        self.joins: dict[int, tuple[int, ...]] = {}
        self.by_channel: set[int] = set()
        self.inputs: list[int] = []
        self.made: set[int] = set()

    def run(self) -> Stop | None:
        """Lower; returns where and why it stopped."""
        for index in range(self.start, len(self.network.steps)):
            step = self.network.steps[index]
            before = len(self.layers), dict(self.images), list(self.inputs)
            try:
                self._step(step)
            except EngineCannotError as error:
                del self.layers[before[0] :]
                self.images, self.inputs = before[1], before[2]
                return Stop(index, step.node.name if step.node else f"layer {step.name!r}", str(error))
            self.made.add(step.output)
        return None

    def result(self, stopped: Stop | None) -> Lowered:
        """What was lowered, with the host's share; refused where that is more than the ends of the network."""
        network = self.network
        end = len(network.steps) if stopped is None else stopped.index
        before, after = network.steps[: self.start], network.steps[end:]
        if stopped is not None and any(
            isinstance(step.operation, Linear) and not isinstance(step.operation.requantize, AddBias) for step in after
        ):
            raise UserError(
                f"{stopped.name} cannot run on the engine: {stopped.reason}; it is amid layers of the array"
            )
        wanted = {i for step in after for i in step.inputs} | {network.output_index}
        outputs = sorted(i for i in self.made if i in wanted)
        early = {step.output for step in before} | {network.input_index}
        if not self.layers:
            kinds = ", ".join(sorted({step.kind for step in network.steps})) or "an input"
            raise UserError(
                f"the network must have a layer for the engine, not only {kinds}; run it with `sysmt infer`"
            )
        if len(outputs) != 1 or len(self.inputs) != 1 or wanted & early:
            where = f"{stopped.name} cannot run on the engine: {stopped.reason}; " if stopped else ""
            raise UserError(
                f"{where}the host must go on from one tensor of the engine, not from {len(outputs)} and "
                f"{len(wanted & early)} of its own; cut the model"
            )
        return Lowered(
            layers=tuple(self.layers),
            images=self.images,
            owner=self.owner,
            joins=self.joins,
            by_channel=frozenset(self.by_channel),
            input=self.inputs[0],
            output=outputs[0],
            before=before,
            after=after,
        )

    def _step(self, step: Step) -> None:
        tensors = [step.result, *(self._tensor(index) for index in step.inputs)]
        types = BYTES if isinstance(step.operation, Linear) or step.kind in RESHAPES else ("int8",)
        for tensor in tensors:
            if tensor.shape[:1] != (1,):
                raise EngineCannotError(f"its tensor {tensor.name!r} has no batch of 1 in front but {tensor.shape}")
            if tensor.dtype not in (*types, SCORES) or (tensor.dtype == SCORES and tensor is not step.result):
                raise EngineCannotError(f"its tensor {tensor.name!r} is of {tensor.dtype}")
        if step.more_outputs:
            raise EngineCannotError("it has several outputs")
        if step.node is not None and is_float(step.node):
            raise EngineCannotError("it requantises in floating point, as ONNX has it")
        for index in step.inputs:
            if index in self.network.constants:
                raise EngineCannotError("it reads a constant as data")
            if index not in self.images:
                if index in self.made:
                    raise EngineCannotError("it reads a tensor that is not in memory")
                self.images[index] = image_of(self._tensor(index).shape)
                self.inputs.append(index)
        if isinstance(step.operation, Linear):
            self._linear(step, step.operation)
        elif step.kind in RESHAPES:
            self._reshape(step)
        elif self.network.graph is None or step.node is None:
            raise EngineCannotError("its attributes are not known")
        elif step.kind == "ADD":
            self._add(step, self.network.graph, step.node)
        elif step.kind == "CONCATENATION":
            self._concatenation(step, self.network.graph, step.node)
        else:
            self._window(step, self.network.graph, step.node)

    def _tensor(self, index: int) -> Tensor:
        if index == self.network.input_index:
            return self.network.input
        if index in self.network.constants and self.network.graph is not None:
            return self.network.graph.tensors[index]
        found = (t for step in self.network.steps for i, t in self._written(step) if i == index)
        return next(found)

    @staticmethod
    def _written(step: Step) -> list[tuple[int, Tensor]]:
        return list(zip(step.outputs, (step.result, *step.more_results), strict=True))

    def _linear(self, step: Step, linear: Linear) -> None:
        source = step.inputs[0]
        geometry, channels = flat_window(self.images[source], linear.layer)
        layer = linear_layer(step, linear, self.plans[step.output], geometry, channels, self.config)
        self._append(layer, image_of(step.result.shape))

    def _window(self, step: Step, graph: Graph, node: Node) -> None:
        """Operators on a single tensor: pooling, MEAN, PAD, activations, QUANTIZE."""
        makers = {
            "AVERAGE_POOL_2D": average,
            "MAX_POOL_2D": maximum,
            "MEAN": mean,
            "PAD": pad,
            "QUANTIZE": requantised,
            **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"), activation),
        }
        if step.kind not in makers:
            raise EngineCannotError("the engine has no such operator")
        self._append(makers[step.kind](step, graph, node, self.images[step.inputs[0]]), image_of(step.result.shape))

    def _append(self, layer: EngineLayer, image: Image) -> None:
        down, across = layer.geometry.out_size
        if image[0] * image[1] != down * across or image[2] != layer.outputs:
            raise EngineCannotError(f"its output {image} is not laid out as {(down, across, layer.outputs)}")
        self.images[layer.target] = image
        self.layers.append(layer)

    def _reshape(self, step: Step) -> None:
        source = step.inputs[0]
        image, wanted = self.images[source], image_of(step.result.shape)
        if wanted[2] != image[2]:
            # A flattened tensor keeps its pixels: what reads it goes through them in their order.
            if wanted[:2] != (1, 1):
                raise EngineCannotError("it mixes channels and pixels")
            wanted = image
        self.images[step.output] = wanted
        self.owner[step.output] = source

    def _add(self, step: Step, graph: Graph, node: Node) -> None:
        a, b = step.inputs
        if len({self.images[a], self.images[b], image_of(step.result.shape)}) != 1:
            raise EngineCannotError("it adds tensors of different shapes")
        fusable = [i for i in (a, b) if a != b and self._waits_for_sum(i)]
        # Behind the layer whose tiles take longest: there requantisers that add have the most time.
        main = max(
            fusable, key=lambda i: (self._tile_steps(i), self._made_at(i)), default=max((a, b), key=self._made_at)
        )
        residual = a + b - main
        *scales, total = arithmetic.add_multipliers(graph.tensors[a], graph.tensors[b], step.result)
        by_tensor = dict(zip((a, b), scales, strict=True))
        low, high = clamp(node.options["activation"], step.result)
        addition = Addition(
            residual=residual,
            main=by_tensor[main],
            other=by_tensor[residual],
            total=total,
            main_zero=graph.tensors[main].z,
            residual_zero=graph.tensors[residual].z,
            zero_point=step.result.z,
            low=low,
            high=high,
        )
        image = self.images[main]
        if not fusable:
            self._append(replace(identity(step.name, main, step.output, image), kind="ADD", addition=addition), image)
            return
        # Nothing but the sum reads the layer's result: it may run as late as the sum, when the residual is there.
        layer = self.layers.pop(self._made_at(main))
        kind = f"{layer.kind} + ADD"
        self.layers.append(replace(layer, name=step.name, kind=kind, target=step.output, addition=addition))
        self.images[step.output] = self.images.pop(main)
        self.made.discard(main)

    def _waits_for_sum(self, tensor: int) -> bool:
        """Whether a layer computes a tensor for one reader alone, and adds nothing yet."""
        layers = [layer for layer in self.layers if layer.target == tensor]
        return self.reads[tensor] == 1 and any(layer.addition is None for layer in layers)

    def _tile_steps(self, tensor: int) -> int:
        """Steps that a tile of the layer that computes a tensor takes, about."""
        product = next(layer.product for layer in self.layers if layer.target == tensor)
        return 0 if product is None else len(product.weights) // product.threads

    def _made_at(self, tensor: int) -> int:
        """The layer behind which a tensor is complete; -1 for the input."""
        if tensor in self.owner:
            return self._made_at(self.owner[tensor])
        if tensor in self.joins:
            return max(self._made_at(part) for part in self.joins[tensor])
        return next((i for i, layer in enumerate(self.layers) if layer.target == tensor), -1)

    def _concatenation(self, step: Step, graph: Graph, node: Node) -> None:
        rank = len(step.result.shape)
        axis = node.options["axis"] % rank
        images = [self.images[i] for i in step.inputs]
        wanted = image_of(step.result.shape)
        for tensor in (self._tensor(i) for i in step.inputs):
            if tensor.scale[0] != step.result.scale[0] or tensor.z != step.result.z:
                raise EngineCannotError("it joins tensors of several scales")
        by_channel = joined(images, wanted, axis, rank)
        taken = {part for parts in self.joins.values() for part in parts}
        parts: list[int] = []
        produced = {layer.target for layer in self.layers}
        for part in step.inputs:
            if part not in produced or part in taken or step.inputs.count(part) > 1:
                copy = -2 - sum(tensor < 0 for tensor in self.images)
                self._append(
                    replace(identity(step.name, part, copy, self.images[part]), kind="copy"), self.images[part]
                )
                parts.append(copy)
            else:
                parts.append(part)
        self.joins[step.output] = tuple(parts)
        self.images[step.output] = wanted
        if by_channel:
            self.by_channel.add(step.output)
