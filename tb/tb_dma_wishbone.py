# SPDX-License-Identifier: Apache-2.0
"""A device on Wishbone between the host and the memory of cocotbext-wishbone."""

import random
from collections.abc import Callable, Iterator

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.wishbone.driver import WBOp, WishboneMaster
from cocotbext.wishbone.monitor import WishboneSlave

from sysmt.sim.cosim import vectors

from .tb_dma import Host, Memory, given_memory, pauses, play

NAMES = {name: name for name in ("cyc", "stb", "we", "adr", "ack")} | {"datwr": "dat_w", "datrd": "dat_r"}
ACK, ERR = 1, 2
BURST_ENDS = 0b111


def every(value: Callable[[], int]) -> Iterator[int]:
    while True:
        yield value()


class Answers:
    """What the slave asks for every access, with its signals as the device drives them."""

    def __init__(self, dut, memory: Memory, waits: Iterator[bool]):
        self.dut, self.memory, self.waits = dut, memory, waits
        self.size = len(dut.m_wb_sel)
        self.bursts = [0, 0]

    @property
    def address(self) -> int:
        return self.size * int(self.dut.m_wb_adr.value)

    def data(self) -> int:
        """What is read; noise where it is refused."""
        try:
            self.memory.check(self.address, self.size)
        except OSError:
            return random.getrandbits(8 * self.size)
        return int.from_bytes(self.memory.data[self.address : self.address + self.size], "little")

    def reply(self) -> int:
        """Whether it is taken; a write that is, is done."""
        dut, writes = self.dut, bool(self.dut.m_wb_we.value)
        self.bursts[writes] += int(dut.m_wb_cti.value) == BURST_ENDS
        try:
            self.memory.check(self.address, self.size)
        except OSError:
            return ERR
        if writes:
            value, lanes = int(dut.m_wb_dat_w.value).to_bytes(self.size, "little"), int(dut.m_wb_sel.value)
            for i in range(self.size):
                if lanes >> i & 1:
                    self.memory.data[self.address + i] = value[i]
        return ACK

    def wait(self) -> int:
        """Cycles before the answer."""
        return next(i for i, pause in enumerate(self.waits) if not pause)


@cocotb.test()
async def lists(dut):
    given = vectors.load()
    share = float(given["share"])
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start(start_high=False))
    dut.rst.value = 1
    dut.m_wb_err.value = 0
    memory = given_memory(given)
    host = WishboneMaster(dut, "s_wb", dut.clk, timeout=100, signals_dict=NAMES)
    answers = Answers(dut, memory, pauses(1, share))
    WishboneSlave(
        dut,
        "m_wb",
        dut.clk,
        signals_dict=NAMES,
        datgen=every(answers.data),
        ackgen=every(answers.reply),
        waitreplygen=every(answers.wait),
    )
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    idle = pauses(2, share)

    async def access(offset: int, value: int | None) -> tuple[bool, int]:
        pause = next(i for i, more in enumerate(idle) if not more)
        (answer,) = await host.send_cycle([WBOp(offset // 4, value, idle=pause, sel=0xF)])
        return answer.ack == ACK, int(answer.datrd) if value is None else 0

    await play(Host(access), memory, dut.irq, answers.bursts)
