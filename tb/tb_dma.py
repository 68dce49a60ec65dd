# SPDX-License-Identifier: Apache-2.0
"""What plays command lists on a device between a host and a memory that are not ours, all of which pause at random.

`tb_dma_axi.py` and `tb_dma_wishbone.py` bring both.
"""

import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import with_timeout

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


def given_memory(given: dict[str, np.ndarray]) -> Memory:
    """As the vectors say."""
    return Memory(int(given["size"]), range(*map(int, given["errors"])))


def pauses(seed: int, share: float) -> Iterator[bool]:
    numbers = random.Random(seed)
    return (numbers.random() < share for _ in itertools.count())


class Host:
    """Registers by name; `access(offset, value or None)` returns whether the bus took it, and what was read."""

    def __init__(self, access: Callable[[int, int | None], Awaitable[tuple[bool, int]]]):
        self.access, self.accesses = access, 0

    async def write(self, name: str, value: int) -> None:
        self.accesses += 1
        assert (await self.access(4 * number_of(name), value))[0]

    async def read(self, name: str) -> int:
        self.accesses += 1
        good, value = await self.access(4 * number_of(name), None)
        assert good
        return value


async def play(host: Host, memory: Memory, irq: Any, bursts: list[int]) -> None:
    """Lists one after the other; saves how each ended, and the memory behind it."""
    given = vectors.load()
    at, data_at = int(given["list_address"]), int(given["data_address"])
    await host.write("interrupt_enable", 3)
    ends, left = [], []
    list_ends, data_ends = np.cumsum(given["list_bytes"]), np.cumsum(given["data_bytes"])
    for i, (list_end, data_end) in enumerate(zip(list_ends, data_ends, strict=True)):
        text = given["lists"][list_end - given["list_bytes"][i] : list_end].tobytes()
        data = given["data"][data_end - given["data_bytes"][i] : data_end].tobytes()
        memory.data[at : at + len(text)] = text
        memory.data[data_at : data_at + len(data)] = data
        await host.write("list_address", at)
        await host.write("list_commands", len(text) // COMMAND_BYTES)
        # The host reads what it likes while the list is done.
        while not irq.value:
            await with_timeout(cocotb.start_soon(host.read(random.choice(("list", "failed", "bus")))), 1, "ms")
        ends.append([await host.read("list") >> 1 & 0x7F, await host.read("failed"), await host.read("interrupt")])
        await host.write("interrupt", 3)
        left.append(np.frombuffer(bytes(memory.data[data_at : data_at + int(given["span"])]), np.uint8))
    good, _ = await host.access(4 * number_of("bus"), 0x34333231)
    assert not good
    vectors.save(
        ends=np.array(ends, np.int64),
        memory=np.array(left),
        transactions=np.array([*bursts, host.accesses], np.int64),
    )
