# SPDX-License-Identifier: Apache-2.0
"""FuSeConv's operators, bit for bit (Selvam, Ganesan & Kumar, DATE 2021).

A KxK depthwise stage becomes 1xK filters along the rows and Kx1 filters along the columns of the image; their results
are concatenated, rows first, and feed the same pointwise stage as before. `full`: every channel gets both. `half`: the
first half of the channels gets 1xK, the other half Kx1.

Images are [height, width, channels] as in TensorFlow Lite, filters [taps, channels], sums int32.
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.checks import in_range, one_of
from sysmt.hdl.params.pe import PEConfig

AXES = ("row", "col")
MODES = ("full", "half")


def conv1d(
    x: np.ndarray,
    w: np.ndarray,
    *,
    axis: str = "row",
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    fill: int = 0,
) -> np.ndarray:
    """Depthwise 1-D convolution (cross-correlation, as in neural networks) of every channel with its own filter.

    Parameters
    ----------
    x : uint8 array [H, W, C]
        Image.
    w : int8 array [K, C]
        Filters, K at least 1.
    axis : "row" or "col"
        1xK filters along the rows of the image, or Kx1 along its columns.
    stride : (int, int)
        Down and across.
    padding : (int, int)
        Before and after, along the filter only. K // 2 both ways keeps the size of an odd filter's image.
    fill : int
        What the padding holds: the zero point of the activations.

    Returns
    -------
    int32 array [H', W', C]
        H' = (H - 1) // stride + 1 across the filter, (W + padding - K) // stride + 1 along it.

    Raises
    ------
    UserError
        Wrong shape or type; a filter longer than the padded image; an impossible stride or padding; a filter
        so long that an int32 sum could overflow.
    """
    check_conv1d(x, w, axis=axis, stride=stride, padding=padding, fill=fill)
    if axis == "col":
        turned = conv1d(x.swapaxes(0, 1), w, axis="row", stride=stride[::-1], padding=padding, fill=fill)
        return np.swapaxes(turned, 0, 1)
    taps, length = len(w), x.shape[1] + sum(padding)
    lines = np.pad(x[:: stride[0]], ((0, 0), padding, (0, 0)), constant_values=fill).astype(np.int32)
    pixels = (length - taps) // stride[1] + 1
    sums = np.zeros((lines.shape[0], pixels, x.shape[2]), np.int32)
    for k, tap in enumerate(w.astype(np.int32)):
        sums += lines[:, k : k + stride[1] * (pixels - 1) + 1 : stride[1]] * tap
    return sums


def fuse(
    x: np.ndarray,
    w_row: np.ndarray,
    w_col: np.ndarray,
    *,
    mode: str = "half",
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] | None = None,
    fill: int = 0,
) -> np.ndarray:
    """One FuSe stage: 1xK and Kx1 filters on the image, results side by side, rows first.

    Parameters
    ----------
    x : uint8 array [H, W, C]
        Image; C must be even in `half`.
    w_row, w_col : int8 arrays [K, C] (`full`) or [K, C // 2] (`half`)
        Filters. In `half` w_row sees channels 0 to C // 2 - 1, w_col the others.
    mode : "full" or "half"
        D = 1 or D = 2 of the paper.
    stride : (int, int)
        Down and across, the same for both.
    padding : (int, int), optional
        Before and after, along each filter; K // 2 of that filter both ways by default.
    fill : int
        What the padding holds.

    Returns
    -------
    int32 array [H', W', 2 * C] (`full`) or [H', W', C] (`half`)

    Raises
    ------
    UserError
        As `conv1d`; an odd number of channels in `half`; row and column results of different size.
    """
    _check_image(x)
    one_of("mode", mode, MODES)
    channels = x.shape[2]
    rows = cols = x
    if mode == "half":
        if channels % 2:
            raise UserError(f"channels must be even in mode half, not {channels}; mode full takes any number")
        rows, cols = x[:, :, : channels // 2], x[:, :, channels // 2 :]
    _check_filter("w_row", w_row, rows.shape[2])
    _check_filter("w_col", w_col, cols.shape[2])
    parts = [
        conv1d(image, w, axis=axis, stride=stride, padding=padding or (len(w) // 2,) * 2, fill=fill)
        for image, w, axis in ((rows, w_row, "row"), (cols, w_col, "col"))
    ]
    sizes = ["x".join(map(str, part.shape[:2])) for part in parts]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"padding must give row and column results of the same size, not {sizes[0]} and {sizes[1]}; "
            "K - 1 in all suits any K"
        )
    return np.concatenate(parts, axis=2)


def check_conv1d(
    x: np.ndarray, w: np.ndarray, *, axis: str, stride: tuple[int, int], padding: tuple[int, int], fill: int
) -> None:
    """Refuse what `conv1d` cannot compute (`UserError`, one line)."""
    _check_image(x)
    _check_filter("w", w, x.shape[2])
    one_of("axis", axis, AXES)
    _check_pair("stride", stride, 1)
    _check_pair("padding", padding, 0)
    in_range("fill", fill, 0, 255)
    taps, length = len(w), x.shape[AXES.index(axis) ^ 1] + sum(padding)
    PEConfig().check_k(taps)
    if taps > length:
        raise UserError(f"kernel must fit into the padded image: {taps} taps, {length} pixels along them")


def _check_image(x: np.ndarray) -> None:
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 3 or 0 in x.shape:
        raise UserError(f"x must be a uint8 array [height, width, channels], not {_describe(x)}")


def _check_filter(name: str, w: np.ndarray, channels: int) -> None:
    if not isinstance(w, np.ndarray) or w.dtype != np.int8 or w.ndim != 2 or len(w) < 1 or w.shape[1] != channels:
        raise UserError(f"{name} must be an int8 array [taps, {channels}] for {channels} channels, not {_describe(w)}")


def _check_pair(name: str, pair: tuple[int, int], low: int) -> None:
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(type(v) is int and v >= low for v in pair)):
        raise UserError(f"{name} must be two whole numbers from {low} on, not {pair!r}")


def _describe(value: object) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else repr(type(value).__name__)
