# SPDX-License-Identifier: Apache-2.0
"""Memory accesses of a layer, in the order in which an in-order core makes them.

Operands lie where plain C arrays would, each from a page boundary on, rows innermost: x [C, H, W], w [N, C, KH, KW],
the im2col matrix, the sums of 8-bit layers (32 bits each) and the output [N, pixels]. Registers hold one element of
each operand. A value that is stored is the one that the layer computes.
"""

import numpy as np

from sysmt.base.errors import ConfigError

from .access import PAGE, Recorder, bits, load, store, stored
from .kernels import KERNELS, kernel, pixels_within
from .layers import LayerOperands
from .trace import Trace

LOOPS = ("im2col", "dot", "direct", *KERNELS)
LEAST_FILTERS = 2
"""Filters that a limit leaves: the first finds cold caches, the second shows what the others will find."""


def layer_trace(
    layer: LayerOperands, loops: str = "im2col", limit: int | None = None, base: int = PAGE, fewer: int = 0
) -> Trace:
    """The accesses of one layer.

    Parameters
    ----------
    layer : LayerOperands
        Its element type is that of the accesses: 4 bytes for float32, 1 byte for quantised layers.
    loops : one of LOOPS
        `im2col`: as Caffe does with the reference BLAS: the im2col matrix [C * KH * KW, pixels], unless the layer is
        pointwise; sums set to zero, then for every filter and every row of the matrix the weight times the row added
        to the filter's row of sums; then the bias, then ReLU in place. A fully connected layer: a dot product per
        filter. `dot`: a matrix [pixels, C * KH * KW], a dot product per filter and pixel. `direct`: the same without
        a matrix, straight from the input, padding left out. The others: see `kernels`.
    limit : int, optional
        About how many accesses are wanted. Filters are left out from the end; once LEAST_FILTERS remain, input
        channels are (`im2col`) or output pixels (`dot`, `direct`). At least one remains. `kernels` keep all filters.
    base : int
        Address of the first operand.
    fewer : int
        So many filters less than the limit leaves.

    Returns
    -------
    Trace
        With `mem` holding the operands at their place.
    """
    filters, channels, pixels = cut(layer, loops, limit)
    layer = layer.part(max(1, filters - fewer), channels)
    record = Recorder(layer.name, base)
    # Nothing is packed for the product of a matrix and a vector.
    if loops in KERNELS and (loops != "blocked" or layer.pixels > 1):
        kernel(layer, record, loops, pixels)
    elif loops == "im2col" and layer.pixels > 1:
        _rows(layer, record)
    else:
        _dots(layer, record, loops, pixels)
    return record.trace()


