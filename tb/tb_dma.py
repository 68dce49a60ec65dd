# SPDX-License-Identifier: Apache-2.0
"""A device on AXI between the host and the memory of cocotbext-axi, all of whose channels pause at random."""

import itertools
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiResp, AxiSlave

from sysmt.hdl.params.command_list import COMMAND_BYTES, number_of
from sysmt.sim.cosim import vectors


class Memory:
    """Bytes from address 0; what lies outside, or in `errors`, is refused."""

    def __init__(self, size: int, errors: range):
        self.data, self.errors = bytearray(size), errors

    def check(self, address: int, length: int) -> None:
        if address + length > len(self.data) or (address < self.errors.stop and address + length > self.errors.start):
            raise OSError("refused")

    async def read(self, address: int, length: int) -> bytes:
        self.check(address, length)
        return bytes(self.data[address : address + length])

    async def write(self, address: int, data: bytes) -> None:
        self.check(address, len(data))
        self.data[address : address + len(data)] = data


def pauses(seed: int, share: float):
    numbers = random.Random(seed)
    return (numbers.random() < share for _ in itertools.count())


async def count_bursts(dut, bursts: list[int]) -> None:
    while True:
        await RisingEdge(dut.aclk)
        for i, channel in enumerate(("ar", "aw")):
            if getattr(dut, f"m_axi_{channel}valid").value and getattr(dut, f"m_axi_{channel}ready").value:
                bursts[i] += 1


@cocotb.test()
async def lists(dut):
    """Lists one after the other; saves how each ended, and the memory behind it."""
    given = vectors.load()
    share, at, data_at = float(given["share"]), int(given["list_address"]), int(given["data_address"])
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start(start_high=False))
    dut.aresetn.value = 0
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, reset_active_level=False)
    memory = Memory(int(given["size"]), range(*map(int, given["errors"])))
    slave = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, memory, reset_active_level=False)
    units = (host.write_if, host.read_if, slave.write_if, slave.read_if)
    channels = [
        getattr(unit, f"{name}_channel")
        for unit in units
        for name in ("aw", "w", "b", "ar", "r")
        if hasattr(unit, f"{name}_channel")
    ]
    for seed, channel in enumerate(channels):
        channel.set_pause_generator(pauses(seed, share))
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    bursts = [0, 0]
    cocotb.start_soon(count_bursts(dut, bursts))
    accesses = 0

    async def write(name: str, value: int) -> None:
        nonlocal accesses
        accesses += 1
        answer = await host.write(4 * number_of(name), value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY

    async def read(name: str) -> int:
        nonlocal accesses
        accesses += 1
        answer = await host.read(4 * number_of(name), 4)
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    await write("interrupt_enable", 3)
    ends, left = [], []
    list_ends, data_ends = np.cumsum(given["list_bytes"]), np.cumsum(given["data_bytes"])
    for i, (list_end, data_end) in enumerate(zip(list_ends, data_ends, strict=True)):
        text = given["lists"][list_end - given["list_bytes"][i] : list_end].tobytes()
        data = given["data"][data_end - given["data_bytes"][i] : data_end].tobytes()
        memory.data[at : at + len(text)] = text
        memory.data[data_at : data_at + len(data)] = data
        await write("list_address", at)
        await write("list_commands", len(text) // COMMAND_BYTES)
        # The host reads what it likes while the list is done.
        while not dut.irq.value:
            await with_timeout(cocotb.start_soon(read(random.choice(("list", "failed", "bus")))), 1, "ms")
        ends.append([await read("list") >> 1 & 0x7F, await read("failed"), await read("interrupt")])
        await write("interrupt", 3)
        left.append(np.frombuffer(bytes(memory.data[data_at : data_at + int(given["span"])]), np.uint8))
    refused = await host.write(4 * number_of("bus"), b"1234")
    assert refused.resp == AxiResp.SLVERR
    vectors.save(
        ends=np.array(ends, np.int64),
        memory=np.array(left),
        transactions=np.array([*bursts, accesses], np.int64),
    )
