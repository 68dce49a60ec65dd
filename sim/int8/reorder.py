# SPDX-License-Identifier: Apache-2.0
"""Static reordering of K: which operands share a step, chosen so that fewer products are reduced.

NB-SMT reorders statistically (Shomron and Weiser, MICRO 2020, section 4.2): operands that are often wide should meet
ones that are often zero. Here the expected number of reduced products of every pair (i, j) of operands is taken from
calibration inputs. With two threads and a policy that detects zeros it is

    cost(i, j) = sum over rows and columns of (i reduced, j active) + (j reduced, i active)
               = (wide_i . nonzero_j of x) (class_i . nonzero_j of w) + the mirror

an exact count, not an estimate, of the calibration inputs. Operands are then put into groups of T, one per thread, and
exchanged between groups as long as the sum of the pairs' costs falls. For four threads the sum over a group's pairs
stands for the count. A permutation is kept only if it reduces fewer products on calibration inputs that it was not
made from.
"""

from dataclasses import dataclass

import numpy as np

from hdl.config import PEConfig

from ..nbsmt import split
from ..nbsmt_counters import count
from ..rounding import fits_w, fits_x

SWEEPS = 40
"""Most passes over all operands; an exchange usually stops paying after a few."""
ROWS = 20_000
"""Rows of a layer's product that are looked at."""


@dataclass(frozen=True, eq=False)
class Reordered:
    """A permutation of K (None where none helps), and the reduced products without and with it, on held-out rows."""

    order: np.ndarray | None
    before: int
    after: int


def reorder(x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int) -> Reordered:
    """Find an order of K for one layer.

    Parameters
    ----------
    x : uint8 [M, K]
        Activations of calibration inputs. The first half makes the order, the second judges it.
    w : int8 [K, N]
    pe : PEConfig
    threads : int
    """
    half = len(x) // 2
    step = max(1, half // ROWS)
    made, held = x[:half:step], x[half::step]
    before = count(split(held, threads), split(w.T, threads), pe).reduced
    k = x.shape[1]
    if threads == 1 or k <= 2 * threads or not len(made) or pe.policy == "min":
        return Reordered(None, before, before)
    found = arrange(costs(made, w, pe, threads), threads)
    after = count(split(held[:, found], threads), split(w[found].T, threads), pe).reduced
    return Reordered(found, before, after) if after < before else Reordered(None, before, before)


def costs(x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
    """Reduced products of every pair of operands that shares a step: float64 [K, K], symmetric.

    Which operand is reduced, and when, is the policy's: `S` reduces whatever is active; a width policy the wide
    operand, or with swapping (`Aw`, `aW`) only where both are wide. On four threads a step is mostly crowded: each
    operand that does not fit is then reduced, so either counts.
    """
    active_x, active_w = (x != 0).astype(np.float32), (w != 0).astype(np.float32)
    wide_x, wide_w = (~fits_x(x)).astype(np.float32), (~fits_w(w)).astype(np.float32)

    def met(of_x: np.ndarray, of_w: np.ndarray) -> np.ndarray:
        mine = (of_x.T @ active_x).astype(np.float64) * (of_w @ active_w.T).astype(np.float64)
        return mine + mine.T

    both = wide_x, wide_w
    if pe.width_policy == "":
        return met(active_x, active_w)
    if threads == 4:
        return met(wide_x, active_w) + met(active_x, wide_w) - met(*both)
    if pe.width_policy in ("Aw", "aW"):
        return met(*both)
    return met(wide_x, active_w) if pe.width_policy == "A" else met(active_x, wide_w)


def arrange(cost: np.ndarray, threads: int) -> np.ndarray:
    """Put K operands into groups of `threads` with little cost inside; the order that the array then takes.

    Parameters
    ----------
    cost : float64 [K, K]
    threads : int

    Returns
    -------
    int64 [K]
        Thread t takes the t-th part of ceil(K / T); the parts' s-th operands are a group.
    """
    k = len(cost)
    steps = -(-k // threads)
    places = steps * threads
    # The padding of the last thread's tail is operands that cost nothing and stay where they are.
    table = np.zeros((places, places))
    table[:k, :k] = cost
    np.fill_diagonal(table, 0)
    group = np.arange(places) % steps
    inside = _inside(table, group, steps)
    for _ in range(SWEEPS):
        improved = False
        for i in range(k):
            # What exchanging i with any j changes: both leave their group and join the other's.
            gain = inside[i, group] + inside[np.arange(places), group[i]]
            gain -= inside[i, group[i]] + inside[np.arange(places), group] + 2 * table[i]
            gain[group == group[i]] = 0
            gain[k:] = 0
            j = int(gain.argmin())
            if gain[j] < -1e-9:
                a, b = group[i], group[j]
                change = table[:, j] - table[:, i]
                inside[:, a] += change
                inside[:, b] -= change
                group[i], group[j] = b, a
                improved = True
        if not improved:
            break
    return _order(group, steps, k)


def _inside(table: np.ndarray, group: np.ndarray, steps: int) -> np.ndarray:
    """Cost of operand i with all members of group g: float64 [places, groups]."""
    members = np.zeros((len(table), steps))
    members[np.arange(len(table)), group] = 1
    return table @ members


def _order(group: np.ndarray, steps: int, k: int) -> np.ndarray:
    """Members of group s to place s of each thread, the padding (k and up) to the last threads' tails."""
    by_group = np.argsort(group, kind="stable").reshape(steps, -1)  # padding last within its group
    flat = by_group.T.ravel()
    return flat[flat < k]