def cut(layer: LayerOperands, loops: str, limit: int | None) -> tuple[int, int, int]:
    """Filters, input channels and output pixels that a limit leaves."""
    if loops not in LOOPS:
        raise ConfigError(f"loops must be one of {', '.join(LOOPS)}, not {loops!r}")
    if limit is not None and limit < 1:
        raise ConfigError(f"limit must be at least 1, not {limit}")
    filters, channels, pixels = len(layer.w), len(layer.x), layer.pixels
    if limit is None:
        return filters, channels, pixels
    if loops in KERNELS and (loops != "blocked" or pixels > 1):
        return filters, channels, pixels_within(layer, loops, limit)
    rows = loops == "im2col" and pixels > 1
    matrix = 2 * (rows and not layer.pointwise or loops == "dot")
    each = 3 if rows else 2
    products = layer.depth * pixels
    filters = max(min(LEAST_FILTERS, filters), min(filters, (limit // products - matrix) // each))
    room = limit / (products * (matrix + each * filters))
    if room < 1 and rows:
        channels = max(1, int(channels * room))
    elif room < 1:
        pixels = max(1, int(pixels * room))
    return filters, channels, pixels


def _rows(layer: LayerOperands, record: Recorder) -> None:
    """Caffe's convolution over the loops of the reference BLAS (sgemm of netlib, nothing transposed)."""
    width, depth, pixels, filters = layer.x.itemsize, layer.depth, layer.pixels, len(layer.w)
    x, w = record.allocate(layer.x.size, width, layer.x), record.allocate(layer.w.size, width, layer.w)
    column = np.ascontiguousarray(layer.im2col().T)
    matrix = x if layer.pointwise else record.allocate(column.size, width)
    exact = np.float32 if width == 4 else np.int32
    out = record.allocate(filters * pixels, width)
    sums = out if width == 4 else record.allocate(filters * pixels, 4)
    bias = np.zeros(filters) if layer.bias is None else layer.bias
    biases = record.allocate(filters, 4, bias.astype(exact))
    ones = record.allocate(pixels, 4, np.ones(pixels, exact))
    k, p = np.arange(depth), np.arange(pixels)
    cells = depth * pixels
    if not layer.pointwise:
        source = layer.sources().T.reshape(-1)
        # A padding zero is stored without having been loaded.
        keep = np.stack([source >= 0, np.ones(cells, bool)], axis=-1)
        copied = store(matrix(np.arange(cells)), width, bits(column).reshape(-1))
        record.add([load(x(source), width), copied], keep)
    total = np.empty((filters, pixels), exact)
    for n in range(filters):
        accumulators = sums(n * pixels + p)
        record.add([store(accumulators, 4, 0)])
        weights = layer.w[n].reshape(-1).astype(exact)
        # 0 + -0.0 is 0: the sums begin at zero.
        running = np.cumsum(weights[:, None] * column.astype(exact), axis=0, dtype=exact) + exact(0)
        total[n] = running[-1] + bias[n].astype(exact)
        # One weight, then the row it is multiplied with: the weight stands before the first pixel of every row.
        first = np.zeros((depth, pixels, 4), bool)
        first[:, 0, 0] = first[:, :, 1:] = True
        record.add(
            [
                load(w(n * depth + k)[:, None], width),
                load(matrix(k[:, None] * pixels + p), width),
                load(accumulators, 4),
                store(accumulators, 4, running.view(np.uint32)),
            ],
            first,
        )
    for n in range(filters):
        accumulators, once = sums(n * pixels + p), np.ones((pixels, 4), bool)
        once[1:, 0] = False
        record.add(
            [
                load(biases(n), 4),
                load(ones(p), 4),
                load(accumulators, 4),
                store(accumulators, 4, total[n].view(np.uint32)),
            ],
            once,
        )
    result = stored(total.reshape(-1), layer)
    every = np.arange(filters * pixels)
    if layer.relu or width == 1:
        record.add([load(sums(every), 4), store(out(every), width, result)])


def _dots(layer: LayerOperands, record: Recorder, loops: str, pixels: int) -> None:
    """A dot product per filter and pixel, its sum in a register, bias and ReLU before it is stored."""
    width, depth, filters = layer.x.itemsize, layer.depth, len(layer.w)
    x, w = record.allocate(layer.x.size, width, layer.x), record.allocate(layer.w.size, width, layer.w)
    source = layer.sources()[:pixels]
    column = np.ascontiguousarray(layer.im2col()[:pixels])
    k, cells = np.arange(depth), np.arange(pixels * depth).reshape(pixels, depth)
    inside = source >= 0
    # Caffe does not copy the input of a fully connected layer.
    if loops == "dot":
        matrix = record.allocate(column.size, width)
        keep = np.stack([inside, np.ones(inside.shape, bool)], axis=-1)
        record.add([load(x(source), width), store(matrix(cells), width, bits(column))], keep)
        operand, inside = matrix(cells), np.ones(inside.shape, bool)
    else:
        operand = x(source)
    out = record.allocate(filters * pixels, width)
    sums = layer.w.reshape(filters, depth).astype(np.float32) @ column.astype(np.float32).T
    sums = sums if layer.bias is None else sums + layer.bias[:, None].astype(np.float32)
    result = stored(sums.astype(np.float32), layer)
    # The store stands behind the last product of every pixel.
    keep = np.zeros((pixels, depth, 3), bool)
    keep[:, :, 0] = keep[:, :, 1] = inside
    keep[:, -1, 2] = True
    for n in range(filters):
        result_store = store(out(n * pixels + np.arange(pixels))[:, None], width, result[n][:, None])
        record.add([load(w(n * depth + k), width), load(operand, width), result_store], keep)


def joined(traces: list[Trace]) -> Trace:
    """One trace after the other; each must have been made with a base beyond the one before."""
    mem = np.zeros(max(len(t.mem) for t in traces), np.uint8)
    for trace in traces:
        mem[: len(trace.mem)] |= trace.mem
    parts = {name: np.concatenate([getattr(t, name) for t in traces]) for name in ("op", "addr", "size", "data")}
    return Trace(**parts, mem=mem)


def end_of(trace: Trace) -> int:
    """The first page that a trace leaves alone."""
    last = max(int(trace.addr.max(initial=0)), len(trace.mem))
    return (last // PAGE + 1) * PAGE
