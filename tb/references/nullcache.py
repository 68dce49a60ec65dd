# SPDX-License-Identifier: Apache-2.0
"""The sparse cache written to be read, not to be fast: lists in order of use, one small method per event.

What it computes is the definition; `model.simulate` must equal it in every value, counter and cycle.

Time. An access is *looked up* in one cycle, in which a hit also answers; the next lookup is one cycle later.
* A load that misses waits until no store to its line is in the write buffer, and answers `miss_cycles` later.
* A store needs a place in the write buffer, which it keeps for `write_cycles`; otherwise its lookup waits.
* A line that turns out zero, when it arrives or by a store, is inserted in the following cycle, a line that stops
  being zero is removed in the following cycle: the next lookup waits for that.
* With `admit` an insertion takes no time of its own, or does not happen: while the merger works, while a victim is
  sought, and when there is no room. The line is then in the data cache, or stays there. A victim is sought for
  `victim_cycles`, in which no use of an entry counts, and a removal waits.
* After an insertion the merger works in the background, one address bit a cycle, restarting at bit 0 after every merge.
  It does not disturb lookups, only the next insertion or removal waits for it.
"""

from dataclasses import dataclass, field

import numpy as np

from sysmt.hdl.params.cache import COUNTERS, CacheConfig
from sysmt.sim.nullcache.traces.trace import STORE, Trace


@dataclass
class Entry:
    """A null entry: all lines that equal `value` where `mask` is 0."""

    value: int
    mask: int

    @property
    def order(self) -> int:
        return self.mask.bit_count()

    def covers(self, line: int) -> bool:
        return (line ^ self.value) & ~self.mask == 0


