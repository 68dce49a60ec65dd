# SPDX-License-Identifier: Apache-2.0
"""The compiled loops of the cell simulator: functions are programs of choices, values are words of 64 streams."""

from typing import NamedTuple

import numpy as np

from sysmt.base.extras import require

njit = require("numba", "silicon").njit

DEEPEST = 256
"""Most choices in the program of one function."""


class GateTable(NamedTuple):
    """GateTable as arrays: the program of each, its input nets [gates, most inputs] and its output net."""

    program: np.ndarray
    ins: np.ndarray
    out: np.ndarray


class Programs(NamedTuple):
    """Functions as programs, one after the other: where each begins, and its rows of (input, low, high)."""

    starts: np.ndarray
    rows: np.ndarray


class Fanout(NamedTuple):
    """The gates that each net leads to, net after net: where those of a net begin, and all of them."""

    starts: np.ndarray
    gates: np.ndarray


class Wavefront(NamedTuple):
    """Memory for the gates that are to be evaluated in one unit of time.

    Members
    -------
    due, words : the gates and their new values
    stamps : per gate the last unit of time in which it was due
    stamp : the current unit, the one element of an array
    """

    due: np.ndarray
    words: np.ndarray
    stamps: np.ndarray
    stamp: np.ndarray


@njit(cache=True)
def levelled(ins: np.ndarray, out: np.ndarray, nets: int) -> tuple[np.ndarray, int]:
    """GateTable in an order in which every input comes before, and how many could be placed in it."""
    driver = np.full(nets, -1, np.int64)
    for gate in range(len(out)):
        driver[out[gate]] = gate
    missing = np.zeros(len(out), np.int64)
    starts = np.zeros(nets + 1, np.int64)
    for gate in range(len(out)):
        for net in ins[gate]:
            if driver[net] >= 0:
                missing[gate] += 1
                starts[net + 1] += 1
    starts = np.cumsum(starts)
    fan, next_slot = np.zeros(starts[-1], np.int64), starts[:-1].copy()
    for gate in range(len(out)):
        for net in ins[gate]:
            if driver[net] >= 0:
                fan[next_slot[net]] = gate
                next_slot[net] += 1
    order = np.zeros(len(out), np.int64)
    end = 0
    for gate in range(len(out)):
        if missing[gate] == 0:
            order[end] = gate
            end += 1
    at = 0
    while at < end:
        net = out[order[at]]
        at += 1
        for i in range(starts[net], starts[net + 1]):
            missing[fan[i]] -= 1
            if missing[fan[i]] == 0:
                order[end] = fan[i]
                end += 1
    return order, end


@njit(cache=True, inline="always")
def _ones(word: np.uint64) -> int:
    """Number of ones in a word."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, inline="always")
def _value(values, ins, start, end, rows, known):
    """One function of the nets `ins`: its choices one after the other; `known` is room for them."""
    for i in range(start, end):
        chosen = values[ins[rows[i, 0]]]
        known[i - start + 2] = (chosen & known[rows[i, 2]]) | (~chosen & known[rows[i, 1]])
    return known[end - start + 1]


@njit(cache=True)
def _scratch():
    known = np.zeros(DEEPEST, np.uint64)
    known[1] = np.uint64(0xFFFFFFFFFFFFFFFF)
    return known


@njit(cache=True)
def sweep(values, gates, programs, toggles):
    """Evaluate all gates in order."""
    program, ins, out = gates
    starts, rows = programs
    known = _scratch()
    for gate in range(len(program)):
        word = _value(values, ins[gate], starts[program[gate]], starts[program[gate] + 1], rows, known)
        changed = word ^ values[out[gate]]
        if changed:
            toggles[out[gate]] += _ones(changed)
            values[out[gate]] = word


@njit(cache=True)
def next_states(values, registers, enable, programs):
    """What registers, as gates, take at the edge; those whose `enable` (a net, or -1) is low keep their state."""
    program, ins, q = registers
    starts, rows = programs
    known = _scratch()
    taken = np.zeros(len(program), np.uint64)
    for i in range(len(program)):
        word = _value(values, ins[i], starts[program[i]], starts[program[i] + 1], rows, known)
        if enable[i] >= 0:
            on = values[enable[i]]
            word = (on & word) | (~on & values[q[i]])
        taken[i] = word
    return taken


@njit(cache=True)
def write(values, nets, words, toggles, changed):
    """Set nets; those that changed are listed in `changed`. Returns how many they are."""
    count = 0
    for i in range(len(nets)):
        difference = words[i] ^ values[nets[i]]
        if difference:
            toggles[nets[i]] += _ones(difference)
            values[nets[i]] = words[i]
            changed[count] = nets[i]
            count += 1
    return count


@njit(cache=True)
def settle(values, count, changed, gates, programs, fanout, wavefront, toggles):
    """Unit delays: what changed makes its gates be evaluated, whose outputs all change one unit later."""
    program, ins, out = gates
    starts, rows = programs
    fan_starts, fan = fanout
    due, words, stamps, stamp = wavefront
    known = _scratch()
    while count:
        stamp[0] += 1
        waiting = 0
        for i in range(count):
            for j in range(fan_starts[changed[i]], fan_starts[changed[i] + 1]):
                gate = fan[j]
                if stamps[gate] != stamp[0]:
                    stamps[gate] = stamp[0]
                    due[waiting] = gate
                    waiting += 1
        for i in range(waiting):
            gate = due[i]
            words[i] = _value(values, ins[gate], starts[program[gate]], starts[program[gate] + 1], rows, known)
        count = 0
        for i in range(waiting):
            net = out[due[i]]
            difference = words[i] ^ values[net]
            if difference:
                toggles[net] += _ones(difference)
                values[net] = words[i]
                changed[count] = net
                count += 1
