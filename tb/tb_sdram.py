# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: the controller between bursts and the chip's model."""

import json
import random
from collections import deque
from collections.abc import Iterator

import cocotb
import numpy as np

from sysmt.hdl.params.sdram import SdramConfig
from sysmt.hdl.params.stream import WeightStreamConfig
from sysmt.sim.cosim import vectors
from sysmt.sim.cosim.streams import Clock, Sink, Source

from .sdram_chip import Chip, Pins


class ChipOnPins:
    """The chip's model on the pins of a design, with `capture` clocks of registers on the way back.

    Call `drive` at the start of every cycle: all outputs are registers.
    """

    def __init__(self, dut, config: SdramConfig, prefix: str = "pins"):
        self.chip = Chip(config.chip, config.clock_hz)
        self._outputs = [getattr(dut, f"{prefix}__{name}") for name in Pins._fields]
        self._data = getattr(dut, f"{prefix}__dq_i")
        assert len(getattr(dut, f"{prefix}__dqm")) == config.chip.width // 8, "a mask for every byte"
        self._late = deque([0] * config.capture)

    def drive(self) -> None:
        self._late.append(self.chip.clock(Pins(*(int(pin.value) for pin in self._outputs))))
        self._data.value = self._late.popleft()


def pauses(share: float, seed: int) -> Iterator[bool]:
    """Pauses in that share of cycles."""
    chance = random.Random(seed)
    while True:
        yield chance.random() < share


@cocotb.test()
async def bursts(dut):
    """Give bursts, and hand back the words read, when bursts were taken and words came, and what the chip saw."""
    given = vectors.load()
    config = SdramConfig().with_fields(**json.loads(str(given["config"])))
    give, write, read = given["stalls"].tolist()
    address_bits = config.chip.address_bits
    orders = [
        int(w) | int(address) << 1 | int(length) << 1 + address_bits for w, address, length in given["bursts"].tolist()
    ]
    commands = Source(dut, "i", orders, pauses(give, 1))
    source = Source(dut, "i_write", given["words"].tolist(), pauses(write, 2))
    sink = Sink(dut, "o_read", pauses(read, 3))
    clock = Clock(dut, commands, source, sink)
    model = ChipOnPins(dut, config)
    dut.pins__dq_i.value = 0
    await clock.reset()
    expected = int(given["expected"])
    taken, came = [], []
    limit = int(given["limit"])
    while not (commands.done and source.done and len(sink.received) == expected):
        model.drive()
        moved = await clock.tick()
        assert clock.cycle < limit, f"no end after {limit} cycles"
        if moved[0]:
            taken.append(clock.cycle - 1)
        if moved[2]:
            came.append(clock.cycle - 1)
    for _ in range(40):
        model.drive()
        await clock.tick()
    assert len(sink.received) == expected, "more words than were asked for"
    stored = sorted(model.chip.words.items())
    vectors.save(
        words=np.array(sink.received, np.uint32),
        taken=np.array(taken, np.int64),
        came=np.array(came, np.int64),
        stored=np.array(stored, np.int64).reshape(-1, 2),
        counts=np.array([model.chip.counts[name] for name in ("activate", "precharge", "read", "write", "refresh")]),
    )


@cocotb.test()
async def chunks(dut):
    """Fill the SDRAM as the host does, with what is not there from the start; then use chunk after chunk. Hand back
    when each was ready and freed, and what the weight memory held of it when it was freed."""
    given = vectors.load()
    config = WeightStreamConfig().with_fields(**json.loads(str(given["config"])))
    address_bits = config.sdram.chip.address_bits
    words = [int(word) << address_bits | int(address) for address, word in given["host"].tolist()]
    host = Source(dut, "i_host", words)
    clock = Clock(dut, host)
    model = ChipOnPins(dut, config.sdram)
    chance = random.Random(5)
    memory: dict[int, int] = {}
    entries = [int(entry) for entry in given["entries"].tolist()]
    for signal in (dut.enable, dut.freed, dut.entry, dut.pins__dq_i):
        signal.value = 0
    await clock.reset()

    async def tick():
        model.drive()
        address = int(dut.entry_address.value)
        if int(dut.write.value):
            memory[int(dut.address.value)] = int(dut.data.value)
        await clock.tick()
        dut.entry.value = entries[address]

    while not (host.done and int(dut.stopped.value)):
        await tick()
    model.chip.words |= {int(address): int(word) for address, word in given["there"].tolist()}
    enabled = clock.cycle
    dut.enable.value = 1
    ready, freed, seen = [], [], []
    for number in range(int(given["uses"])):
        first, length = given["places"][number % len(entries)].tolist()
        await tick()
        while not int(dut.ready.value):
            await tick()
            assert clock.cycle < int(given["limit"]), f"chunk {number} never came"
        ready.append(clock.cycle)
        assert not int(dut.stopped.value), "the host is told that it may write"
        for _ in range(chance.choice(given["pauses"].tolist())):
            await tick()
        seen.append([memory.get(first + i, 0) for i in range(length)])
        dut.freed.value = 1
        freed.append(clock.cycle)
        await tick()
        dut.freed.value = 0
    error = int(dut.error.value)
    dut.enable.value = 0
    for _ in range(3000):
        await tick()
    assert int(dut.stopped.value), "not stopped"
    assert not int(dut.ready.value), "ready, although nothing is enabled"
    vectors.save(
        enabled=np.array(enabled),
        ready=np.array(ready),
        freed=np.array(freed),
        error=np.array(error),
        seen=np.array([str(word) for words in seen for word in words]),
        held=np.array(len(memory)),
    )


@cocotb.test()
async def selftest(dut):
    """Run the memory's own test; one word may change between writing and reading."""
    given = vectors.load()
    config = SdramConfig().with_fields(**json.loads(str(given["config"])))
    clock = Clock(dut)
    model = ChipOnPins(dut, config)
    changed = given["changed"].tolist()
    dut.pins__dq_i.value = 0
    await clock.reset()
    while not int(dut.done.value):
        model.drive()
        await clock.tick()
        if len(model.chip.words) == 1 << config.chip.address_bits:
            while changed:
                model.chip.words[changed.pop()] ^= 1
        assert clock.cycle < int(given["limit"]), "no end"
    vectors.save(failed=np.array(int(dut.failed.value)), different=np.array(len(set(model.chip.words.values()))))
