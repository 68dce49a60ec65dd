# SPDX-License-Identifier: Apache-2.0
"""Operators that pick values: SLICE, STRIDED_SLICE, GATHER, GATHER_ND, EMBEDDING_LOOKUP, REVERSE_V2."""

from math import prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor

from .elementwise import check_alike, check_quantised
from .moves import axis_of, moved, parameter


def take(graph: Graph, node: Node) -> Operation:
    """STRIDED_SLICE and SLICE."""
    x, y = check_quantised(graph, node)
    picks = _slices(graph, node, x) if node.kind == "SLICE" else _strided(graph, node, x)

    def run(v: np.ndarray) -> np.ndarray:
        for axis, pick in enumerate(picks):
            v = v.take(pick, axis=axis + 1)
        return v.reshape(len(v), *y.shape)

    lengths = [len(pick) for pick in picks]
    if prod(lengths) != prod(y.shape) or min(lengths, default=1) < 1:
        raise UserError(f"{node.name} must take {lengths} of {x.shape}, not {y.shape}; the file is damaged")
    return whole(run, (x,), y)


def _slices(graph: Graph, node: Node, x: Tensor) -> list[np.ndarray]:
    begin, size = parameter(graph, node, 1), parameter(graph, node, 2)
    if len(begin) != len(x.shape) or len(size) != len(x.shape):
        raise UserError(f"{node.name} must have {len(x.shape)} begins and sizes, not {len(begin)} and {len(size)}")
    picks = []
    for first, length, n in zip(begin, size, x.shape, strict=True):
        stop = n if length == -1 else first + length
        if not 0 <= first < stop <= n:
            raise UserError(f"{node.name} must stay within {x.shape}, not take {size} from {begin}")
        picks.append(np.arange(first, stop))
    return picks


def _strided(graph: Graph, node: Node, x: Tensor) -> list[np.ndarray]:
    """The indices of every dimension, by the rules of tf.strided_slice."""
    begin, end, stride = (parameter(graph, node, i) for i in (1, 2, 3))
    if not len(begin) == len(end) == len(stride):
        raise UserError(f"{node.name} must have as many begins as ends and strides, not {begin}, {end} and {stride}")
    mask = node.options
    picks: list[np.ndarray] = []
    new = sum((mask["newaxismask"] >> i) & 1 for i in range(len(begin)))
    for i, (first, last, step) in enumerate(zip(begin, end, stride, strict=True)):
        bit = 1 << i
        if mask["ellipsismask"] & bit:
            rest = len(x.shape) - len(picks) - (len(begin) - i - 1 - new)
            picks += [np.arange(n) for n in x.shape[len(picks) : len(picks) + max(0, rest)]]
            continue
        if mask["newaxismask"] & bit:
            new -= 1
            continue
        if len(picks) >= len(x.shape) or step == 0:
            raise UserError(f"{node.name} must slice {len(x.shape)} dimensions with strides that are not 0")
        n = x.shape[len(picks)]
        low, high = (0, n) if step > 0 else (-1, n - 1)
        last = last + first if mask["offset"] else last
        start = (low if step > 0 else high) if mask["beginmask"] & bit else _clamped(first, n, low, high)
        stop = (high if step > 0 else low) if mask["endmask"] & bit else _clamped(last, n, low, high)
        if mask["shrinkaxismask"] & bit:
            if not -n <= first < n:
                raise UserError(f"{node.name} must pick an index within {n}, not {first}")
            picks.append(np.array([first % n]))
        else:
            picks.append(np.arange(start, stop, step))
    return picks + [np.arange(n) for n in x.shape[len(picks) :]]


def _clamped(index: int, n: int, low: int, high: int) -> int:
    return min(max(index + n if index < 0 else index, low), high)


def gather(graph: Graph, node: Node) -> Operation:
    """GATHER along one dimension, with constant or computed indices (an embedding)."""
    x, y = check_quantised(graph, node)
    chosen = graph.input_of(node, 1)
    axis = axis_of(node, node.options["axis"], len(x.shape))
    n = x.shape[axis]
    if chosen.data is None:
        return _gather_computed(node, x, chosen, y, axis)
    indices = chosen.constant()
    if node.options["batch_dims"] or not indices.size or not 0 <= indices.min() <= indices.max() < n:
        raise UserError(f"{node.name} must have indices within {n} and no batch dimensions; export it otherwise")
    return moved(node, lambda v: v.take(indices, axis=axis + 1), [x], y)


def _gather_computed(node: Node, x: Tensor, chosen: Tensor, y: Tensor, axis: int) -> Operation:
    shape = x.shape[:axis] + chosen.shape + x.shape[axis + 1 :]
    if node.options["batch_dims"] or chosen.dtype not in ("int32", "int64") or y.shape != shape:
        raise UserError(
            f"{node.name} must pick {shape} by integers and have no batch dimensions, not {y.shape} by {chosen.dtype}"
        )

    def run(v: np.ndarray, indices: np.ndarray) -> np.ndarray:
        _check_within(node, indices, x.shape[axis])
        return np.stack([one.take(places, axis=axis) for one, places in zip(v, indices, strict=True)])

    return whole(run, (x, chosen), y)


def embedding(graph: Graph, node: Node) -> Operation:
    """EMBEDDING_LOOKUP: rows of a constant table, by computed indices."""
    chosen, x, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    rows = x.constant()
    check_alike(node, x, y)
    if x.dtype not in ("int8", "uint8", "int16", "int32", "int64") or not rows.ndim:
        raise UserError(f"{node.name} must pick rows of integers, not of {x.dtype} {x.shape}; quantise the model")
    if chosen.dtype != "int32" or len(chosen.shape) != 1 or y.shape != (*chosen.shape, *x.shape[1:]):
        raise UserError(f"{node.name} must pick {y.shape} by one int32 each, not by {chosen.dtype} {chosen.shape}")

    def run(indices: np.ndarray) -> np.ndarray:
        _check_within(node, indices, len(rows))
        return rows.take(indices, axis=0)

    return whole(run, (chosen,), y)


def _check_within(node: Node, indices: np.ndarray, n: int) -> None:
    """Refuse indices that are computed and point at nothing."""
    if indices.min(initial=0) < 0 or indices.max(initial=0) >= n:
        raise UserError(f"{node.name} must be given indices from 0 to {n - 1}, not others")


def gather_points(graph: Graph, node: Node) -> Operation:
    """GATHER_ND with constant indices."""
    x, y = check_quantised(graph, node)
    indices = graph.input_of(node, 1).constant()
    depth = indices.shape[-1] if indices.ndim else 0
    if not 1 <= depth <= len(x.shape) or not np.issubdtype(indices.dtype, np.integer) or not indices.size:
        raise UserError(f"{node.name} must have indices of up to {len(x.shape)} integers, not {indices.shape}")
    limits = np.array(x.shape[:depth])
    if (indices < 0).any() or (indices >= limits).any():
        raise UserError(f"{node.name} must have indices within {tuple(limits.tolist())}; the file is damaged")
    place = (slice(None), *np.moveaxis(indices, -1, 0))
    return moved(node, lambda v: v[place], [x], y)


def reverse(graph: Graph, node: Node) -> Operation:
    """REVERSE_V2."""
    x, y = check_quantised(graph, node)
    axes = tuple(axis_of(node, axis, len(x.shape)) + 1 for axis in parameter(graph, node, 1))
    return moved(node, lambda v: np.flip(v, axes), [x], y)
