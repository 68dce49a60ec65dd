# SPDX-License-Identifier: Apache-2.0
"""1-D convolutions as the array's row-broadcast dataflow runs them (FuSeConv, DATE 2021), and NB-SMT's meaning there.

A depthwise 1-D convolution of an image is a stack of image rows, each with its own filter; a row of PEs takes one.
With T threads the taps are split like K of a matrix product (MICRO 2020, section 3): thread t has the t-th contiguous
part of ceil(K / T) taps, the tail padded with zero taps; their activations are whatever follows on the row, zero past
its end. An output is the NB-SMT product of the activations under the filter with the filter; one thread is exact.

How a tile of `cols` neighbouring outputs becomes steps: activations enter at the left and move one PE per step, a tap
reaches all PEs of its row at once, so taps and activations go in reverse order and `cols` - 1 steps fill the row before
the first tap. With a stride s the activations and taps of each residue modulo s are such a convolution of their own,
with stride 1; the sums stay and take all of them in.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.checks import in_range
from sysmt.hdl.params.pe import PEConfig

from .fuseconv import check_conv1d
from .kind import golden_of
from .matmul import matmul
from .product import Product
from .tiling import Tile


@dataclass(frozen=True, eq=False)
class ConvRows:
    """1-D convolutions side by side.

    Parameters
    ----------
    x : uint8 [L, length]
        Padded rows of images.
    w : int8 [L, K]
        The filter of each.
    stride : int
    """

    x: np.ndarray
    w: np.ndarray
    stride: int = 1

    def __post_init__(self) -> None:
        for name, operand, dtype in (("x", self.x, np.uint8), ("w", self.w, np.int8)):
            if operand.dtype != dtype or operand.ndim != 2 or 0 in operand.shape:
                given = f"{operand.dtype} {list(operand.shape)}"
                raise UserError(f"{name} must be a {np.dtype(dtype)} array of rows, not {given}")
        if len(self.x) != len(self.w):
            raise UserError(f"x and w must have the same number of rows, not {len(self.x)} and {len(self.w)}")
        in_range("stride", self.stride, 1, 2**31 - 1)
        if self.taps > self.x.shape[1]:
            raise UserError(f"kernel must fit into the padded row: {self.taps} taps, {self.x.shape[1]} pixels")

    @property
    def taps(self) -> int:
        """Taps of every filter, K."""
        return int(self.w.shape[1])

    @property
    def pixels(self) -> int:
        """Outputs of every row."""
        return int(self.x.shape[1] - self.taps) // self.stride + 1

    def under(self, start: int, count: int, offset: int) -> np.ndarray:
        """Activations `offset` past the places of `count` outputs from `start` on: uint8 [L, count], 0 past the end."""
        places = (start + np.arange(count)) * self.stride + offset
        inside = places < self.x.shape[1]
        return np.where(inside, self.x[:, np.where(inside, places, 0)], np.uint8(0))


def rows_of_image(
    x: np.ndarray,
    w: np.ndarray,
    *,
    axis: str = "row",
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    fill: int = 0,
) -> ConvRows:
    """The rows of `sysmt.sim.golden.fuseconv.conv1d`, with the same parameters: by channel, each from top to bottom.

    Raises
    ------
    UserError
        As `conv1d`.
    """
    check_conv1d(x, w, axis=axis, stride=stride, padding=padding, fill=fill)
    across, along = stride
    if axis == "col":
        x, across, along = x.swapaxes(0, 1), along, across
    kept = np.pad(x[::across], ((0, 0), padding, (0, 0)), constant_values=fill)
    by_channel = kept.transpose(2, 0, 1)
    rows = np.ascontiguousarray(by_channel.reshape(-1, kept.shape[1]))
    return ConvRows(rows, np.repeat(np.ascontiguousarray(w.T), len(kept), axis=0), along)


def image_of_rows(sums: np.ndarray, channels: int, axis: str = "row") -> np.ndarray:
    """Sums [L, pixels] of `rows_of_image` back as an image [H', W', channels]."""
    image: np.ndarray = sums.reshape(channels, -1, sums.shape[1]).transpose(1, 2, 0)
    return image if axis == "row" else image.swapaxes(0, 1)


def convolve_rows(rows: ConvRows, pe: PEConfig, threads: int | None = None) -> Product:
    """What the array computes and counts: sums int32 [L, pixels], and the counters of all taps.

    Steps that only fill a row count nothing.

    Raises
    ------
    UserError
        The filter could overflow the accumulator, or the PE cannot run `threads`.
    """
    threads = pe.throttle(threads)
    pe.check_k(rows.taps)
    taps = threads * pe.steps(rows.taps, threads)
    w = np.zeros((len(rows.w), taps), np.int8)
    w[:, : rows.taps] = rows.w
    x = np.stack([rows.under(0, rows.pixels, k) for k in range(taps)], axis=2)
    sums = np.zeros(x.shape[:2], np.int32)
    counters = golden_of(pe).counters()
    filters, which = np.unique(w, axis=0, return_inverse=True)
    for index, taps_of in enumerate(filters):
        mine = which.reshape(-1) == index
        product = matmul(x[mine].reshape(-1, taps), taps_of[:, None], pe, threads)
        sums[mine] = product.sums.reshape(-1, rows.pixels)
        counters += product.counters
    return Product(sums, counters)


def conv1d_tiles(rows: ConvRows, config: ArrayConfig) -> Iterator[Tile]:
    """Tiles in the order they run: the narrow ones at the end of the rows first, so that none follows a wider one."""
    rest = rows.pixels % config.cols
    starts = list(range(0, rows.pixels - rest, config.cols))
    for n, cols in [(rows.pixels - rest, rest)] * (rest > 0) + [(start, config.cols) for start in starts]:
        for m in range(0, len(rows.x), config.rows):
            yield Tile(m, n, min(config.rows, len(rows.x) - m), cols)


def conv1d_steps(
    rows: ConvRows, tile: Tile, config: ArrayConfig, threads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Operands of every step of `tile`.

    Returns
    -------
    x : uint8 [steps, rows of the array, threads of the array]
    w : int8 [steps, `ArrayConfig.w_lanes`, threads of the array]
        The tap of the last row of the array first.
    tap : bool [steps]
        Whether the step has a tap or only fills.
    """
    part = config.pe.steps(rows.taps, threads)
    total = config.fuse_steps(tile.cols, rows.taps, rows.stride, threads)
    x = np.zeros((total, config.rows, config.pe.threads), np.uint8)
    w = np.zeros((total, config.w_lanes, config.pe.threads), np.int8)
    tap = np.zeros(total, bool)
    mine = slice(tile.m, tile.m + tile.rows)
    band = ConvRows(rows.x[mine], rows.w[mine], rows.stride)
    begin = 0
    for phase in range(min(rows.stride, part)):
        taps = np.arange(phase, part, rows.stride)[::-1]
        count = tile.cols - 1 + len(taps)
        tap[begin + tile.cols - 1 : begin + count] = True
        for thread in range(threads):
            inputs = band.under(tile.n, count, thread * part + phase)
            x[begin : begin + count, : tile.rows, thread] = inputs[:, ::-1].T
            for step, k in enumerate(taps + thread * part, begin + tile.cols - 1):
                if k < rows.taps:
                    w[step, config.rows - tile.rows : config.rows, thread] = band.w[::-1, k]
        begin += count
    return x, w, tap
