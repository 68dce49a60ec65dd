# SPDX-License-Identifier: Apache-2.0
"""Removes channels that are constant, or that nobody reads, without changing a value of any other."""

from dataclasses import dataclass, replace

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import INT32
from sysmt.sim.nn.graph import ABSENT, Graph, Node, Tensor

from .channels import role, weights_by_channel
from .constant_channels import VARIES, Constants, constant_channels
from .live_channels import Live, live_channels
from .result import Pass


def remove_dead_channels(graph: Graph) -> Pass:
    """Remove dead channels.

    An output channel whose weights are all zero is a constant, its requantised bias: layers that read it take it into
    their own biases, unless they pad and the constant is not the zero point. One sweep forward finds constants, one
    backward what nobody reads. Inputs and outputs of the network keep all channels.
    """
    constants = constant_channels(graph)
    live = live_channels(graph, constants)
    removal = _Removal(graph, constants, live)
    changes = []
    for node in graph.nodes:
        mask = live[node.output]
        if not mask.all():
            constant = int(np.count_nonzero(~mask & (constants[node.output] != VARIES)))
            gone = int(np.count_nonzero(~mask))
            changes.append(f"{node.name}: {gone} of {len(mask)} channels removed, {constant} of them constant")
    return Pass(removal.graph(), tuple(changes))


@dataclass(frozen=True, eq=False)
class _Removal:
    """The graph with nothing but the live channels."""

    before: Graph
    constants: Constants
    live: Live

    def graph(self) -> Graph:
        """The graph; weights and biases that change are new tensors behind the old ones."""
        tensors = [self._tensor(index, tensor) for index, tensor in enumerate(self.before.tensors)]
        nodes = []
        for node in self.before.nodes:
            if role(self.before, node) == "repeats":
                node = replace(node, inputs=node.inputs[:1])  # the shape that is stored may no longer be the output's
            parameters = self._parameters(node)
            if parameters:
                node = replace(node, inputs=(node.inputs[0], *range(len(tensors), len(tensors) + len(parameters))))
                tensors += parameters
            nodes.append(node)
        return replace(self.before, tensors=tuple(tensors), nodes=tuple(nodes))

    def _tensor(self, index: int, tensor: Tensor) -> Tensor:
        if index not in self.live or self.live[index].all():
            return tensor
        return replace(tensor, shape=(*tensor.shape[:-1], int(np.count_nonzero(self.live[index]))))

    def _parameters(self, node: Node) -> list[Tensor]:
        """Weights and, if there is one, bias of a layer that lost channels; of others nothing."""
        kind = role(self.before, node)
        source, target = self.live.get(node.inputs[0]), self.live[node.output]
        if kind not in ("mixes", "depthwise") or source is None or (source.all() and target.all()):
            return []
        w = self.before.input_of(node, 1)
        if kind == "depthwise":
            data, fold = w.constant()[..., target], np.zeros(np.count_nonzero(target), np.int64)
        else:
            by_channel = weights_by_channel(self.before, node)[target]
            kept = by_channel[:, :, source]
            data = kept.reshape(len(kept), *w.shape[1:-1], -1)
            fold = self._folded(node, by_channel)
        per_channel = len(w.scale) > 1
        weights = replace(
            w,
            shape=data.shape,
            data=np.ascontiguousarray(data),
            scale=w.scale[target] if per_channel else w.scale,
            zero_point=w.zero_point[target] if per_channel else w.zero_point,
        )
        return [weights, *self._bias(node, target, fold)]

    def _folded(self, node: Node, by_channel: np.ndarray) -> np.ndarray:
        """What removed input channels add to the sums: int64 [N]."""
        values, z = self.constants[node.inputs[0]], self.before.input_of(node, 0).z
        gone = ~self.live[node.inputs[0]] & (values != VARIES)
        folded: np.ndarray = by_channel[:, :, gone].astype(np.int64).sum(axis=1) @ (values[gone] - z)
        return folded

    def _bias(self, node: Node, target: np.ndarray, fold: np.ndarray) -> list[Tensor]:
        has_bias = len(node.inputs) > 2 and node.inputs[2] != ABSENT
        if not has_bias and not fold.any():
            return []
        if has_bias:
            old = self.before.input_of(node, 2)
        else:
            old = Tensor(name=f"{self.before.tensors[node.output].name}/bias", shape=(len(target),), dtype="int32")
        values = fold + (old.constant()[target] if has_bias else 0)
        if not INT32.min <= values.min() <= values.max() <= INT32.max:
            raise UserError(f"{node.name} must have a bias within int32 with its constant channels; leave passes out")
        return [replace(old, shape=values.shape, data=values.astype(np.int32))]
