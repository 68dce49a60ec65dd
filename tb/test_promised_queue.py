# SPDX-License-Identifier: Apache-2.0
"""A queue that promises room against a list, and the depths that it refuses."""

import gc
import warnings
from collections import deque

import numpy as np
import pytest
from amaranth.hdl import UnusedElaboratable

from sysmt.hdl.common.promised_queue import PromisedQueue

from .accel import simulate


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_words_leave_in_order_and_room_is_told(depth):
    """Filled to the last place by promises alone, by words, and emptied, many times around the memory."""
    unit, random = PromisedQueue(8, depth), np.random.default_rng(depth)

    async def bench(ctx):
        held, owed, fullest = deque(), 0, [0, 0]
        for cycle in range(150 * depth):
            assert ctx.get(unit.room) == (len(held) + owed < depth)
            assert ctx.get(unit.o.valid) == bool(held)
            if held:
                assert ctx.get(unit.o.payload) == held[0]
            phase = cycle // (4 * depth) % 4
            promise = len(held) + owed < depth and random.random() < (0.9, 0.9, 0.2, 0.6)[phase]
            write = owed + promise > 0 and random.random() < (0.1, 0.9, 0.9, 0.6)[phase]
            ready, word = random.random() < (0.1, 0.1, 0.9, 0.6)[phase], int(random.integers(256))
            for port, value in ((unit.promise, promise), (unit.write, write), (unit.o.ready, ready), (unit.data, word)):
                ctx.set(port, value)
            owed += int(promise) - int(write)
            if ready and held:
                held.popleft()
            if write:
                held.append(word)
            fullest = [max(fullest[0], owed), max(fullest[1], len(held))]
            await ctx.tick()
        assert fullest == [depth, depth]

    simulate(unit, bench)


@pytest.mark.parametrize("depth", [0, 1, 3, 6])
def test_other_depths_are_refused(depth):
    with warnings.catch_warnings(action="ignore", category=UnusedElaboratable):
        with pytest.raises(ValueError, match=f"not {depth}"):
            PromisedQueue(8, depth)
        gc.collect()
