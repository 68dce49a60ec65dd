# SPDX-License-Identifier: Apache-2.0
"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of integers.

Source: TensorFlow Lite, kernels/internal/reference/resize_nearest_neighbor.h, resize_bilinear.h.
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor

from .elementwise import check_quantised
from .moves import parameter

BITS = 10
"""Fraction bits of a position in the image."""


def _sizes(graph: Graph, node: Node) -> tuple[Tensor, Tensor]:
    x, y = check_quantised(graph, node)
    size = parameter(graph, node, 1)
    if len(x.shape) != 4 or len(size) != 2 or y.shape != (x.shape[0], *size, x.shape[3]):
        raise UserError(f"{node.name} must turn {x.shape} into images of {size}, not {y.shape}; the file is damaged")
    if node.options["align_corners"] and node.options["half_pixel_centers"]:
        raise UserError(f"{node.name} must have aligned corners or half-pixel centres, not both; export it again")
    return x, y


def nearest(graph: Graph, node: Node) -> Operation:
    """RESIZE_NEAREST_NEIGHBOR."""
    x, y = _sizes(graph, node)
    align, half = node.options["align_corners"], node.options["half_pixel_centers"]
    rows, columns = (_nearest(n, m, align, half) for n, m in zip(x.shape[1:3], y.shape[1:3], strict=True))
    return whole(lambda v: v.take(rows, axis=2).take(columns, axis=3), (x,), y)


def _nearest(size: int, wanted: int, align: bool, half: bool) -> np.ndarray:
    """For every pixel of the output the one of the input, in single precision as the kernel computes it."""
    scale = np.float32(size - 1) / np.float32(wanted - 1) if align and wanted > 1 else np.float32(size) / wanted
    offset = np.float32(0.5 if half else 0.0)
    place = (np.arange(wanted).astype(np.float32) + offset) * np.float32(scale)
    index = np.floor(place + np.float32(0.5)) if align else np.floor(place)
    clipped: np.ndarray = np.clip(index.astype(np.int64), 0 if half else None, size - 1)
    return clipped


def bilinear(graph: Graph, node: Node) -> Operation:
    """RESIZE_BILINEAR of int8 and int16, in fixed point, and of uint8, in single precision."""
    x, y = _sizes(graph, node)
    if x.dtype == "uint8":
        return _bilinear_single(node, x, y)
    if x.dtype not in ("int8", "int16"):
        raise UserError(f"{node.name} must be of 8 or 16 bits, not {x.dtype}; quantise the model otherwise")
    align, half = node.options["align_corners"], node.options["half_pixel_centers"]
    (top, bottom, down), (left, right, across) = (
        _between(n, m, align, half) for n, m in zip(x.shape[1:3], y.shape[1:3], strict=True)
    )
    down_, across_ = down[:, None, None], across[None, :, None]
    one = 1 << BITS

    def run(v: np.ndarray) -> np.ndarray:
        v = v.astype(np.int64)
        upper, lower = v.take(top, axis=2), v.take(bottom, axis=2)
        total = upper.take(left, axis=3) * (one - down_) * (one - across_)
        total += lower.take(left, axis=3) * down_ * (one - across_)
        total += upper.take(right, axis=3) * (one - down_) * across_
        total += lower.take(right, axis=3) * down_ * across_
        # To the nearest, ties away from zero; a total of 0 stays 0.
        half_unit = 1 << (2 * BITS - 1)
        rounded: np.ndarray = np.sign(total) * ((np.abs(total) + half_unit) >> (2 * BITS))
        return rounded.astype(y.dtype)

    return whole(run, (x,), y)


def _bilinear_single(node: Node, x: Tensor, y: Tensor) -> Operation:
    """The same in single precision, in the kernel's order."""
    align, half = node.options["align_corners"], node.options["half_pixel_centers"]
    ends = [_between_single(n, m, align, half) for n, m in zip(x.shape[1:3], y.shape[1:3], strict=True)]
    (top, bottom, down), (left, right, across) = ends
    down_, across_ = down[:, None, None], across[None, :, None]
    one = np.float32(1)

    def run(v: np.ndarray) -> np.ndarray:
        v = v.astype(np.float32)
        upper, lower = v.take(top, axis=2), v.take(bottom, axis=2)
        total = upper.take(left, axis=3) * (one - down_) * (one - across_)
        total = total + lower.take(left, axis=3) * down_ * (one - across_)
        total = total + upper.take(right, axis=3) * (one - down_) * across_
        total = total + lower.take(right, axis=3) * down_ * across_
        codes: np.ndarray = (total + np.float32(0.5)).astype(np.int64)
        return codes.astype(np.uint8)

    return whole(run, (x,), y)


def _between_single(size: int, wanted: int, align: bool, half: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every pixel of the output the two of the input, and the distance to the first, float32."""
    scale = np.float32(size - 1) / np.float32(wanted - 1) if align and wanted > 1 else np.float32(size) / wanted
    place = np.arange(wanted).astype(np.float32)
    half_pixel = np.float32(0.5)
    place = (place + half_pixel) * np.float32(scale) - half_pixel if half else place * np.float32(scale)
    first = np.maximum(np.floor(place).astype(np.int64), 0)
    second = np.minimum(np.ceil(place).astype(np.int64), size - 1)
    return first, second, place - first.astype(np.float32)


def _between(size: int, wanted: int, align: bool, half: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every pixel of the output the two of the input, and the distance to the first in 2**-BITS."""
    one = 1 << BITS
    scale = (one * size + wanted // 2) // wanted
    if align and wanted > 1:
        scale = (one * (size - 1) + (wanted - 1) // 2) // (wanted - 1)
    place = np.arange(wanted, dtype=np.int64) * scale
    if half:
        place += scale // 2 - one // 2
    # Divisions go towards zero.
    first = np.maximum(np.sign(place) * (np.abs(place) // one), 0)
    ahead = place + one - 1
    second = np.minimum(np.sign(ahead) * (np.abs(ahead) // one), size - 1)
    return first, second, place - one * first
