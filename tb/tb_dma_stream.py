# SPDX-License-Identifier: Apache-2.0
"""A device on AXI4-Stream between the sources and sinks of cocotbext-axi, which pause."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from sysmt.sim.cosim import vectors

from .tb_dma import Host, pauses


@cocotb.test()
async def lists(dut):
    """Lists with their data one after the other; saves how each ended, and all frames of results."""
    given = vectors.load()
    share = float(given["share"])
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start(start_high=False))
    if hasattr(dut, "core_clk"):
        cocotb.start_soon(Clock(dut.core_clk, 7.314, "ns").start())
    dut.aresetn.value = 0
    reset = {"reset": dut.aresetn, "reset_active_level": False}
    registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **reset)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **reset)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset)
    for seed, end in enumerate((source, sink)):
        end.set_pause_generator(pauses(seed, share))
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)

    async def access(offset: int, value: int | None) -> tuple[bool, int]:
        if value is not None:
            return (await registers.write(offset, value.to_bytes(4, "little"))).resp == AxiResp.OKAY, 0
        answer = await registers.read(offset, 4)
        return answer.resp == AxiResp.OKAY, int.from_bytes(answer.data, "little")

    host, ends, first = Host(access), [], 0
    await host.write("interrupt_enable", 3)
    for commands, size in zip(given["commands"], given["list_bytes"], strict=True):
        await host.write("list_commands", int(commands))
        await source.send(AxiStreamFrame(given["lists"][first : first + size].tobytes()))
        first += size
        if not dut.irq.value:
            await with_timeout(RisingEdge(dut.irq), 10, "ms")
        ends.append([await host.read("list") >> 1 & 0x7F, await host.read("failed")])
        await host.write("interrupt", 3)
    await with_timeout(source.wait(), 1, "ms")
    frames = [bytes(sink.recv_nowait(compact=True).tdata) for _ in range(sink.count())]
    vectors.save(
        ends=np.array(ends, np.int64),
        frames=np.frombuffer(b"".join(frames), np.uint8),
        sizes=np.array([len(frame) for frame in frames], np.int64),
    )
