# SPDX-License-Identifier: Apache-2.0
"""The entries of a null cache in the fast model, compiled by numba: found, aged, merged and split.

Entries stand in `values`, `masks` and `ages` in no particular order; `state` holds the scalars.
"""

import numpy as np
from numba import njit

from sysmt.hdl.params.cache import COUNTERS

(ACCESSES, HITS, MISSES, NULL_HITS, INSERTS, MERGES, REMOVALS, SPLITS, EVICTIONS, LOST, COVERED) = range(len(COUNTERS))
# Scalars of a null cache that is running.
USED, FREE_AT, LAST = range(3)


@njit(cache=True, inline="always")
def find(line, values, masks, state):
    """Index of the entry that covers `line`, or -1. Entries are disjoint: the last one found is tried first."""
    used = state[USED]
    last = state[LAST]
    if last < used and (line ^ values[last]) & ~masks[last] == 0:
        return last
    for i in range(used):
        if (line ^ values[i]) & ~masks[i] == 0:
            state[LAST] = i
            return i
    return -1


@njit(cache=True)
def _order(mask):
    order = 0
    left = np.int64(mask)
    while left:
        left &= left - 1
        order += 1
    return order


@njit(cache=True, inline="always")
def _add(value, mask, values, masks, ages, state):
    i = state[USED]
    for other in range(i):
        ages[other] += 1
    state[USED] += 1
    values[i], masks[i], ages[i] = value, mask, 0
    return i


@njit(cache=True, inline="always")
def _drop(i, values, masks, ages, state):
    age = ages[i]
    state[USED] -= 1
    last = state[USED]
    values[i], masks[i], ages[i] = values[last], masks[last], ages[last]
    for other in range(last):
        ages[other] -= ages[other] > age


@njit(cache=True, inline="always")
def touch(i, ages, state):
    """Make an entry the one used last."""
    age = ages[i]
    if age > 0:
        for other in range(state[USED]):
            ages[other] += ages[other] < age
        ages[i] = 0


@njit(cache=True)
def _partner(new, values, masks, state):
    """The entry that differs from `new` in one bit only, the lowest bit there is; the gates try bit after bit."""
    partner = -1
    lowest = np.int64(1) << 40
    for i in range(state[USED]):
        differ = values[i] ^ values[new]
        if masks[i] == masks[new] and differ != 0 and differ & (differ - 1) == 0 and differ < lowest:
            partner = i
            lowest = differ
    return partner


@njit(cache=True)
def insert(now, line, policy, counters, orders, values, masks, ages, state):
    """Put a line in and merge what can be merged; `ages` 0 is the entry used last. Returns when the cache goes on."""
    bits, victim_cycles, cover, protected = policy[0], policy[1], policy[2], policy[6]
    now = max(now + 1, state[FREE_AT])
    if state[USED] == len(values):
        now += victim_cycles
        victim, best, oldest = 0, 1 << 30, -1
        for i in range(len(values)):
            if ages[i] >= protected:
                order = _order(masks[i]) if cover else 0
                if order < best or (order == best and ages[i] > oldest):
                    victim, best, oldest = i, order, ages[i]
        counters[EVICTIONS] += 1
        counters[COVERED] -= np.int64(1) << _order(masks[victim])
        _drop(victim, values, masks, ages, state)
    new = _add(line, 0, values, masks, ages, state)
    counters[INSERTS] += 1
    counters[COVERED] += 1
    cycles = bits
    other = _partner(new, values, masks, state)
    while other >= 0:
        differ = values[new] ^ values[other]
        cycles += _order(differ - 1) + 1
        values[new] &= ~differ
        masks[new] |= differ
        if ages[other] < ages[new]:
            ages[other], ages[new] = ages[new], ages[other]
        _drop(other, values, masks, ages, state)
        if new == state[USED]:
            new = other
        counters[MERGES] += 1
        orders[_order(masks[new])] += 1
        other = _partner(new, values, masks, state)
    state[FREE_AT] = now + 1 + cycles
    return now


@njit(cache=True)
def remove(now, entry, line, policy, counters, values, masks, ages, state):
    """Take a line out of the entry that covers it: it falls into pieces. Returns when the cache goes on."""
    now = max(now + 1, state[FREE_AT])
    left = masks[entry]
    order = _order(left)
    _drop(entry, values, masks, ages, state)
    counters[REMOVALS] += 1
    counters[COVERED] -= np.int64(1) << order
    if not policy[3]:
        counters[LOST] += (np.int64(1) << order) - 1
        return now
    counters[SPLITS] += order > 0
    for size in range(order - 1, -1, -1):
        now += 1
        if state[USED] == len(values):
            counters[LOST] += (np.int64(2) << size) - 1
            return now
        top = np.int64(1) << (policy[0] - 1)
        while not left & top:
            top >>= 1
        left ^= top
        _add((line ^ top) & ~left, left, values, masks, ages, state)
        counters[COVERED] += np.int64(1) << size
    return now
