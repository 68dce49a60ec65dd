# SPDX-License-Identifier: Apache-2.0
"""What SPARQ makes of activations before the product, and what it counts, for whole matrices (NeurIPS 2021).

Trimming depends on an activation and on whether its neighbour is zero, never on a weight: the product is a dense one of
trimmed activations.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sysmt.hdl.params.kinds.sparq import SparqConfig, Window

from .product import Counters

X = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True)
class SparqCounters(Counters):
    """What the PEs count, over (output, step, pair).

    Parameters
    ----------
    active : int
        Products with both operands non-zero.
    busy : int
        Pairs with at least one such product.
    collisions : int
        Pairs of two activations that are not zero.
    reduced : int
        Activations whose window began above bit 0, even where the value survived.
    alone : int
        Pairs of one activation that is not zero, the other zero or not there.
    from_2, ..., from_6 : int
        Those of `reduced` whose window began at that bit or above.
    """

    alone: int = 0
    from_2: int = 0
    from_3: int = 0
    from_4: int = 0
    from_5: int = 0
    from_6: int = 0


def shifts(window: Window) -> np.ndarray:
    """Where the window of every activation begins: uint8 [256]."""
    tops = np.array([1 << shift + window.bits for shift in window.shifts])
    return np.array(window.shifts, np.uint8)[np.searchsorted(tops, X, side="right")]


@lru_cache(maxsize=32)
def trimmed(window: Window, trim: str) -> np.ndarray:
    """What is left of every activation in a window: uint8 [256]."""
    x, shift = X.astype(np.int64), shifts(window).astype(np.int64)
    kept = x >> shift
    if trim == "round":
        # Ties to even: just below half where the last bit that stays is even.
        kept = np.minimum((x + (1 << shift >> 1) - ((shift > 0) & (kept % 2 == 0))) >> shift, (1 << window.bits) - 1)
    return (kept << shift).astype(np.uint8)


def shares(x: np.ndarray, pe: SparqConfig, threads: int) -> np.ndarray:
    """Which activations share their pair, and so are trimmed to the narrow window: bool, like x [M, K]."""
    if threads < pe.threads:
        return np.zeros(x.shape, bool)
    if not pe.vsparq:
        return np.ones(x.shape, bool)
    met = np.zeros((len(x), x.shape[1] + x.shape[1] % 2), bool)
    met[:, : x.shape[1]] = x != 0
    neighbour: np.ndarray = met.reshape(len(x), -1, 2)[:, :, ::-1].reshape(met.shape)
    return neighbour[:, : x.shape[1]]


@lru_cache(maxsize=16)
def _multiplied(pe: SparqConfig) -> np.ndarray:
    """What the PEs multiply in place of every pair of activations, pairs as `_pairs` has them: uint16 [65536]."""
    both = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    wide = trimmed(pe.narrow.alone, pe.trim).take(both)
    kept = np.where(shares(both, pe, pe.threads), trimmed(pe.narrow, pe.trim).take(both), wide)
    return kept.view(np.uint16).ravel()


def _pairs(x: np.ndarray) -> np.ndarray:
    """Neighbours along K as one number, their bytes as they lie in memory: uint8 [M, K] to uint16 [M, ceil(K / 2)]."""
    if x.shape[1] % 2:
        x = np.pad(x, ((0, 0), (0, 1)))
    return np.ascontiguousarray(x).view(np.uint16)


def operands(x: np.ndarray, pe: SparqConfig) -> np.ndarray:
    """The activations as the PEs multiply them on all threads: uint8, like x [M, K]; of distances, their magnitudes."""
    return _multiplied(pe).take(_pairs(magnitudes(x))).view(np.uint8)[:, : x.shape[1]]


def magnitudes(x: np.ndarray) -> np.ndarray:
    """What windows are laid on: activations uint8 as they are, distances int16 without their sign."""
    return x if x.dtype == np.uint8 else np.abs(x).astype(np.uint8)


def takes_halves(pe: SparqConfig, threads: int) -> bool:
    """Whether exact products take two steps: the activations are x & 0xF0, then x & 0x0F, which any window holds."""
    return pe.narrow.bits < 4 and threads < pe.threads


def halves(x: np.ndarray) -> np.ndarray:
    """Activations or distances [M, K] as [M, 2 * K] of 4 bits each, and the sign."""
    low = np.sign(x) * (np.abs(x) & 0x0F)
    return np.stack([x - low, low], axis=2).astype(x.dtype).reshape(len(x), -1)


def count(x: np.ndarray, w: np.ndarray, pe: SparqConfig, threads: int) -> SparqCounters:
    """Count for x [M, K] and w int8 [K, N] in the order of K that the array takes them."""
    x, columns = magnitudes(x), w.shape[1]
    live, met = np.count_nonzero(x, axis=0), np.count_nonzero(w, axis=1)
    found = np.bincount(_pairs(x).ravel(), minlength=1 << 16).reshape(256, 256)
    everywhere = found.sum(axis=0) + found.sum(axis=1)
    everywhere[0] = 0
    both = shared = 0
    if threads == pe.threads:
        both = int(found[1:, 1:].sum())
        shared = _met_together(x, w)
    begun = _begun(found, everywhere, pe, threads)
    return SparqCounters(
        active=int(live @ met),
        busy=int(live @ met) - shared,
        collisions=both * columns,
        reduced=int(begun[1]) * columns,
        alone=(int(everywhere.sum()) - 2 * both) * columns,
        **{f"from_{shift}": int(begun[shift]) * columns for shift in range(2, 7)},
    )


def _met_together(x: np.ndarray, w: np.ndarray) -> int:
    """Pairs of which both products have two operands that are not zero."""
    pairs = x[:, : x.shape[1] // 2 * 2].reshape(len(x), -1, 2)
    together = np.count_nonzero((pairs[:, :, 0] != 0) & (pairs[:, :, 1] != 0), axis=0)
    met = w != 0
    return int(together @ np.count_nonzero(met[:-1:2] & met[1::2], axis=1))


def _begun(found: np.ndarray, everywhere: np.ndarray, pe: SparqConfig, threads: int) -> np.ndarray:
    """How many activations have a window that begins at bit 0, 1, ..., 6 or above: int64 [7].

    `found`: how often every pair is there, [256, 256]; `everywhere`: how often every activation but 0, [256].
    """
    narrow = np.zeros(256, np.int64)
    if threads == pe.threads:
        narrow = everywhere.copy()
        if pe.vsparq:
            narrow[1:] = found[1:, 1:].sum(axis=0) + found[1:, 1:].sum(axis=1)
    began = np.zeros(7, np.int64)
    for window, often in ((pe.narrow, narrow), (pe.narrow.alone, everywhere - narrow)):
        np.add.at(began, shifts(window), often)
    counted: np.ndarray = began[::-1].cumsum()[::-1]
    return counted
