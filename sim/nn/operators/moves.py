# SPDX-License-Identifier: Apache-2.0
"""Operators that move values and compute none: shapes, transposition, padding, and parts put together.

Each works on `[B, *shape]`, every dimension of the model behind the inputs (`sysmt.sim.nn.arrays.whole`), and is
checked once: it runs on zeros of the input's shape when it is prepared, and must give the output's.
"""

from math import prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor

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


def _moved(node: Node, operation: Operation, inputs: list[Tensor], y: Tensor) -> Operation:
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
    return _moved(node, lambda v: v.transpose(axes), [x], y)


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
    """GATHER with constant indices along one dimension."""
    x, y = check_quantised(graph, node)
    indices = graph.input_of(node, 1).constant()
    axis = axis_of(node, node.options["axis"], len(x.shape))
    n = x.shape[axis]
    if node.options["batch_dims"] or not indices.size or not 0 <= indices.min() <= indices.max() < n:
        raise UserError(f"{node.name} must have indices within {n} and no batch dimensions; export it otherwise")
    return _moved(node, lambda v: v.take(indices, axis=axis + 1), [x], y)


def pack(graph: Graph, node: Node) -> Operation:
    """PACK: tensors side by side along a new dimension."""
    y = graph.tensors[node.output]
    parts = [graph.input_of(node, i) for i in range(len(node.inputs))]
    axis = axis_of(node, node.options["axis"], len(y.shape))
    for part in parts:
        if part.dtype != y.dtype:
            raise UserError(f"{node.name} must read {y.dtype}, not {part.dtype}; quantise the model")
    return _moved(node, lambda *values: np.stack(values, axis=axis + 1), parts, y)


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
        if len(y.scale) and (part.per_tensor().scale[0] != y.scale[0] or part.z != y.z) and y.dtype != "uint8":
            raise UserError(f"{node.name} must join tensors of its own scale, not {part.name!r}; requantise them")
    scaled = [_to_scale(part, y) for part in parts]
    return _moved(
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


def pad(graph: Graph, node: Node) -> Operation:
    """PAD with the zero point, PADV2 with a value, MIRROR_PAD with the mirrored image."""
    x, y = check_quantised(graph, node)
    edges = np.array(parameter(graph, node, 1))
    rank = len(x.shape)
    if edges.size != 2 * rank or edges.min(initial=0) < 0:
        raise UserError(f"{node.name} must pad each of {rank} dimensions from 0 up, not {edges.tolist()}")
    widths = [(0, 0), *(tuple(edge) for edge in edges.reshape(rank, 2).tolist())]
    if y.shape != tuple(n + sum(edge) for n, edge in zip(x.shape, widths[1:], strict=True)):
        raise UserError(f"{node.name} must write {x.shape} with its padding, not {y.shape}; the file is damaged")
    if node.kind == "MIRROR_PAD":
        mode = node.options["mode"].lower()
        room = 1 if mode == "reflect" else 0
        if any(max(edge) > n - room for n, edge in zip(x.shape, widths[1:], strict=True)):
            raise UserError(f"{node.name} must mirror no more than there is of {x.shape}, not {edges.tolist()}")
        return whole(lambda v: np.pad(v, widths, mode=mode), (x,), y)
    fill = y.z if len(y.zero_point) else 0
    if node.kind == "PADV2":
        value = graph.input_of(node, 2)
        if value.dtype != y.dtype or value.scale.tolist() != y.scale.tolist() or value.constant().size != 1:
            raise UserError(f"{node.name} must pad with one {y.dtype} of its own scale, not {value.name!r}")
        fill = value.constant().ravel()[0].item()
    return whole(lambda v: np.pad(v, widths, constant_values=fill), (x,), y)


def space_to_batch(graph: Graph, node: Node) -> Operation:
    """SPACE_TO_BATCH_ND: padding with the zero point, then pixels of a block to different images."""
    x, y = check_quantised(graph, node)
    block, edges = _blocks(graph, node, x)
    fill = y.z if len(y.zero_point) else 0
    k = len(block)

    def run(v: np.ndarray) -> np.ndarray:
        v = np.pad(v, [(0, 0), (0, 0), *edges, *[(0, 0)] * (v.ndim - 2 - k)], constant_values=fill)
        batch, n = v.shape[:2]
        split: list[int] = []
        for size, b in zip(v.shape[2:], block, strict=False):
            split += [size // b, b]
        v = v.reshape(batch, n, *split, *v.shape[2 + k :])
        order = [0, *(3 + 2 * i for i in range(k)), 1, *(2 + 2 * i for i in range(k)), *range(2 + 2 * k, v.ndim)]
        v = v.transpose(order)
        return v.reshape(batch, n * prod(block), *(split[2 * i] for i in range(k)), *v.shape[2 + 2 * k :])

    return _moved(node, run, [x], y)


def batch_to_space(graph: Graph, node: Node) -> Operation:
    """BATCH_TO_SPACE_ND: images to the pixels of a block, then cropping."""
    x, y = check_quantised(graph, node)
    block, edges = _blocks(graph, node, x)
    k = len(block)

    def run(v: np.ndarray) -> np.ndarray:
        batch, n = v.shape[0], v.shape[1] // prod(block)
        size, rest = v.shape[2 : 2 + k], v.shape[2 + k :]
        v = v.reshape(batch, *block, n, *size, *rest)
        order = [0, 1 + k]
        for i in range(k):
            order += [2 + k + i, 1 + i]
        v = v.transpose([*order, *range(2 + 2 * k, v.ndim)])
        v = v.reshape(batch, n, *(s * b for s, b in zip(size, block, strict=True)), *rest)
        for i, (before, after) in enumerate(edges):
            v = v.take(np.arange(before, v.shape[2 + i] - after), axis=2 + i)
        return v

    return _moved(node, run, [x], y)


def _blocks(graph: Graph, node: Node, x: Tensor) -> tuple[list[int], list[tuple[int, int]]]:
    block, edges = parameter(graph, node, 1), parameter(graph, node, 2)
    if not 1 <= len(block) < len(x.shape) or len(edges) != 2 * len(block) or min([*block, 1]) < 1 or min(edges) < 0:
        raise UserError(f"{node.name} must have a block below {len(x.shape)} dimensions and its edges, not {block}")
    if max(*block, *edges) > 2**12:
        raise UserError(f"{node.name} must have a block and edges of at most {2**12}, not {block} and {edges}")
    return block, list(zip(edges[::2], edges[1::2], strict=True))


def depth_space(graph: Graph, node: Node) -> Operation:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH."""
    x, y = check_quantised(graph, node)
    block = node.options["block"]
    if len(x.shape) != 4 or not 1 <= block <= 2**8:
        raise UserError(f"{node.name} must read four dimensions in blocks from 1, not {x.shape} and {block}")
    n, high, wide, channels = x.shape
    if node.kind == "DEPTH_TO_SPACE":
        split, order = (n, high, wide, block, block, -1), (0, 1, 2, 4, 3, 5, 6)
        out = (n, high * block, wide * block, channels // block**2)
    else:
        split, order = (n, high // block, block, wide // block, block, channels), (0, 1, 2, 4, 3, 5, 6)
        out = (n, high // block, wide // block, channels * block**2)
    return _moved(node, lambda v: v.reshape(len(v), *split).transpose(order).reshape(len(v), *out), [x], y)


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
    return _moved(
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