@dataclass
class Reference:
    """One cache and its memory. `run` plays a trace.

    `sets[i]` and `entries` are in order of use, the most recent first.
    """

    config: CacheConfig
    memory: dict[int, int] = field(default_factory=dict)
    now: int = 0

    def __post_init__(self):
        self.sets: list[list[int]] = [[] for _ in range(self.config.sets)]
        self.entries: list[Entry] = []
        self.merger_free = 0
        self.seeking, self.turned_away = False, 0
        self.stores: list[tuple[int, int]] = []
        self.zeroed_line, self.zeroed_bytes = 0, set()
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.merges_by_order = [0] * (self.config.line_bits + 1)

    def run(self, trace: Trace) -> list[int]:
        """Play the accesses; returns what the loads read, in order. `now` is then the number of cycles taken."""
        self.memory = {i: int(v) for i, v in enumerate(trace.mem)}
        loads = []
        for op, addr, size, value in zip(trace.op, trace.addr, trace.size, trace.data, strict=True):
            self.counters["accesses"] += 1
            if op == STORE:
                self._store(int(addr), int(size), int(value))
            else:
                loads.append(self._load(int(addr), int(size)))
            self.now += 1
        return loads

    def _load(self, addr: int, size: int) -> int:
        line = addr >> self.config.offset_bits
        ways = self.sets[line % self.config.sets]
        self.settle()
        entry = self._covering(line)
        if line in ways:
            self.counters["hits"] += 1
            self._touch(ways, line)
        elif entry is not None:
            self._use(entry)
            return 0
        else:
            self.counters["misses"] += 1
            self.now = max([self.now, *(taken + self.config.write_cycles for at, taken in self.stores if at == line)])
            self.now += self.config.miss_cycles
            if self.config.null is None or not self._line_is_zero(line) or not self._insert(line):
                self._fill(ways, line)
        return sum(self._byte(addr + i) << 8 * i for i in range(size))

    def _store(self, addr: int, size: int, value: int) -> None:
        if len(self.stores) == self.config.write_buffer:
            _, taken = self.stores.pop(0)
            self.now = max(self.now, taken + self.config.write_cycles)
        line = addr >> self.config.offset_bits
        self.stores.append((line, self.now))
        for i in range(size):
            self.memory[addr + i] = value >> 8 * i & 0xFF
        stored = (value & (1 << 8 * size) - 1) << 8 * (addr % 4)
        zero = self.config.null is not None and self._word_is_zero(stored)
        if self.config.null is not None:
            self._note_zeros(line, {addr + i for i in range(size)}, zero)
        ways = self.sets[line % self.config.sets]
        self.settle()
        entry = self._covering(line)
        if line in ways:
            self.counters["hits"] += 1
            self._touch(ways, line)
            if self.config.null is not None and self._line_is_zero(line) and self._insert(line):
                ways.remove(line)
        elif entry is not None:
            self._use(entry)
            if not zero:
                self._remove(entry, line)
                if self.config.null.on_store == "move":
                    self._fill(ways, line)
        else:
            self.counters["misses"] += 1
            if zero and len(self.zeroed_bytes) == self.config.line:
                self._insert(line)

    def _note_zeros(self, line: int, stored: set[int], zero: bool) -> None:
        """Follow one line at a time that is being filled with zeros: it need not be read to know that it is zero."""
        if zero:
            if line != self.zeroed_line:
                self.zeroed_line, self.zeroed_bytes = line, set()
            self.zeroed_bytes |= stored
        elif line == self.zeroed_line:
            self.zeroed_bytes -= stored

    def _fill(self, ways: list[int], line: int) -> None:
        ways.insert(0, line)
        del ways[self.config.ways :]

    def _use(self, entry: Entry) -> None:
        self.counters["null_hits"] += 1
        if not self.seeking:
            self._touch(self.entries, entry)

    def settle(self) -> None:
        """The victim that was sought leaves once it is found."""
        if self.seeking and self.now >= self.merger_free:
            self.seeking = False
            self._evict()

    def _evict(self) -> None:
        oldest_first = self.entries[self.config.null.protected :][::-1]
        cover = self.config.null.replacement == "cover"
        victim = min(oldest_first, key=lambda e: e.order) if cover else oldest_first[0]
        self.entries.remove(victim)
        self.counters["evictions"] += 1
        self.counters["covered_lines"] -= 1 << victim.order

    def _insert(self, line: int) -> bool:
        """Whether the line is in the null cache now."""
        full = len(self.entries) == self.config.null.entries
        if self.config.null.admit:
            self.settle()
            full = len(self.entries) == self.config.null.entries
            if self.now < self.merger_free:
                return False
            self.turned_away += full
            if full and self.turned_away == self.config.null.admit:
                self.turned_away, self.seeking = 0, True
                self.merger_free = self.now + self.config.victim_cycles
            if full:
                return False
        else:
            self.now = max(self.now + 1, self.merger_free)
            if full:
                self.now += self.config.victim_cycles
                self._evict()
        self.entries.insert(0, Entry(line, 0))
        self.counters["inserts"] += 1
        self.counters["covered_lines"] += 1
        self.merger_free = self.now + 1 + self._merge(self.entries[0])
        return True

    def _merge(self, new: Entry) -> int:
        """Join `new` with its neighbours as long as there are any; returns the cycles that took."""
        cycles = bit = 0
        while bit < self.config.line_bits:
            cycles += 1
            partner = self._covering(new.value ^ 1 << bit)
            if new.mask >> bit & 1 or partner is None or partner.mask != new.mask:
                bit += 1
                continue
            # The joined entry is as young as the younger of the two.
            kept, gone = sorted((new, partner), key=self._position)
            del self.entries[self._position(gone)]
            kept.value, kept.mask = new.value & ~(1 << bit), new.mask | 1 << bit
            self.counters["merges"] += 1
            self.merges_by_order[kept.order] += 1
            new, bit = kept, 0
        return cycles

    def _remove(self, entry: Entry, line: int) -> None:
        self.now = max(self.now + 1, self.merger_free)
        self.settle()
        if self._covering(line) is None:
            return
        del self.entries[self._position(entry)]
        self.counters["removals"] += 1
        self.counters["covered_lines"] -= 1 << entry.order
        left = [bit for bit in range(self.config.line_bits) if entry.mask >> bit & 1]
        if self.config.null.on_store == "drop":
            self.counters["lost_lines"] += (1 << len(left)) - 1
            return
        self.counters["splits"] += bool(left)
        while left:
            # The half without `line`, as one entry; then go on with the other half.
            self.now += 1
            if len(self.entries) == self.config.null.entries:
                self.counters["lost_lines"] += (1 << len(left)) - 1
                return
            bit = left.pop()
            mask = sum(1 << b for b in left)
            self.entries.insert(0, Entry((line ^ 1 << bit) & ~mask, mask))
            self.counters["covered_lines"] += 1 << len(left)

    def _covering(self, line: int) -> Entry | None:
        return next((entry for entry in self.entries if entry.covers(line)), None)

    def _position(self, entry: Entry) -> int:
        return next(i for i, e in enumerate(self.entries) if e is entry)

    @staticmethod
    def _touch(order: list, used: object) -> None:
        i = next(i for i, item in enumerate(order) if item is used or item == used)
        order.insert(0, order.pop(i))

    def _byte(self, addr: int) -> int:
        return self.memory.get(addr, 0)

    def _line_is_zero(self, line: int) -> bool:
        base = line << self.config.offset_bits
        words = range(base, base + self.config.line, 4)
        return all(self._word_is_zero(sum(self._byte(a + i) << 8 * i for i in range(4))) for a in words)

    def _word_is_zero(self, word: int) -> bool:
        null = self.config.null
        width = 8 if null.approx_unit == "byte" else 32
        parts = np.array([word >> at & (1 << width) - 1 for at in range(0, 32, width)])
        return bool((np.minimum(parts, (1 << width) - parts) <= null.approx).all())
