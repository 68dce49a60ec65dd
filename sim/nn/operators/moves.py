# SPDX-License-Identifier: Apache-2.0
"""Operators that move values and compute none: shapes, transposition, and parts put together.

Each works on `[B, *shape]`, every dimension of the model behind the inputs (`sysmt.sim.nn.arrays.whole`), and is
checked once: it runs on zeros of the input's shape when it is prepared, and must give the output's.
"""

from math import prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor

from . import floating
from .elementwise import check_quantised


def parameter(graph: Graph, node: Node, position: int) -> list[int]:
    """A constant input of integers."""
    tensor = graph.input_of(node, position)
    if tensor.dtype not in ("int32", "int64", "int16"):
        raise UserError(f"{node.name}: tensor {tensor.name!r} must be of integers, not {tensor.dtype}")
    values: list[int] = tensor.constant().ravel().astype(np.int64).tolist()
    return values


def axis_of(node: Node, axis: int, rank: int) -> int:
    """A dimension counted from the front."""
    if not -rank <= axis < rank:
        raise UserError(f"{node.name} must have an axis within {-rank}..{rank - 1}, not {axis}")
    return axis % rank


def moved(node: Node, operation: Operation, inputs: list[Tensor], y: Tensor) -> Operation:
    """The operation, once it is known to give the output's shape."""
    shapes = [tensor.shape for tensor in inputs]
    try:
        # Views of a single zero: whatever the shape, it takes no memory until something is copied.
        found = operation(*(np.broadcast_to(np.zeros(1, np.int8), (1, *shape)) for shape in shapes)).shape[1:]
    except (ValueError, IndexError):
        found = None
    if found != y.shape:
        raise UserError(f"{node.name} must turn {', '.join(map(str, shapes))} into {found}, not {y.shape}")
    return whole(operation, inputs, y)


def reshape(graph: Graph, node: Node) -> Operation:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the target is the output's own shape."""
    x, y = check_quantised(graph, node)
    if prod(x.shape) != prod(y.shape):
        raise UserError(f"{node.name} must keep all values, not turn {x.shape} into {y.shape}")
    if node.kind == "RESHAPE" and len(node.inputs) > 1 and graph.input_of(node, 1).data is not None:
        target = parameter(graph, node, 1)
        free = prod(n for n in target if n != -1)
        found = tuple(prod(x.shape) // max(1, free) if n == -1 else n for n in target)
        if found != y.shape and found != (0,):  # (0,) stood for a scalar
            raise UserError(f"{node.name} must write {found}, not {y.shape}; the file is damaged")
    return whole(lambda v: v.reshape(len(v), *y.shape), (x,), y)


def transpose(graph: Graph, node: Node) -> Operation:
    """TRANSPOSE."""
    x, y = check_quantised(graph, node)
    order = parameter(graph, node, 1)
    if sorted(order) != list(range(len(x.shape))):
        raise UserError(f"{node.name} must have a permutation of {len(x.shape)} dimensions, not {order}")
    axes = (0, *(axis + 1 for axis in order))
    return moved(node, lambda v: v.transpose(axes), [x], y)


def pack(graph: Graph, node: Node) -> Operation:
    """PACK: tensors side by side along a new dimension."""
    y = graph.tensors[node.output]
    parts = [graph.input_of(node, i) for i in range(len(node.inputs))]
    axis = axis_of(node, node.options["axis"], len(y.shape))
    for part in parts:
        if part.dtype != y.dtype:
            raise UserError(f"{node.name} must read {y.dtype}, not {part.dtype}; quantise the model")
    return moved(node, lambda *values: np.stack(values, axis=axis + 1), parts, y)


def concatenation(graph: Graph, node: Node) -> Operation:
    """CONCATENATION along any dimension; of int8 and int16 tensors with the output's scale."""
    y = graph.tensors[node.output]
    parts = [graph.input_of(node, i) for i in range(len(node.inputs))]
    axis = axis_of(node, node.options["axis"], len(y.shape))
    if node.options["activation"] != "NONE":
        raise UserError(f"{node.name} must join without an activation, not {node.options['activation']}")
    for part in parts:
        if part.dtype != y.dtype or len(part.scale) != len(y.scale):
            raise UserError(f"{node.name} must join {y.dtype}, not {part.dtype}; quantise the model")
        other = len(y.scale) and (part.per_tensor().scale[0] != y.scale[0] or part.z != y.z)
        if other and y.dtype != "uint8" and not floating.is_float(node):
            raise UserError(f"{node.name} must join tensors of its own scale, not {part.name!r}; requantise them")
    scaled = [floating.rescale(part, y) if floating.is_float(node) else _to_scale(part, y) for part in parts]
    return moved(
        node,
        lambda *values: np.concatenate([f(v) for f, v in zip(scaled, values, strict=True)], axis=axis + 1),
        parts,
        y,
    )


def _to_scale(part: Tensor, y: Tensor) -> Operation:
    """uint8 tensors of another scale are rescaled in single precision (ConcatenationWithScaling)."""
    if y.dtype != "uint8" or (part.scale[:1].tolist() == y.scale[:1].tolist() and part.z == y.z):
        return lambda v: v
    scale = part.scale[0] * (np.float32(1) / y.scale[0])
    bias = np.float32(-part.z) * scale

    def run(v: np.ndarray) -> np.ndarray:
        real = (v.astype(np.float32) * scale + bias).astype(np.float32)
        rounded = np.trunc(real) + np.where(np.abs(real - np.trunc(real)) >= 0.5, np.sign(real), 0)
        codes: np.ndarray = np.clip(rounded.astype(np.int64) + y.z, 0, 255)
        return codes.astype(np.uint8)

    return run


def tile(graph: Graph, node: Node) -> Operation:
    """TILE."""
    x, y = check_quantised(graph, node)
    times = parameter(graph, node, 1)
    if tuple(n * t for n, t in zip(x.shape, times, strict=False)) != y.shape or len(times) != len(x.shape):
        raise UserError(f"{node.name} must repeat {x.shape} to {y.shape}, not {times} times")
    return whole(lambda v: np.tile(v, (1, *times)), (x,), y)


def broadcast(graph: Graph, node: Node) -> Operation:
    """BROADCAST_TO."""
    x, y = check_quantised(graph, node)
    rank = len(y.shape)
    return moved(
        node,
        lambda v: np.broadcast_to(v.reshape(len(v), *(1,) * (rank + 1 - v.ndim), *v.shape[1:]), (len(v), *y.shape)),
        [x],
        y,
    )


def fill(graph: Graph, node: Node) -> Operation:
    """FILL of a constant shape."""
    value, y = graph.input_of(node, 1), graph.tensors[node.output]
    if tuple(parameter(graph, node, 0)) != y.shape or value.shape != () or value.dtype != y.dtype:
        raise UserError(f"{node.name} must fill {y.shape} of {y.dtype} with one value; the file is damaged")
    return whole(lambda v: np.broadcast_to(v.reshape(len(v), *(1,) * len(y.shape)), (len(v), *y.shape)), (value,), y)
