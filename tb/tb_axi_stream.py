# SPDX-License-Identifier: Apache-2.0
"""Designs with AXI4-Stream ports between sources and sinks of cocotbext-axi, and its memory, all of which pause."""

import json

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge
from cocotbext.axi import AxiBus, AxiRam, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from sysmt.sim.cosim import vectors

from .tb_dma import pauses

QUIET, LIMIT = 40, 20_000
"""Cycles that nothing more may come in; cycles at most."""


async def watch(dut, streams, cycles) -> None:
    """In which cycles a beat moved, by stream."""
    now = 0
    while True:
        await FallingEdge(dut.aclk)
        for stream, (valid, ready) in streams.items():
            if valid.value and ready.value:
                cycles[stream].append(now)
        now += 1


@cocotb.test()
async def streams(dut):
    given = vectors.load()
    designs, share, seed = json.loads(str(given["given"])), float(given["share"]), int(given["seed"])
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start(start_high=False))
    reset = {"reset": dut.aresetn, "reset_active_level": False}
    dut.aresetn.value = 0
    sources, sinks, signals = {}, {}, {}
    for name, design in designs.items():
        for stream in (*design["frames"], *design["expected"]):
            kind, ends = (AxiStreamSource, sources) if stream in design["frames"] else (AxiStreamSink, sinks)
            prefix = f"{name}_{stream}"
            ends[name, stream] = end = kind(AxiStreamBus.from_prefix(dut, prefix), dut.aclk, **reset)
            seed += 1
            end.set_pause_generator(pauses(seed, share))
            signals[name, stream] = getattr(dut, f"{prefix}_tvalid"), getattr(dut, f"{prefix}_tready")
        if design["memory"] is not None:
            memory = bytes.fromhex(design["memory"])
            ram = AxiRam(
                AxiBus.from_prefix(dut, f"{name}_m_axi"), dut.aclk, dut.aresetn, False, size=max(4096, len(memory))
            )
            ram.write(0, memory)
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1
    cycles = {key: [] for key in signals}
    cocotb.start_soon(watch(dut, signals, cycles))
    for (name, stream), source in sources.items():
        for frame in designs[name]["frames"][stream]:
            await source.send(AxiStreamFrame(bytes.fromhex(frame)))
    wanted = {(name, stream): n for name, design in designs.items() for stream, n in design["expected"].items()}
    for _ in range(LIMIT):
        if all(sink.count() >= wanted[key] for key, sink in sinks.items()):
            break
        await FallingEdge(dut.aclk)
    await ClockCycles(dut.aclk, QUIET)
    found = {}
    for name, design in designs.items():
        frames = {
            stream: [bytes(sinks[name, stream].recv_nowait().tdata).hex() for _ in range(sinks[name, stream].count())]
            for stream in design["expected"]
        }
        moved = {stream: cycles[name, stream] for stream in (*design["frames"], *design["expected"])}
        ports = {port: int(getattr(dut, f"{name}_{port}").value) for port in design["ends"]}
        found[name] = {"frames": frames, "cycles": moved, "ports": ports}
    vectors.save(found=np.array(json.dumps(found)))
