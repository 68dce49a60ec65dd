# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: layers of rows through the post-processing, beside a memory that answers when it likes."""

from collections import deque
from typing import Any

import cocotb
import numpy as np

from sysmt.sim.cosim.streams import Clock, Source
from sysmt.sim.cosim.vectors import load, save

LATENCY = 1
"""Cycles from an address to its word, at least."""


class Memories:
    """Activations with a read client that stalls at random, and parameters; both sides of the unit that reads them."""

    def __init__(self, dut: Any, activations: list[int], parameters: list[int], granules: int, stall: float):
        self.dut, self.words, self.parameters = dut, activations, parameters
        self.granules, self.bits = granules, len(dut.data) // granules
        self.stall, self.random = stall, np.random.default_rng(9)
        self._ready = dut.o_residual__ready
        self.reads: deque[tuple[int, int]] = deque()
        self.cycle = self.writes = 0
        self.parameter = 0
        self.last_write = 0
        self._offered = self._valid = False

    def drive(self) -> None:
        dut = self.dut
        self._ready.value = int(self.random.random() >= self.stall)
        self._offered = bool(self.reads) and self.reads[0][0] <= self.cycle and self.random.random() >= self.stall
        dut.i_residual__valid.value = int(self._offered)
        dut.i_residual__payload.value = self.reads[0][1] if self._offered else 0
        dut.parameter_word.value = self.parameters[self.parameter % len(self.parameters)]

    def sample(self) -> bool:
        dut = self.dut
        self.parameter = int(dut.parameter_address.value)
        if self._offered:
            assert int(dut.i_residual__ready.value), "a word was not taken"
            self.reads.popleft()
        if int(dut.o_residual__valid.value) and int(self._ready.value):
            address = int(dut.o_residual__payload.value)
            self.reads.append((self.cycle + LATENCY, self.words[address % len(self.words)]))
        parts = int(dut.write.value)
        if parts:
            address, data = int(dut.address.value), int(dut.data.value)
            assert parts & (parts - 1) == 0, "more than one part was written"
            mask = sum(((1 << self.bits) - 1) << i * self.bits for i in range(self.granules) if parts >> i & 1)
            self.words[address] = self.words[address] & ~mask | data & mask
            self.writes += 1
            self.last_write = self.cycle
        self.cycle += 1
        return False


def _numbers(rows: np.ndarray) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


@cocotb.test()
async def layers(dut: Any) -> None:
    """Run the layers one after the other; save memory, writes, errors and cycles after each."""
    v = load()
    stall = float(v["stall"])
    random = np.random.default_rng(3)
    pauses = iter(lambda: random.random() < stall, None)
    memories = Memories(dut, _numbers(v["activations"]), _numbers(v["parameters"]), int(v["granules"]), stall)
    dut.start.value = 0
    payloads, counts = _numbers(v["rows"]), [int(n) for n in v["counts"]]
    images, writes, flags, spans = [], [], [], []
    sources = [
        Source(dut, "i_rows", payloads[sum(counts[:i]) : sum(counts[: i + 1])], pauses) for i in range(len(counts))
    ]
    await Clock(dut, sources[0], memories).reset()
    for i, layer in enumerate(_numbers(v["layers"])):
        clock = Clock(dut, memories)
        dut.layer.value, dut.start.value = layer, 1
        await clock.tick()
        dut.start.value = 0
        for _ in range(int(v["wait"])):
            await clock.tick()
        clock = Clock(dut, sources[i], memories)
        before, begin = memories.writes, memories.cycle
        done = []
        while not done:
            await clock.tick(lambda seen=done: seen.append(1) if int(dut.done.value) else None)
            assert clock.cycle < 200 + 60 * counts[i], "the layer does not end"
        assert sources[i].done, "rows were left over"
        spans.append((memories.last_write - begin, memories.cycle - 1 - begin))
        flags.append((int(dut.overflow.value), int(dut.address_error.value)))
        clock = Clock(dut, memories)
        dut.i_rows__valid.value = 0
        for _ in range(int(v["between"])):
            await clock.tick(lambda: _quiet(dut))
        writes.append(memories.writes - before)
        images.append([list(word.to_bytes(v["activations"].shape[1], "little")) for word in memories.words])
    save(
        images=np.array(images, np.uint8),
        writes=np.array(writes),
        flags=np.array(flags, bool).reshape(-1, 2),
        spans=np.array(spans),
    )


def _quiet(dut: Any) -> None:
    assert not int(dut.done.value), "done rose twice"
