# SPDX-License-Identifier: Apache-2.0
"""Operators that pad, and those that move pixels between images, channels and places: PAD, PADV2, MIRROR_PAD,
SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND, DEPTH_TO_SPACE, SPACE_TO_DEPTH."""

from math import prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor

from .elementwise import check_quantised
from .moves import moved, parameter


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

    return moved(node, run, [x], y)


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

    return moved(node, run, [x], y)


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
    if node.kind == "SPACE_TO_DEPTH" and x.dtype == "int16":
        raise UserError(f"{node.name} must read 8 bits or plain integers, not int16; requantise the model")
    if len(x.shape) != 4 or not 1 <= block <= 2**8:
        raise UserError(f"{node.name} must read four dimensions in blocks from 1, not {x.shape} and {block}")
    n, high, wide, channels = x.shape
    if node.kind == "DEPTH_TO_SPACE":
        split, order = (n, high, wide, block, block, -1), (0, 1, 2, 4, 3, 5, 6)
        out = (n, high * block, wide * block, channels // block**2)
    else:
        split, order = (n, high // block, block, wide // block, block, channels), (0, 1, 2, 4, 3, 5, 6)
        out = (n, high // block, wide // block, channels * block**2)
    return moved(node, lambda v: v.reshape(len(v), *split).transpose(order).reshape(len(v), *out), [x], y)
