# SPDX-License-Identifier: Apache-2.0
"""A device as a CFU beside a processor that pauses."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge

from sysmt.hdl.dma.cfu import CFUFunction
from sysmt.hdl.params.command_list import number_of
from sysmt.sim.cosim import vectors

from .tb_dma import pauses

LIMIT = 100_000
"""Calls without an end of the list."""


class Processor:
    """Calls functions, and takes results whenever there are some."""

    def __init__(self, dut, share: float):
        self.dut, self.waits = dut, pauses(0, share)
        self.results: list[int] = []

    async def call(self, function: CFUFunction, first: int = 0, second: int = 0) -> int:
        dut = self.dut
        while next(self.waits):
            await FallingEdge(dut.clk)
        dut.cmd_payload_function_id.value = function
        dut.cmd_payload_inputs_0.value = first
        dut.cmd_payload_inputs_1.value = second
        dut.cmd_valid.value = 1
        await FallingEdge(dut.clk)
        dut.cmd_valid.value = 0
        # Ready was high: a command is taken in its first cycle.
        for _ in range(4):
            if dut.rsp_valid.value:
                break
            await FallingEdge(dut.clk)
        assert dut.rsp_valid.value, "no answer"
        answer = int(dut.rsp_payload_outputs_0.value)
        while next(self.waits):
            await FallingEdge(dut.clk)
            assert dut.rsp_valid.value
            assert int(dut.rsp_payload_outputs_0.value) == answer
        dut.rsp_ready.value = 1
        await FallingEdge(dut.clk)
        dut.rsp_ready.value = 0
        assert dut.cmd_ready.value
        return answer

    async def read(self, name: str) -> int:
        return await self.call(CFUFunction.READ, number_of(name))

    async def write(self, name: str, value: int) -> None:
        assert await self.call(CFUFunction.WRITE, number_of(name), value) == 0

    async def pop(self) -> None:
        ready = await self.call(CFUFunction.READY)
        if ready >> 1 & 1:
            assert ready >> 2 == 0xF
            self.results.append(await self.call(CFUFunction.POP))

    async def push(self, word: int, last: bool) -> None:
        for _ in range(LIMIT):
            if await self.call(CFUFunction.PUSH, word, int(last)):
                return
            await self.pop()
        raise AssertionError("the list is not taken")


@cocotb.test()
async def lists(dut):
    """Lists with their data one after the other; saves how each ended, and all results."""
    given = vectors.load()
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start(start_high=False))
    dut.cmd_valid.value = dut.rsp_ready.value = 0
    dut.reset.value = 1
    await FallingEdge(dut.clk)
    dut.reset.value = 0
    await ClockCycles(dut.clk, 1)
    await FallingEdge(dut.clk)
    processor, ends, first = Processor(dut, float(given["share"])), [], 0
    await processor.write("interrupt_enable", 3)
    for commands, size in zip(given["commands"], given["list_bytes"], strict=True):
        await processor.write("list_commands", int(commands))
        words = given["lists"][first : first + size].view("<u4").tolist()
        first += size
        for i, word in enumerate(words):
            await processor.push(word, i == len(words) - 1)
        for _ in range(LIMIT):
            if dut.irq.value:
                break
            await processor.pop()
        assert dut.irq.value, "the list does not end"
        ends.append([await processor.read("list") >> 1 & 0x7F, await processor.read("failed")])
        await processor.write("interrupt", 3)
    vectors.save(ends=np.array(ends, np.int64), frames=np.array(processor.results, "<u4").view(np.uint8))
