# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: a cache between a core that plays a trace and a memory."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from tb import vectors
from tb.cache_bench import Core, Memory, play, reset


@cocotb.test()
async def replay(dut):
    """Play the trace; hand back loads, errors, cycles, counters and the memory at the end."""
    given = vectors.load()
    stall, line, latency = float(given["stall"]), int(given["line"]), int(given["latency"])
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start(start_high=False))
    core = Core(dut, given, stall, seed=1)
    memory = Memory(dut, given["mem"], line, latency, stall, seed=2, refuse=given["refuse"].tolist())
    await reset(dut)
    accesses = len(given["op"])
    await play(dut, (core, memory), core, 2000 + int(accesses * (2 * latency + 80) * (1 + 4 * stall)))
    await FallingEdge(dut.clk)
    words = np.array(sorted((i, w) for i, w in memory.words.items() if w), np.uint32).reshape(-1, 2)
    vectors.save(
        loads=np.array(core.loads, np.uint32),
        load_errors=np.array(core.load_errors, np.uint8),
        store_errors=np.array(core.store_errors, np.uint8),
        cycles=np.int64(core.cycles),
        counters=np.frombuffer(int(dut.counters.value).to_bytes(len(dut.counters) // 8, "little"), np.uint8),
        words=words,
        reads=np.int64(memory.reads),
        writes=np.int64(memory.writes),
    )
