# SPDX-License-Identifier: Apache-2.0
"""Memory accesses of convolutions and fully connected layers, in the order in which an in-order core makes them.

Operands lie where plain C arrays would: x [C, H, W], w [N, C, KH, KW], the im2col matrix [pixels, C * KH * KW] and the
output [N, pixels], each from a page boundary on, rows innermost. The sum stays in a register; a value that is stored
is the one that the layer computes.
"""

from dataclasses import dataclass

import numpy as np

from hdl.errors import ConfigError, UserError

from .trace import LOAD, STORE, Trace

LOOPS = ("im2col", "direct")
PAGE = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerData:
    """A convolution with its operands; a fully connected layer is one with a 1x1 input.

    Parameters
    ----------
    name : str
    x : array [C, H, W]
        Input; float32, or uint8 for quantised networks.
    w : array [N, C, KH, KW]
        Weights; float32 or int8.
    stride, pad : int
    relu : bool
        Whether negative results are stored as zero.
    floor : float
        What is subtracted from a sum before that.
    """

    name: str
    x: np.ndarray
    w: np.ndarray
    stride: int = 1
    pad: int = 0
    relu: bool = True
    floor: float = 0.0

    def __post_init__(self):
        if self.x.ndim != 3 or self.w.ndim != 4 or self.x.shape[0] != self.w.shape[1]:
            raise ConfigError(f"w must be [N, {len(self.x)}, KH, KW] for x = {self.x.shape}, not {self.w.shape}")

    @property
    def out_shape(self) -> tuple[int, int]:
        """Height and width of the output."""
        _, h, w = self.x.shape
        return tuple((n + 2 * self.pad - k) // self.stride + 1 for n, k in zip((h, w), self.w.shape[2:], strict=True))

    def lowered(self) -> np.ndarray:
        """The im2col matrix [pixels, C * KH * KW], padding zeros included."""
        kernel = self.w.shape[2:]
        padded = np.pad(self.x, ((0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
        windows = windows[:, :: self.stride, :: self.stride]
        return windows.transpose(1, 2, 0, 3, 4).reshape(-1, self.w[0].size)

    def output(self) -> np.ndarray:
        """The result [N, OH, OW] in float32."""
        sums = self.w.reshape(len(self.w), -1).astype(np.float32) @ self.lowered().astype(np.float32).T - self.floor
        return (np.maximum(sums, 0) if self.relu else sums).reshape(-1, *self.out_shape)


def layer_trace(layer: LayerData, loops: str = "im2col", limit: int | None = None, base: int = PAGE) -> Trace:
    """The accesses of one layer.

    Parameters
    ----------
    layer : LayerData
    loops : "im2col" or "direct"
        `im2col`: the input is laid out as a matrix, then every filter is multiplied with every row of it. `direct`:
        every filter visits every output pixel and its window.
    limit : int, optional
        About how many accesses are wanted: filters, then output pixels, are left out from the end. At least one filter
        and one pixel remain.
    base : int
        Address of the first operand.

    Returns
    -------
    Trace
        With `mem` holding the operands at their place.
    """
    if loops not in LOOPS:
        raise ConfigError(f"loops must be one of {', '.join(LOOPS)}, not {loops!r}")
    if limit is not None and limit < 1:
        raise ConfigError(f"limit must be at least 1, not {limit}")
    depth = layer.w[0].size
    pixels, filters = int(np.prod(layer.out_shape)), len(layer.w)
    if limit is not None:
        pixels = min(pixels, max(1, limit // (2 * depth)))
        filters = min(filters, max(1, limit // (2 * depth * pixels)))
    column = layer.lowered()[:pixels]
    weights = np.ascontiguousarray(layer.w[:filters].reshape(filters, depth))
    sums = weights.astype(np.float32) @ column.astype(np.float32).T - layer.floor
    result = (np.maximum(sums, 0) if layer.relu else sums).astype(np.float32)
    width = layer.x.itemsize
    results = result.view(np.uint32) if width == 4 else np.clip(np.rint(result), 0, 255).astype(np.uint32)

    places, end = {}, base
    column_bytes = column.size * width if loops == "im2col" else 0
    sizes = {"x": layer.x.nbytes, "w": weights.nbytes, "column": column_bytes, "out": results.size * width}
    for name, size in sizes.items():
        places[name], end = end, end + -(-size // PAGE) * PAGE
    if end > 1 << 32:
        raise UserError(f"layer {layer.name} must fit in 32 bits of address, not {end} bytes: lower --limit")
    mem = np.zeros(places["column"], np.uint8)
    for name, array in (("x", np.ascontiguousarray(layer.x)), ("w", weights)):
        mem[places[name] : places[name] + array.nbytes] = array.view(np.uint8).reshape(-1)

    source = _sources(layer)[:pixels]
    k, p = np.arange(depth), np.arange(pixels)
    out_at = places["out"] + width * np.arange(filters * pixels).reshape(filters, pixels)
    parts = []
    if loops == "im2col":
        op = np.tile(np.array([LOAD, STORE], np.uint8), column.size)
        addr = np.stack([places["x"] + width * source, places["column"] + width * (p[:, None] * depth + k)], axis=-1)
        value = np.stack([np.zeros(column.shape, np.uint32), _bits(column)], axis=-1)
        # A padding zero is stored without having been loaded.
        keep = np.stack([source >= 0, np.ones(source.shape, bool)], axis=-1).reshape(-1)
        parts.append((op[keep], addr.reshape(-1)[keep], value.reshape(-1)[keep]))
        operand, inside = places["column"] + width * (p[:, None] * depth + k), np.ones((pixels, depth), bool)
    else:
        operand, inside = places["x"] + width * source, source >= 0
    for n in range(filters):
        addr = np.zeros((pixels, 2 * depth + 1), np.int64)
        addr[:, 0:-1:2], addr[:, 1:-1:2] = places["w"] + width * (n * depth + k), operand
        addr[:, -1] = out_at[n]
        op, value = np.zeros(addr.shape, np.uint8), np.zeros(addr.shape, np.uint32)
        op[:, -1], value[:, -1] = STORE, results[n]
        keep = np.ones(addr.shape, bool)
        keep[:, 0:-1:2] = keep[:, 1:-1:2] = inside
        parts.append((op[keep], addr[keep], value[keep]))
    op, addr, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Trace(op, addr.astype(np.uint32), np.full(len(op), width, np.uint8), value, mem)


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


def _sources(layer: LayerData) -> np.ndarray:
    """Index into x of every element of the im2col matrix, -1 for padding."""
    index = np.arange(1, layer.x.size + 1).reshape(layer.x.shape)
    where = LayerData(name=layer.name, x=index, w=layer.w, stride=layer.stride, pad=layer.pad)
    return where.lowered() - 1


def _bits(values: np.ndarray) -> np.ndarray:
    """What a store of these values writes."""
    return values.view(np.uint32) if values.itemsize == 4 else values.view(np.uint8).astype(np.uint32)
