# SPDX-License-Identifier: Apache-2.0
"""Which pixels of an output are computed before anything is predicted.

Sources: Shomron, Banner, Shkolnik, Weiser, "Thanks for Nothing: Predicting Zero-Valued Activations with Lightweight
Convolutional Neural Networks", ECCV 2020, with the authors' code (numbered patterns); Shomron and Weiser, "Spatial
Correlation and Value Prediction in Convolutional Neural Networks", IEEE CAL 2019 (diagonals of windows).
"""

import numpy as np

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError

LEFT_OUT: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {
    5: (2, ((0, 1), (1, 0))),
    6: (5, ((0, 2), (0, 4), (1, 1), (1, 3), (2, 0), (2, 2), (3, 1), (3, 4), (4, 0), (4, 3))),
    7: (3, ((0, 2), (1, 1), (2, 0))),
    8: (2, ((1, 1),)),
    9: (3, ((1, 1), (2, 0))),
    10: (3, ((1, 1),)),
}
"""By pattern: the period in both directions, and the places in it that are predicted; 5 is a checkerboard."""
PATTERNS = tuple(range(11))
"""Patterns below 5 are the complements: 4 computes what 6 leaves out, and so on."""
WINDOWS = (2, 3, 4)
"""Sizes of the windows whose diagonal is computed first."""


def pattern(number: int, size: tuple[int, int]) -> np.ndarray:
    """A pattern of ZAP: bool [H, W], true where a pixel is computed.

    Raises
    ------
    UserError
        There is no such pattern.
    """
    if number not in PATTERNS:
        raise UserError(must_be_one_of("pattern", number, PATTERNS))
    period, places = LEFT_OUT[number if number >= 5 else 10 - number]
    tile = np.ones((period, period), bool)
    tile[tuple(np.array(places).T)] = False
    repeats = tuple(-(-n // period) for n in size)
    return np.tile(tile if number >= 5 else ~tile, repeats)[: size[0], : size[1]]


def diagonal(window: int, size: tuple[int, int]) -> np.ndarray:
    """The diagonals of all windows: bool [H, W]."""
    down, across = np.indices(size)
    on_diagonal: np.ndarray = down % window == across % window
    return on_diagonal


def neighbours(values: np.ndarray, window: int) -> np.ndarray:
    """Where an output is predicted zero: off the diagonal of a window whose diagonal is zero.

    Parameters
    ----------
    values : array [B, H, W, C]
        Outputs, 0 for zero. Only those on diagonals are looked at.
    window : int
        Side of the windows, which begin at the upper left corner; at the other edges they are cut off.

    Returns
    -------
    bool [B, H, W, C]
    """
    batch, height, width, channels = values.shape
    first = diagonal(window, (height, width))
    edges = -height % window, -width % window
    seen = np.pad((values != 0) & first[..., None], ((0, 0), (0, edges[0]), (0, edges[1]), (0, 0)))
    rows, columns = seen.shape[1] // window, seen.shape[2] // window
    any_seen = seen.reshape(batch, rows, window, columns, window, channels).any(axis=(2, 4))
    spread = any_seen.repeat(window, axis=1).repeat(window, axis=2)[:, :height, :width]
    predicted: np.ndarray = ~spread & ~first[..., None]
    return predicted
