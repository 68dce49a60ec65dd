# SPDX-License-Identifier: Apache-2.0
"""The backward sweep: which channels somebody reads."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from sysmt.sim.nn.graph import Graph, Node

from .channels import data_inputs, role, weights_by_channel
from .constant_channels import Constants, foldable

Live = dict[int, np.ndarray]
"""Which channels of an activation stay, bool [C], by tensor."""
Rule = Callable[[Live], bool]
"""Adds the channels that must stay because others do; whether it added any."""


def live_channels(graph: Graph, constants: Constants) -> Live:
    """The channels that stay: read by somebody who cannot take them for a number, or tied to one that is.

    A layer that mixes channels reads those that have weights, but for `foldable` ones. All other operators tie the
    channels of their output to those of their inputs: where one stays, all stay. Every tensor keeps a channel at least.
    """
    states = (index for state in graph.states for index in (state.tensor, state.update))
    computed = (index for node in graph.nodes for index in node.outputs)
    live = {index: np.zeros(graph.tensors[index].shape[-1:], bool) for index in computed}
    live |= {
        index: np.ones(graph.tensors[index].shape[-1:], bool) for index in (*graph.inputs, *graph.outputs, *states)
    }
    rules = [rule for node in reversed(graph.nodes) for rule in _rules(graph, node, constants)]
    _settle(live, rules)
    for mask in live.values():
        mask.reshape(-1)[:1] |= not mask.any()
    _settle(live, rules)
    return live


def _settle(live: Live, rules: list[Rule]) -> None:
    changed = True
    while changed:
        changed = False
        for rule in rules:
            changed |= rule(live)


def _rules(graph: Graph, node: Node, constants: Constants) -> Iterator[Rule]:
    kind = role(graph, node)
    if kind == "other":
        yield partial(_whole, tensors=(*node.inputs, *node.outputs))
        return
    source, target = node.inputs[0], node.output
    channels, outputs = (graph.tensors[index].shape[-1] for index in (source, target))
    if kind == "mixes":
        reads = weights_by_channel(graph, node).any(axis=1) & ~foldable(graph, node, constants[source])
        yield partial(_mixing, source=source, target=target, reads=reads)
    elif kind == "joins":
        first = 0
        for index in node.inputs:
            count = graph.tensors[index].shape[-1]
            yield partial(_tied, source=index, target=target, places=first + np.arange(count)[:, None])
            first += count
    else:
        places = (
            np.arange(outputs).reshape(channels, -1)
            if kind == "depthwise"
            else np.arange(outputs).reshape(-1, channels).T
        )
        for index in data_inputs(graph, node):
            yield partial(_tied, source=index, target=target, places=places)


def _mixing(live: Live, *, source: int, target: int, reads: np.ndarray) -> bool:
    """`reads` bool [N, C]: the input channels that every output channel has weights for."""
    return _add(live, source, np.asarray(reads[live[target]].any(axis=0)))


def _tied(live: Live, *, source: int, target: int, places: np.ndarray) -> bool:
    """`places` int64 [C, copies]: the output channels that every input channel becomes."""
    changed = _add(live, source, live[target][places].any(axis=1))
    wanted = np.zeros_like(live[target])
    wanted[places[live[source]]] = True
    return _add(live, target, wanted) or changed


def _whole(live: Live, *, tensors: tuple[int, ...]) -> bool:
    """An operator of which nothing is known: everything that it reads or writes stays."""
    changed = False
    for index in tensors:
        changed |= index in live and _add(live, index, np.ones_like(live[index]))
    return changed


def _add(live: Live, index: int, wanted: np.ndarray) -> bool:
    new = wanted & ~live[index]
    live[index] |= new
    return bool(new.any())
