# SPDX-License-Identifier: Apache-2.0
"""A queue in registers against a list."""

from collections import deque

import numpy as np
import pytest
from amaranth.sim import Simulator

from sysmt.hdl.common.short_queue import ShortQueue


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_words_leave_in_order_and_every_place_is_told(depth):
    dut, random = ShortQueue(8, depth), np.random.default_rng(depth)

    async def bench(ctx):
        held = deque()
        fullest = 0
        for cycle in range(60 * depth):
            assert ctx.get(dut.level) == (1 << len(held)) - 1
            if held:
                assert ctx.get(dut.o) == held[0]
            # Phases in which it fills, empties, and stays.
            pop = bool(held) and random.random() < (0.2, 0.8, 0.5)[cycle // 10 % 3]
            push = (len(held) < depth or pop) and random.random() < (0.8, 0.2, 0.9)[cycle // 10 % 3]
            word = int(random.integers(256))
            ctx.set(dut.pop, pop)
            ctx.set(dut.push, push)
            ctx.set(dut.i, word)
            if pop:
                held.popleft()
            if push:
                held.append(word)
            fullest = max(fullest, len(held))
            await ctx.tick()
        assert fullest == depth

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
