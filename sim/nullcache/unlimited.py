# SPDX-License-Identifier: Apache-2.0
"""What a null cache could save at most if it forgot nothing and took no time: a mark for every policy.

It sees zero lines where the null cache sees them (a line that a miss brings, one that stores made zero) and remembers
each exactly, without entries, merging or waiting. A store that ends a zero line moves it into the data cache, as
`null.on_store=move` does.
"""

import numpy as np

from sysmt.hdl.params.cache import CacheConfig
from sysmt.sim.nullcache.traces.trace import Trace

from .entries import njit
from .model import _fill, _zero_line, prepared


def unlimited(trace: Trace, config: CacheConfig) -> tuple[int, int]:
    """Misses and cycles of a trace on the data cache of `config`, beside a null cache of any size that never waits.

    Raises
    ------
    UserError
        The trace leaves the address range of the configuration.
    """
    misses, cycles = _run(*prepared(trace, config))
    return int(misses), int(cycles)


@njit(cache=True)
def _run(accesses, memory, geometry):
    op, addr, where, size, data = accesses
    line_bytes, depth = geometry.line, geometry.write_buffer
    tags = np.full((geometry.sets, geometry.ways), -1, np.int64)
    used_at = np.zeros((geometry.sets, geometry.ways), np.int64)
    null = np.zeros(len(memory) // line_bytes + 1, np.bool_)
    buffer_line = np.full(depth, -1, np.int64)
    buffer_free = np.zeros(depth, np.int64)
    all_bytes = ~np.uint64(0) >> np.uint64(64 - line_bytes)
    zeroed_line, zeroed_bytes = np.int64(0), np.uint64(0)
    stores = misses = 0
    now = np.int64(0)
    for n in range(len(op)):
        at = where[n]
        place, base = at // line_bytes, at - at % line_bytes
        line = np.int64(addr[n]) // line_bytes
        row, way = line % geometry.sets, -1
        for w in range(geometry.ways):
            if tags[row, w] == line:
                way = w
                break
        if way >= 0:
            used_at[row, way] = n + 1
        elif not null[place]:
            misses += 1
        if op[n]:
            slot = stores % depth
            stores += 1
            now = max(now, buffer_free[slot])
            buffer_line[slot], buffer_free[slot] = line, now + geometry.write_cycles
            value, zero = np.int64(data[n]), True
            for i in range(size[n]):
                memory[at + i] = value >> 8 * i & 255
                zero = zero and memory[at + i] == 0
            lanes = np.uint64((1 << size[n]) - 1) << np.uint64(at % line_bytes)
            if zero:
                if line != zeroed_line:
                    zeroed_line, zeroed_bytes = line, np.uint64(0)
                zeroed_bytes |= lanes
            elif line == zeroed_line:
                zeroed_bytes &= ~lanes
            if way >= 0:
                if _zero_line(memory, base, line_bytes, 0, False):
                    null[place], tags[row, way] = True, -1
            elif null[place] and not zero:
                null[place] = False
                _fill(line, n, tags, used_at)
            elif zero and zeroed_bytes == all_bytes:
                null[place] = True
        elif way < 0 and not null[place]:
            for slot in range(depth):
                if buffer_line[slot] == line:
                    now = max(now, buffer_free[slot])
            now += geometry.miss_cycles
            if _zero_line(memory, base, line_bytes, 0, False):
                null[place] = True
            else:
                _fill(line, n, tags, used_at)
        now += 1
    return misses, now
