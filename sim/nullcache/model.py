# SPDX-License-Identifier: Apache-2.0
"""The fast model of the sparse cache: bit- and cycle-exact, compiled by numba.

Its rules are written to be read in `tb/references/nullcache.py`.

Order of use is kept as ages and time stamps instead of lists, and the null entries stand in no particular order, so
that the code shares nothing with the reference but the configuration.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sysmt.hdl.params.cache import COUNTERS, CacheConfig
from sysmt.sim.nullcache.traces.trace import Trace

from .entries import (
    ACCESSES,
    HITS,
    MISSES,
    NULL_HITS,
    SCALARS,
    SEEKING,
    USED,
    Entries,
    NullPolicy,
    Tally,
    find,
    insert,
    njit,
    offer,
    remove,
    settle,
    touch,
)

PAGE = 4096


class CacheGeometry(NamedTuple):
    """The data cache and its memory: sets, ways, bytes of a line, places of the write buffer, cycles."""

    sets: int
    ways: int
    line: int
    write_buffer: int
    miss_cycles: int
    write_cycles: int


class Accesses(NamedTuple):
    """A trace as arrays: loads (0) or stores (1), addresses, positions in `memory`, sizes in bytes, data to store."""

    op: np.ndarray
    addr: np.ndarray
    where: np.ndarray
    size: np.ndarray
    data: np.ndarray


@dataclass(frozen=True, eq=False)
class CacheRun:
    """What a cache did with a trace.

    Parameters
    ----------
    loads : array of uint32
        Loaded values, in order.
    cycles : int
        Cycles from the first lookup to the end of the last access, both streams and the memory always ready.
    counters : dict of str to int
        `sysmt.hdl.params.cache.COUNTERS`.
    merges_by_order : tuple of int
        Merges that made an entry of 2**n lines, at index n.
    entries : array [E, 2] of int64
        Value and mask of the null entries at the end, sorted.
    """

    loads: np.ndarray
    cycles: int
    counters: dict[str, int]
    merges_by_order: tuple[int, ...]
    entries: np.ndarray

    @property
    def miss_rate(self) -> float:
        """Misses per access; 0 for an empty trace."""
        return self.counters["misses"] / max(1, self.counters["accesses"])

    def as_dict(self) -> dict[str, Any]:
        """The facts, for a report."""
        facts = self.counters | {"miss_rate": self.miss_rate, "cycles": self.cycles}
        return facts | {"merges_by_order": list(self.merges_by_order), "null_entries_used": len(self.entries)}


def simulate(trace: Trace, config: CacheConfig) -> CacheRun:
    """Play a trace through a cache whose memory answers after `config.memory_cycles`.

    Raises
    ------
    UserError
        The trace leaves the address range of the configuration.
    """
    played = prepared(trace, config)
    null = config.null
    loads = np.zeros(int((trace.op == 0).sum()), np.uint32)
    tally = Tally(np.zeros(len(COUNTERS), np.int64), np.zeros(config.line_bits + 1, np.int64))
    values, masks, ages = np.zeros((3, null.entries if null else 1), np.int64)
    cycles, used = _run(
        *played,
        null is not None,
        NullPolicy(
            line_bits=config.line_bits,
            victim_cycles=config.victim_cycles,
            cover=null is not None and null.replacement == "cover",
            split=null is not None and null.on_store != "drop",
            approx=null.approx if null else 0,
            by_word=null is not None and null.approx_unit == "word",
            protected=null.protected if null else 0,
            admit=null.admit if null else 0,
            move=null is not None and null.on_store == "move",
        ),
        loads,
        tally,
        Entries(values, masks, ages, np.zeros(SCALARS, np.int64)),
    )
    entries = np.stack([values[:used], masks[:used]], axis=1) if null else np.zeros((0, 2), np.int64)
    return CacheRun(
        loads,
        int(cycles),
        dict(zip(COUNTERS, map(int, tally.counters), strict=True)),
        tuple(map(int, tally.orders)),
        entries[np.lexsort(entries.T[::-1])],
    )


def prepared(trace: Trace, config: CacheConfig) -> tuple[Accesses, np.ndarray, CacheGeometry]:
    """A trace as the compiled models take it, memory uint8 [bytes touched], and the data cache.

    Raises
    ------
    UserError
        The trace leaves the address range of the configuration.
    """
    trace.check_range(config.addr_width)
    where, memory = _compact(trace)
    geometry = CacheGeometry(
        sets=config.sets,
        ways=config.ways,
        line=config.line,
        write_buffer=config.write_buffer,
        miss_cycles=config.miss_cycles,
        write_cycles=config.write_cycles,
    )
    accesses = Accesses(trace.op.astype(np.uint8), trace.addr, where, trace.size.astype(np.uint8), trace.data)
    return accesses, memory, geometry


def _compact(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """Keep only pages that are touched: position of every access in them, and their initial content."""
    touched = np.zeros((1 << 32) // PAGE, bool)
    touched[trace.addr // PAGE] = True
    pages = np.flatnonzero(touched)
    position = np.zeros(len(touched), np.int64)
    position[pages] = np.arange(len(pages)) * PAGE
    memory = np.zeros(len(pages) * PAGE, np.uint8)
    for i, page in enumerate(pages):
        part = trace.mem[page * PAGE : (page + 1) * PAGE]
        memory[i * PAGE : i * PAGE + len(part)] = part
    return position[trace.addr // PAGE] + trace.addr % PAGE, memory


@njit(cache=True, inline="always")
def _zero_word(word, approx, by_word):
    if approx == 0:
        return word == 0
    if by_word:
        return word <= approx or (1 << 32) - word <= approx
    for at in range(0, 32, 8):
        byte = word >> at & 255
        if byte > approx and 256 - byte > approx:
            return False
    return True


@njit(cache=True, inline="always")
def _zero_line(memory, base, line, approx, by_word):
    for at in range(base, base + line, 4):
        word = (
            np.int64(memory[at])
            | np.int64(memory[at + 1]) << 8
            | np.int64(memory[at + 2]) << 16
            | np.int64(memory[at + 3]) << 24
        )
        if not _zero_word(word, approx, by_word):
            return False
    return True


@njit(cache=True)
def _run(accesses, memory, geometry, has_null, policy, loads, tally, entries):
    op, addr, where, size, data = accesses
    sets, ways, line_bytes, depth = geometry.sets, geometry.ways, geometry.line, geometry.write_buffer
    miss_cycles, write_cycles = geometry.miss_cycles, geometry.write_cycles
    approx, by_word = policy.approx, policy.by_word
    counters = tally.counters
    tags = np.full((sets, ways), -1, np.int64)
    used_at = np.zeros((sets, ways), np.int64)
    buffer_line = np.full(depth, -1, np.int64)
    buffer_free = np.zeros(depth, np.int64)
    zeroed_line = np.int64(0)
    zeroed_bytes = np.uint64(0)
    all_bytes = ~np.uint64(0) >> np.uint64(64 - line_bytes)
    stores = 0
    loaded = 0
    now = np.int64(0)
    for n in range(len(op)):
        at, bytes_ = where[n], size[n]
        line = np.int64(addr[n]) // line_bytes
        base = at - at % line_bytes
        row = line % sets
        way = -1
        for w in range(ways):
            if tags[row, w] == line:
                way = w
                break
        if op[n]:
            # The lookup that counts is the one that finds a place in the write buffer.
            now = max(now, buffer_free[stores % depth])
        entry = np.int64(-1)
        if way < 0 and has_null:
            settle(now, policy, counters, entries)
            entry = find(line, entries)
        if way >= 0:
            counters[HITS] += 1
            used_at[row, way] = n + 1
        elif entry >= 0:
            counters[NULL_HITS] += 1
            if not entries.state[SEEKING]:
                touch(entry, entries)
        else:
            counters[MISSES] += 1
        if op[n]:
            slot = stores % depth
            stores += 1
            buffer_line[slot], buffer_free[slot] = line, now + write_cycles
            value = np.int64(data[n])
            for i in range(bytes_):
                memory[at + i] = value >> 8 * i & 255
            if has_null:
                word = (value & (np.int64(1) << 8 * bytes_) - 1) << 8 * (at % 4)
                zero = _zero_word(word, approx, by_word)
                lanes = np.uint64((1 << bytes_) - 1) << np.uint64(at % line_bytes)
                if zero:
                    if line != zeroed_line:
                        zeroed_line, zeroed_bytes = line, np.uint64(0)
                    zeroed_bytes |= lanes
                elif line == zeroed_line:
                    zeroed_bytes &= ~lanes
                if way >= 0:
                    enters = _zero_line(memory, base, line_bytes, approx, by_word)
                else:
                    enters = entry < 0 and zero and zeroed_bytes == all_bytes
                if entry >= 0 and not zero:
                    now = remove(now, entry, line, policy, tally, entries)
                    if policy.move:
                        _fill(line, n, tags, used_at)
                elif enters and policy.admit:
                    if offer(now, line, policy, tally, entries) and way >= 0:
                        tags[row, way] = -1
                elif enters:
                    if way >= 0:
                        tags[row, way] = -1
                    now = insert(now, line, policy, tally, entries)
        else:
            value = np.int64(0)
            if entry < 0:
                for i in range(bytes_):
                    value |= np.int64(memory[at + i]) << 8 * i
            loads[loaded] = value
            loaded += 1
            if way < 0 and entry < 0:
                for slot in range(depth):
                    if buffer_line[slot] == line:
                        now = max(now, buffer_free[slot])
                now += miss_cycles
                inside = has_null and _zero_line(memory, base, line_bytes, approx, by_word)
                if inside and policy.admit:
                    inside = offer(now, line, policy, tally, entries)
                elif inside:
                    now = insert(now, line, policy, tally, entries)
                if not inside:
                    _fill(line, n, tags, used_at)
        now += 1
    counters[ACCESSES] = len(op)
    # What still goes on in the background comes to its end.
    settle(now + policy.victim_cycles, policy, counters, entries)
    return now, entries.state[USED]


@njit(cache=True, inline="always")
def _fill(line, n, tags, used_at):
    """Access `n` brings a line into the data cache."""
    sets, ways = tags.shape
    row = line % sets
    oldest = 0
    for w in range(ways):
        if tags[row, w] < 0:
            oldest = w
            break
        if used_at[row, w] < used_at[row, oldest]:
            oldest = w
    tags[row, oldest], used_at[row, oldest] = line, n + 1
