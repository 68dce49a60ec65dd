# SPDX-License-Identifier: Apache-2.0
"""The performance counters of NB-SMT, from histograms: no per-product work.

Per step, all that the counters need of an operand is whether it is zero, fits in 4 bits or is wide. The states of one
row's T activations make one of 3**T patterns, likewise one column's T weights. Counting patterns per step over the rows
and over the columns, and multiplying the two histograms, gives how often each pair of patterns met: the counters are
that table weighted by what the rules say about one meeting.

Policies that detect zeros reduce active threads of colliding steps only; the others reduce whatever their rule says,
active or not, and `min` reduces every thread of every step, the zero padding of K included.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig

from .product import Counters
from .rounding import fits_w, fits_x

ZERO, FITS, WIDE = 0, 1, 2


def count(x: np.ndarray, w: np.ndarray, pe: NbSmtConfig) -> Counters:
    """Count for operands already split over the threads.

    Parameters
    ----------
    x : uint8 [M, T, steps]
    w : int8 [N, T, steps]
    pe : NbSmtConfig
    """
    threads = x.shape[1]
    met = _histogram(x, fits_x, threads).T @ _histogram(w, fits_w, threads)
    return Counters(*(int(np.sum(met * table)) for table in _per_meeting(pe, threads)))


def _histogram(operand: np.ndarray, fits: Callable[[np.ndarray], np.ndarray], threads: int) -> np.ndarray:
    """How often each pattern occurs in each step: float64 [steps, 3**T], exact up to 2**53."""
    length, _, steps = operand.shape
    patterns = 3**threads
    total = np.zeros(steps * patterns, np.int64)
    place = np.arange(steps) * patterns
    rows = max(1, 2**18 // steps)  # bounds the memory
    for start in range(0, length, rows):
        part = operand[start : start + rows]
        states = (part != 0).view(np.uint8) + (~fits(part)).view(np.uint8)
        pattern = sum(states[:, t] * np.uint8(3**t) for t in range(threads))
        total += np.bincount((pattern + place).ravel(), minlength=total.size)
    return total.reshape(steps, patterns).astype(np.float64)


@lru_cache(maxsize=128)
def _per_meeting(pe: NbSmtConfig, threads: int) -> tuple[np.ndarray, ...]:
    """What one step adds to each counter when pattern p of x meets pattern q of w: four arrays [3**T, 3**T]."""
    states = np.arange(3**threads)[:, None] // 3 ** np.arange(threads) % 3
    x, w = states[:, None, :], states[None, :, :]
    active = (x != ZERO) & (w != ZERO)
    n = active.sum(axis=-1)
    reduced = _reduced(pe, x == WIDE, w == WIDE, active, threads)
    return n, n > 0, (n > 1) & (threads > 1), reduced.sum(axis=-1)


def _reduced(pe: NbSmtConfig, x_wide: np.ndarray, w_wide: np.ndarray, active: np.ndarray, threads: int) -> np.ndarray:
    """Which threads' products come from a reduced operand: bool [3**T, 3**T, T]."""
    everything = np.ones_like(active)
    if threads == 1:
        return ~everything
    rules = pe.rules
    if not rules.checks_width:
        two = four = everything
    else:
        two = everything & (x_wide & w_wide if rules.swaps else x_wide if rules.reduced_operand == "x" else w_wide)
        four = x_wide | w_wide
    if not rules.detects_zeros:
        return two if threads == 2 else four
    n = active.sum(axis=-1, keepdims=True)
    reduced: np.ndarray = active & (((n == 2) & two) | ((n > 2) & four))
    return reduced
