# SPDX-License-Identifier: Apache-2.0
"""The entries of a null cache in the fast model, compiled by numba: found, aged, merged and split.

numba passes the named tuples here as it passes plain ones, at the same speed.
"""

from typing import NamedTuple

import numpy as np

from sysmt.base.extras import require
from sysmt.hdl.params.cache import COUNTERS

njit = require("numba", "silicon").njit

(ACCESSES, HITS, MISSES, NULL_HITS, INSERTS, MERGES, REMOVALS, SPLITS, EVICTIONS, LOST, COVERED) = range(len(COUNTERS))
# Scalars of a null cache that is running.
USED, FREE_AT, LAST, SEEKING, TURNED_AWAY = range(5)
SCALARS = 5


class NullPolicy(NamedTuple):
    """What a null cache does.

    Members
    -------
    line_bits : int
        Bits of the address of a line.
    victim_cycles : int
        Cycles that finding a victim takes.
    cover, split : bool
        Replace the entry that covers least; on a store, keep the pieces of an entry.
    approx : int
        Magnitude up to which a value counts as zero.
    by_word : bool
        `approx` is of words, not of bytes.
    protected : int
        Entries used last that are no victims.
    admit : int
        Insertions never wait, and every `admit`-th that finds no room makes an entry leave; 0: they wait.
    move : bool
        On a store, the line goes to the data cache.
    """

    line_bits: int
    victim_cycles: int
    cover: bool
    split: bool
    approx: int
    by_word: bool
    protected: int
    admit: int
    move: bool


class Entries(NamedTuple):
    """The entries, in no particular order: the first `state[USED]` of int64 `values`, `masks` and `ages`.

    Age 0 is the entry used last. `state` holds the `SCALARS`: entries used, the cycle from which insertion is free
    again, the entry found last, whether a victim is sought until that cycle, lines turned away since one was.
    """

    values: np.ndarray
    masks: np.ndarray
    ages: np.ndarray
    state: np.ndarray


class Tally(NamedTuple):
    """What is counted: `counters` as `sysmt.hdl.params.cache.COUNTERS`, and merges by the `orders` of their results."""

    counters: np.ndarray
    orders: np.ndarray


@njit(cache=True, inline="always")
def find(line, entries):
    """Index of the entry that covers `line`, or -1. Entries are disjoint: the last one found is tried first."""
    values, masks, _, state = entries
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
def _add(value, mask, entries):
    values, masks, ages, state = entries
    i = state[USED]
    for other in range(i):
        ages[other] += 1
    state[USED] += 1
    values[i], masks[i], ages[i] = value, mask, 0
    return i


@njit(cache=True, inline="always")
def _drop(i, entries):
    values, masks, ages, state = entries
    age = ages[i]
    state[USED] -= 1
    last = state[USED]
    values[i], masks[i], ages[i] = values[last], masks[last], ages[last]
    for other in range(last):
        ages[other] -= ages[other] > age


@njit(cache=True, inline="always")
def touch(i, entries):
    """Make an entry the one used last."""
    ages = entries.ages
    age = ages[i]
    if age > 0:
        for other in range(entries.state[USED]):
            ages[other] += ages[other] < age
        ages[i] = 0


@njit(cache=True)
def _partner(new, entries):
    """The entry that differs from `new` in one bit only, the lowest bit there is; the RTL tries bit after bit."""
    values, masks, _, state = entries
    partner = -1
    lowest = np.int64(1) << 40
    for i in range(state[USED]):
        differ = values[i] ^ values[new]
        if masks[i] == masks[new] and differ != 0 and differ & (differ - 1) == 0 and differ < lowest:
            partner = i
            lowest = differ
    return partner


@njit(cache=True)
def _evict(policy, counters, entries):
    """Drop the entry that the policy chooses; all are in use."""
    masks, ages = entries.masks, entries.ages
    victim, best, oldest = 0, 1 << 30, -1
    for i in range(len(masks)):
        if ages[i] >= policy.protected:
            order = _order(masks[i]) if policy.cover else 0
            if order < best or (order == best and ages[i] > oldest):
                victim, best, oldest = i, order, ages[i]
    counters[EVICTIONS] += 1
    counters[COVERED] -= np.int64(1) << _order(masks[victim])
    _drop(victim, entries)


@njit(cache=True, inline="always")
def settle(now, policy, counters, entries):
    """Drop the victim that was sought in the background, once it is found."""
    state = entries.state
    if state[SEEKING] and now >= state[FREE_AT]:
        state[SEEKING] = 0
        _evict(policy, counters, entries)


@njit(cache=True)
def offer(now, line, policy, tally, entries):
    """Put a line in if that takes no time. Returns whether it is in."""
    settle(now, policy, tally.counters, entries)
    state = entries.state
    if now < state[FREE_AT]:
        return False
    if state[USED] == len(entries.values):
        state[TURNED_AWAY] += 1
        if state[TURNED_AWAY] == policy.admit:
            state[TURNED_AWAY] = 0
            state[SEEKING] = 1
            state[FREE_AT] = now + policy.victim_cycles
        return False
    _enter(now, line, tally, policy.line_bits, entries)
    return True


@njit(cache=True)
def insert(now, line, policy, tally, entries):
    """Put a line in, whatever time it takes. Returns when the cache goes on."""
    state = entries.state
    now = max(now + 1, state[FREE_AT])
    if state[USED] == len(entries.values):
        now += policy.victim_cycles
        _evict(policy, tally.counters, entries)
    _enter(now, line, tally, policy.line_bits, entries)
    return now


@njit(cache=True)
def _enter(now, line, tally, line_bits, entries):
    """Put a line in, for which there is room, and merge what can be merged."""
    counters, orders = tally
    values, masks, ages, state = entries
    new = _add(line, 0, entries)
    counters[INSERTS] += 1
    counters[COVERED] += 1
    cycles = line_bits
    other = _partner(new, entries)
    while other >= 0:
        differ = values[new] ^ values[other]
        cycles += _order(differ - 1) + 1
        values[new] &= ~differ
        masks[new] |= differ
        if ages[other] < ages[new]:
            ages[other], ages[new] = ages[new], ages[other]
        _drop(other, entries)
        if new == state[USED]:
            new = other
        counters[MERGES] += 1
        orders[_order(masks[new])] += 1
        other = _partner(new, entries)
    state[FREE_AT] = now + 1 + cycles


@njit(cache=True)
def remove(now, entry, line, policy, tally, entries):
    """Take a line out of the entry that covers it: it falls into pieces. Returns when the cache goes on."""
    counters, state = tally.counters, entries.state
    now = max(now + 1, state[FREE_AT])
    if state[SEEKING]:
        settle(now, policy, counters, entries)
        entry = find(line, entries)
        if entry < 0:
            return now
    left = entries.masks[entry]
    order = _order(left)
    _drop(entry, entries)
    counters[REMOVALS] += 1
    counters[COVERED] -= np.int64(1) << order
    if not policy.split:
        counters[LOST] += (np.int64(1) << order) - 1
        return now
    counters[SPLITS] += order > 0
    for size in range(order - 1, -1, -1):
        now += 1
        if state[USED] == len(entries.values):
            counters[LOST] += (np.int64(2) << size) - 1
            return now
        top = np.int64(1) << (policy.line_bits - 1)
        while not left & top:
            top >>= 1
        left ^= top
        _add((line ^ top) & ~left, left, entries)
        counters[COVERED] += np.int64(1) << size
    return now
