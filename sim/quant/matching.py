# SPDX-License-Identifier: Apache-2.0
"""Joins things in pairs, or leaves them alone, at little cost: exchanges between pairs as long as they pay.

Minimum-weight matching by 2-opt local search (Croes, Operations Research 1958, who exchanges edges of tours), in place
of Edmonds' exact algorithm, whose time grows with the cube of K.
"""

from collections.abc import Callable
from math import inf

import numpy as np

SWEEPS = 40
"""Most passes over all things; an exchange usually stops paying after a few."""
ROUNDS = 4
"""Most times that pairs are split and the rest is matched anew."""
ALONE = -1


def match(cost: np.ndarray, steps: int, start: np.ndarray | None = None) -> np.ndarray:
    """Join K things so that `steps` pairs and single ones are left.

    Parameters
    ----------
    cost : float64 [K, K]
        Of every pair; symmetric. A single one costs nothing.
    steps : int
        ceil(K / 2) to K.
    start : int64 [K], optional
        A matching with as many pairs; by default the one of contiguous halves.

    Returns
    -------
    int64 [K]
        Whom everyone is joined with, `ALONE` for none.
    """
    k, seats = len(cost), 2 * steps
    # Whoever is alone is joined with a seat that costs nothing; these can be exchanged as well.
    table = np.zeros((seats, seats))
    table[:k, :k] = cost
    partner = (np.arange(seats) + steps) % seats
    if start is not None:
        alone = np.flatnonzero(start == ALONE)
        partner = np.concatenate([start, alone])
        partner[alone] = np.arange(k, seats)
    everyone = np.arange(seats)
    for _ in range(SWEEPS):
        improved = _replaced(cost, partner)
        for i in range(k):
            own = partner[i]
            gain = table[i, partner] + table[own] - table[i, own] - table[everyone, partner]
            gain[i] = gain[own] = 0
            j = int(gain.argmin())
            if gain[j] < -1e-9 * (1 + abs(table[i, own])):
                other = partner[j]
                partner[i], partner[other], partner[j], partner[own] = other, i, own, j
                improved = True
        if not improved:
            break
    return np.where(partner[:k] < k, partner[:k], ALONE)


def _replaced(cost: np.ndarray, partner: np.ndarray) -> bool:
    """Join two who are alone in place of the pair that costs most, where it is cheaper: changes `partner`."""
    k, changed = len(cost), False
    while True:
        alone = np.flatnonzero(partner[:k] >= k)
        firsts = np.flatnonzero((partner[:k] > np.arange(k)) & (partner[:k] < k))
        if len(alone) < 2 or not len(firsts):
            return changed
        among = cost[np.ix_(alone, alone)] + np.where(np.eye(len(alone)), np.inf, 0)
        i, j = alone[list(np.unravel_index(among.argmin(), among.shape))]
        a = firsts[cost[firsts, partner[firsts]].argmax()]
        b = partner[a]
        if cost[i, j] >= cost[a, b]:
            return changed
        for one, other in ((a, partner[i]), (b, partner[j])):
            partner[one], partner[other] = other, one
        partner[i], partner[j], changed = j, i, True


def match_at(cost: np.ndarray, multiplier: float, time: Callable[[int], float]) -> np.ndarray:
    """Join things where it pays: a matching with a small Lagrangian, cost + multiplier * time.

    Parameters
    ----------
    cost : float64 [K, K]
    multiplier : float
        Cost that a unit of time is worth; infinite for as few steps as can be.
    time : function of steps

    Returns
    -------
    int64 [K]
    """
    k = len(cost)
    steps = -(-k // 2)
    partner = match(cost, steps)
    if multiplier == inf:
        return partner
    for _ in range(ROUNDS):
        firsts = np.flatnonzero(partner > np.arange(k))
        each = cost[firsts, partner[firsts]]
        worst = firsts[np.argsort(-each, kind="stable")]
        left = np.concatenate([[0], np.sort(each)]).cumsum()[::-1]
        split = int(np.argmin([rest + multiplier * time(steps + i) for i, rest in enumerate(left)]))
        if not split:
            break
        freed = worst[:split]
        partner[partner[freed]] = ALONE
        partner[freed] = ALONE
        steps += split
        partner = match(cost, steps, partner)
    return partner


def groups(partner: np.ndarray) -> np.ndarray:
    """A matching as int64 [steps, 2], `ALONE` in the second place of those that are."""
    firsts = np.flatnonzero((partner > np.arange(len(partner))) | (partner == ALONE))
    return np.stack([firsts, partner[firsts]], axis=1)
