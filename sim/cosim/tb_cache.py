# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: a cache between a core that plays a trace and a memory."""

import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from . import vectors
from .cache_agents import Core, Memory, play, reset


def counters_of(dut) -> np.ndarray:
    """The port `counters`, as bytes."""
    return np.frombuffer(int(dut.counters.value).to_bytes(len(dut.counters) // 8, "little"), np.uint8)


@cocotb.test()
async def replay(dut):
    """Play the trace; hand back loads, errors, cycles, counters and the memory at the end."""
    given = vectors.load()
    stall, line, latency = float(given["stall"]), int(given["line"]), int(given["latency"])
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start(start_high=False))
    core = Core(dut, given, stall, seed=1, patient=bool(given["patient"]))
    refuse = {"refuse": given["refuse"].tolist(), "refuse_stores": int(given["refuse_stores"])}
    memory = Memory(dut, given["mem"], line, latency, stall, seed=2, **refuse)
    await reset(dut)
    accesses = len(given["op"])
    await play(dut, (core, memory), core, 2000 + int(accesses * (2 * latency + 80) * (1 + 4 * stall)))
    # The counters show an access one cycle after it is done.
    await FallingEdge(dut.clk)
    words = np.array(sorted((i, w) for i, w in memory.words.items() if w), np.uint32).reshape(-1, 2)
    vectors.save(
        loads=np.array(core.loads, np.uint32),
        load_errors=np.array(core.load_errors, np.uint8),
        store_errors=np.array(core.store_errors, np.uint8),
        cycles=np.int64(core.cycles),
        counters=counters_of(dut),
        words=words,
        reads=np.int64(memory.reads),
        writes=np.int64(memory.writes),
    )


@cocotb.test()
async def axi_ram(dut):
    """The same with the AXI4 RAM of cocotbext-axi, all channels paused at random."""
    from cocotbext.axi import AxiBus, AxiRam

    given = vectors.load()
    stall = float(given["stall"])
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start(start_high=False))
    dut.rst.value = 1
    ram = AxiRam(AxiBus.from_prefix(dut, "axi_"), dut.clk, dut.rst, size=1 << int(given["addr_width"]))
    ram.write(0, given["mem"].tobytes())

    def pauses(seed):
        chance = random.Random(seed)
        while True:
            yield chance.random() < stall

    channels = (
        ram.write_if.aw_channel,
        ram.write_if.w_channel,
        ram.write_if.b_channel,
        ram.read_if.ar_channel,
        ram.read_if.r_channel,
    )
    for seed, channel in enumerate(channels):
        channel.set_pause_generator(pauses(seed))
    core = Core(dut, given, stall, seed=1)
    await reset(dut)
    await play(dut, (core,), core, 2000 + 400 * len(given["op"]))
    await FallingEdge(dut.clk)
    vectors.save(
        loads=np.array(core.loads, np.uint32),
        counters=counters_of(dut),
        errors=np.array(core.load_errors + core.store_errors, np.uint8),
        memory=np.frombuffer(ram.read(0, 1 << int(given["addr_width"])), np.uint8),
    )


@cocotb.test()
async def regions(dut):
    """A null cache alone: insert the lines one after the other, then look others up; hand back hits and counters.

    Waits for events, not for cycles: a region of thousands of lines takes millions of those.
    """
    given = vectors.load()
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start(start_high=False))
    for name in ("insert", "remove", "touch", "line"):
        getattr(dut, name).value = 0
    dut.rst.value = 1
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    for line in given["lines"].tolist():
        dut.line.value = line
        dut.insert.value = 1
        await RisingEdge(dut.done)
        await RisingEdge(dut.clk)
        await FallingEdge(dut.clk)
        dut.insert.value = 0
    # The last insertion is merged in the background: a restart per merge, a cycle per bit.
    for _ in range((len(dut.line) + 1) ** 2):
        await FallingEdge(dut.clk)
    hits = []
    for line in given["asked"].tolist():
        dut.line.value = line
        await Timer(1, "ns")
        hits.append(int(dut.hit.value))
    vectors.save(hits=np.array(hits, np.uint8), counters=counters_of(dut))
