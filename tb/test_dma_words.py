# SPDX-License-Identifier: Apache-2.0
"""The sender of an engine's words by itself: which beats it writes, and what it refuses."""

import numpy as np
import pytest

from sysmt.hdl.dma.words import WordSender
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.command_list import ListOpcode, beats_of, packed_command
from sysmt.hdl.params.engine import EngineConfig

from .accel import simulate
from .bus_ends import Source

WORDS = 48
"""Of the activation memory."""
LIMIT = 1000


def config_of(rows: int, fill: int, data_width: int) -> EngineConfig:
    array = ArrayConfig(rows=rows, cols=rows, counters=False).with_fields(threads=2, target="asic")
    sizes = {"x_depth": 256, "weight_words": 64, "scatter_words": 64, "parameter_words": 64, "layers": 4}
    return EngineConfig(
        array=array, fill=fill, lanes=1, activation_words=WORDS, **sizes, link="axi", data_width=data_width
    )


def order(config: EngineConfig, number: int = 0, run: int = 0, **arguments: int) -> dict[str, int]:
    text = packed_command(config, ListOpcode.READ, **arguments)
    return {"command": int.from_bytes(text, "little"), "number": number, "run": run}


class Memory:
    """The activation memory, whose words are counted up in every byte, and the bus."""

    def __init__(self, config: EngineConfig, pause: float):
        self.config, self.unit, self.pause = config, WordSender(config), pause
        self.random = np.random.default_rng(5)
        self.words = self.random.integers(0, 256, (WORDS, config.word_bytes), np.uint8)
        self.asked: list[int] = []
        self.bursts: list[tuple[int, int]] = []
        self.beats: list[int] = []
        self.expects = self.busy = 0

    def text(self, first: int, beats: int) -> list[int]:
        """The beats of words from `first` on."""
        width = self.config.data_width
        parts = beats_of(self.config.word_bytes, width)
        padded = [bytes(word).ljust(parts * width // 8, b"\0") for word in self.words[first:]]
        every = b"".join(padded)[: beats * width // 8]
        return [int.from_bytes(every[i : i + width // 8], "little") for i in range(0, len(every), width // 8)]

    def goes(self) -> bool:
        return bool(self.random.random() >= self.pause)

    def drive(self, ctx) -> None:
        unit = self.unit
        ctx.set(unit.o_address.ready, self.goes())
        ctx.set(unit.i_word.valid, bool(self.asked) and (ctx.get(unit.i_word.valid) or self.goes()))
        if self.asked:
            ctx.set(unit.i_word.payload, int.from_bytes(bytes(self.words[self.asked[0]]), "little"))
        ctx.set(unit.o_request.ready, not self.expects and self.goes())
        ctx.set(unit.o_beats.ready, self.expects > 0 and self.goes())
        ctx.set(unit.written, not self.expects and not self.busy)

    def sample(self, ctx) -> None:
        unit = self.unit
        self.busy = max(0, self.busy - 1)
        if ctx.get(unit.i_word.valid) and ctx.get(unit.i_word.ready):
            self.asked.pop(0)
        if ctx.get(unit.o_address.valid) and ctx.get(unit.o_address.ready):
            self.asked.append(ctx.get(unit.o_address.payload))
        if ctx.get(unit.o_request.valid) and ctx.get(unit.o_request.ready):
            burst = ctx.get(unit.o_request.payload)
            self.bursts.append((burst.address, burst.beats))
            self.expects = burst.beats
        elif ctx.get(unit.o_beats.valid) and ctx.get(unit.o_beats.ready):
            beat = ctx.get(unit.o_beats.payload)
            assert beat.strb == (1 << self.config.data_width // 8) - 1
            self.beats.append(beat.data)
            self.expects -= 1
            self.busy = 5


def sent(memory: Memory, orders: list[dict[str, int]], most: int = 1 << 32) -> tuple[int, int, bool]:
    """Do READs, or so many beats of them. Returns how many were completed, how often refused, and whether all are."""
    unit, counts, over = memory.unit, [0, 0], []

    async def testbench(ctx):
        source = Source(unit.i, orders, memory.random, memory.pause)
        for _ in range(LIMIT):
            for part in (memory, source):
                part.drive(ctx)
            for part in (memory, source):
                part.sample(ctx)
            counts[0] += ctx.get(unit.completed)
            counts[1] += ctx.get(unit.refused)
            if ctx.get(unit.completed):
                assert memory.expects == memory.busy == 0, "completed before all is written"
                assert ctx.get(unit.number) == orders[counts[0] - 1]["number"]
            await ctx.tick()
            source.advance(ctx)
            if not source.left and ctx.get(unit.idle):
                over.append(True)
                return
            if len(memory.beats) >= most:
                return
        raise AssertionError("it does not end")

    simulate(unit, testbench)
    return counts[0], counts[1], bool(over)


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize(("rows", "fill", "data_width"), [(3, 4, 32), (2, 4, 64), (3, 4, 64), (2, 2, 128), (2, 2, 32)])
def test_words_leave_in_whole_beats_one_read_after_the_other(rows, fill, data_width, pause):
    """Words of three beats, of one and a half, of one, and of a quarter of one; up to the last word of the memory."""
    config = config_of(rows, fill, data_width)
    memory, parts = Memory(config, pause), beats_of(config.word_bytes, data_width)
    reads = [(0xFFFFFF00, WORDS - 4, 4), (0x7FFFFFF0, 0, 3), (0xAAAAAAA0, 30, 2), (0x55555550, WORDS - 1, 1)]
    orders = [order(config, i, address=a, first=first, beats=n * parts) for i, (a, first, n) in enumerate(reads)]
    assert sent(memory, orders) == (len(reads), 0, True)
    assert memory.bursts == [(address, count * parts) for address, _, count in reads]
    assert memory.beats == [beat for _, first, count in reads for beat in memory.text(first, count * parts)]


@pytest.mark.parametrize("first", [WORDS - 1, WORDS, 64, 1 << 31])
def test_words_beyond_the_memory_are_refused_and_the_burst_completed(first):
    config = config_of(2, 4, 32)
    memory = Memory(config, 0.3)
    wrong = order(config, 0, address=0x1000, first=first, beats=4)
    right = order(config, 1, address=0x2000, first=5, beats=4)
    completed, refused, over = sent(memory, [wrong, right])
    assert (completed, refused > 0, over) == (2, True, True)
    assert memory.bursts == [(0x1000, 4), (0x2000, 4)]
    assert memory.beats[4:] == memory.text(5, 4)
    if first < WORDS:
        assert memory.beats[:2] == memory.text(first, 2)


def test_all_beats_that_were_announced_are_sent_however_many():
    config, beats = config_of(2, 4, 32), 0x80000001
    memory = Memory(config, 0.0)
    assert sent(memory, [order(config, address=0, first=0, beats=beats)], most=2 * WORDS + 20)[::2] == (0, False)
    assert memory.bursts == [(0, beats)]
    assert memory.beats[: 2 * WORDS] == memory.text(0, 2 * WORDS)
