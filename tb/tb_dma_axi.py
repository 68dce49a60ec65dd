# SPDX-License-Identifier: Apache-2.0
"""A device on AXI between the host and the memory of cocotbext-axi."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiResp, AxiSlave

from sysmt.sim.cosim import vectors

from .tb_dma import Host, given_memory, pauses, play


async def count_bursts(dut, bursts: list[int]) -> None:
    while True:
        await RisingEdge(dut.aclk)
        for i, channel in enumerate(("ar", "aw")):
            if getattr(dut, f"m_axi_{channel}valid").value and getattr(dut, f"m_axi_{channel}ready").value:
                bursts[i] += 1


@cocotb.test()
async def lists(dut):
    given = vectors.load()
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start(start_high=False))
    dut.aresetn.value = 0
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, reset_active_level=False)
    memory = given_memory(given)
    slave = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, memory, reset_active_level=False)
    units = (host.write_if, host.read_if, slave.write_if, slave.read_if)
    channels = [
        getattr(unit, f"{name}_channel")
        for unit in units
        for name in ("aw", "w", "b", "ar", "r")
        if hasattr(unit, f"{name}_channel")
    ]
    for seed, channel in enumerate(channels):
        channel.set_pause_generator(pauses(seed, float(given["share"])))
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    bursts = [0, 0]
    cocotb.start_soon(count_bursts(dut, bursts))

    async def access(offset: int, value: int | None) -> tuple[bool, int]:
        if value is not None:
            answer = await host.write(offset, value.to_bytes(4, "little"))
            assert answer.resp in (AxiResp.OKAY, AxiResp.SLVERR)
            return answer.resp == AxiResp.OKAY, 0
        answer = await host.read(offset, 4)
        return answer.resp == AxiResp.OKAY, int.from_bytes(answer.data, "little")

    await play(Host(access), memory, dut.irq, bursts)
