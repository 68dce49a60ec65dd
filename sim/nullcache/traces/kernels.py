# SPDX-License-Identifier: Apache-2.0
"""Memory accesses of a layer in the layouts of real kernels: a blocked BLAS, NHWC loops, CMSIS-NN's two columns.

`blocked`: Caffe's im2col in front of a BLAS after Goto and van de Geijn (TOMS 2008): blocks of `KC` rows of both
matrices are copied into panels `NR` pixels and `MR` filters wide, of `MC` filters at a time, the block that a first
level of 16 KB holds; a tile of sums stays in registers for the `KC` products. `nhwc`: TFLite's reference convolution,
for every pixel every filter, channels innermost. `cmsis`: CMSIS-NN's arm_convolve_s8, two pixels at a time copied as
16 bits into a buffer and multiplied with two filters at a time; 8-bit layers only. Outputs of the last two lie
[pixels, N].
"""

import numpy as np

from sysmt.base.errors import ConfigError

from .access import Recorder, bits, load, store, stored
from .layers import LayerOperands

KERNELS = ("blocked", "nhwc", "cmsis")
KC, MC, NR, MR = 64, 32, 4, 4


def pixels_within(layer: LayerOperands, loops: str, limit: int) -> int:
    """Output pixels whose accesses are about `limit`."""
    filters = len(layer.w)
    each = {"blocked": 5 + filters * (1 / MR + 1 / NR + 2 / KC), "nhwc": 2 * filters, "cmsis": 2 + filters}[loops]
    fit = int(limit / (layer.depth * each))
    return min(layer.pixels, max(NR, fit if fit >= layer.pixels else fit // NR * NR))


def kernel(layer: LayerOperands, record: Recorder, loops: str, pixels: int) -> None:
    """Record the first output pixels of a layer."""
    if loops == "cmsis" and layer.x.itemsize != 1:
        raise ConfigError(f"loops = 'cmsis' are of 8-bit layers, not {layer.x.dtype}: take dtype = int8 or other loops")
    {"blocked": _blocked, "nhwc": _nhwc, "cmsis": _cmsis}[loops](layer, record, pixels)


def _blocked(layer: LayerOperands, record: Recorder, pixels: int) -> None:
    width, depth, filters = layer.x.itemsize, layer.depth, len(layer.w)
    exact = np.float32 if width == 4 else np.int32
    x, w = record.allocate(layer.x.size, width, layer.x), record.allocate(layer.w.size, width, layer.w)
    column = np.ascontiguousarray(layer.im2col()[:pixels].T)
    weights = layer.w.reshape(filters, depth)
    matrix, source = x, np.arange(depth)[:, None] * layer.pixels + np.arange(pixels)
    if not layer.pointwise:
        matrix = record.allocate(column.size, width)
        origin = layer.sources()[:pixels].T.reshape(-1)
        keep = np.stack([origin >= 0, np.ones(len(origin), bool)], axis=-1)
        copied = store(matrix(np.arange(column.size)), width, bits(column).reshape(-1))
        record.add([load(x(origin), width), copied], keep)
        source = np.arange(column.size).reshape(depth, pixels)
    panels_w, panels_x = record.allocate(MC * KC, width), record.allocate(KC * -(-pixels // NR) * NR, width)
    sums = record.allocate(filters * pixels, 4)
    bias = np.zeros(filters) if layer.bias is None else layer.bias
    total = np.zeros((filters, pixels), exact)
    for k in range(0, depth, KC):
        rows = min(KC, depth - k)
        for p in range(0, pixels, NR):
            part = column[k : k + rows, p : p + NR]
            packed = store(_panel(panels_x, p, rows, part.shape[1]), width, bits(np.ascontiguousarray(part)))
            record.add([load(matrix(source[k : k + rows, p : p + NR]), width), packed])
        for block in range(0, filters, MC):
            chosen = np.arange(block, min(block + MC, filters))
            for f in range(0, len(chosen), MR):
                part = np.ascontiguousarray(weights[chosen[f : f + MR], k : k + rows].T)
                from_ = w(chosen[f : f + MR] * depth + np.arange(k, k + rows)[:, None])
                record.add([load(from_, width), store(_panel(panels_w, f, rows, part.shape[1]), width, bits(part))])
            after = total[chosen] + weights[chosen, k : k + rows].astype(exact) @ column[k : k + rows].astype(exact)
            total[chosen] = after
            for p in range(0, pixels, NR):
                tile_x = _panel(panels_x, p, rows, min(NR, pixels - p))
                for f in range(0, len(chosen), MR):
                    tile_w = _panel(panels_w, f, rows, min(MR, len(chosen) - f))
                    record.add([load(a, width) for a in (*tile_w.T, *tile_x.T)])
                    place = sums(chosen[f : f + MR, None] * pixels + np.arange(p, min(p + NR, pixels)))
                    value = after[f : f + MR, p : p + NR].copy().view(np.uint32)
                    moved = [load(place, 4)] if k else []
                    record.add([*moved, store(place, 4, value)])
    total += bias[:, None].astype(exact)
    every = np.arange(filters * pixels)
    out = sums if width == 4 else record.allocate(filters * pixels, width)
    record.add([load(sums(every), 4), store(out(every), width, stored(total.reshape(-1), layer))])


def _panel(panels, at: int, rows: int, wide: int) -> np.ndarray:
    """Addresses [rows, wide] of the panel that begins with filter or pixel `at`; all panels are four wide."""
    return panels(at * rows + np.arange(rows)[:, None] * NR + np.arange(wide))


def _last(layer: LayerOperands) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """With channels innermost: the input [H, W, C], the weights [N, K], and sources [pixels, K] into that input."""
    c, h, w = layer.x.shape
    kernel = layer.w.shape[2] * layer.w.shape[3]
    x = np.ascontiguousarray(layer.x.transpose(1, 2, 0))
    weights = np.ascontiguousarray(layer.w.transpose(0, 2, 3, 1)).reshape(len(layer.w), -1)
    source = layer.sources().reshape(-1, c, kernel).transpose(0, 2, 1).reshape(layer.pixels, -1)
    channel, place = source // (h * w), source % (h * w)
    return x, weights, np.where(source < 0, -1, place * c + channel)


def _results(layer: LayerOperands, pixels: int) -> np.ndarray:
    """What is stored [pixels, N]."""
    sums = layer.sums().reshape(len(layer.w), -1)[:, :pixels]
    return stored(np.ascontiguousarray(sums.T), layer)


def _nhwc(layer: LayerOperands, record: Recorder, pixels: int) -> None:
    width, filters, depth = layer.x.itemsize, len(layer.w), layer.depth
    inputs, weights, source = _last(layer)
    x, w = record.allocate(inputs.size, width, inputs), record.allocate(weights.size, width, weights)
    out = record.allocate(filters * layer.pixels, width)
    results, n, k = _results(layer, pixels), np.arange(filters)[:, None], np.arange(depth)
    for p in range(pixels):
        keep = np.zeros((filters, depth, 3), bool)
        keep[:, :, 0] = keep[:, :, 1] = source[p] >= 0
        keep[:, -1, 2] = True
        result = store(out(p * filters + n), width, results[p][:, None])
        record.add([load(x(source[p]), width), load(w(n * depth + k), width), result], keep)


def _cmsis(layer: LayerOperands, record: Recorder, pixels: int) -> None:
    filters, depth = len(layer.w), layer.depth
    inputs, weights, source = _last(layer)
    x, w = record.allocate(inputs.size, 1, inputs), record.allocate(weights.size, 1, weights)
    buffer, out = record.allocate(2 * depth, 2), record.allocate(filters * layer.pixels, 1)
    flat = inputs.reshape(-1)
    results, k = _results(layer, pixels), np.arange(depth)
    for p in range(0, pixels, 2):
        pair = min(2, pixels - p)
        for i in range(pair):
            values = np.where(source[p + i] < 0, 0, flat[source[p + i]].astype(np.int16)).astype(np.int16)
            keep = np.stack([source[p + i] >= 0, np.ones(depth, bool)], axis=-1)
            copied = store(buffer(i * depth + k), 2, values.view(np.uint16).astype(np.uint32))
            record.add([load(x(source[p + i]), 1), copied], keep)
        for f in range(0, filters, 2):
            some = range(f, min(f + 2, filters))
            columns = [load(buffer(i * depth + k), 2) for i in range(pair)]
            record.add([*(load(w(n * depth + k), 1) for n in some), *columns])
            for n in some:
                for i in range(pair):
                    record.add([store(out((p + i) * filters + n)[None], 1, results[p + i, n][None])])
