# SPDX-License-Identifier: Apache-2.0
"""The executor of command lists by itself: it asks for the next command early, and takes a beat per cycle."""

import numpy as np
import pytest

from sysmt.hdl.dma.executor import Executor
from sysmt.hdl.params.command_list import (
    COMMAND_BYTES,
    ListOpcode,
    beats_of,
    commands_of,
    packed_command,
    written_words,
)
from sysmt.hdl.params.protocol import Target

from .accel import simulate, small

LIST, DATA, WORDS = 0x100, 0x400, 6
CYCLES = 300


def fetched(config, room: float = 1.0) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]], list[int], bool]:
    """A list of one WRITE and one RUN over a memory that answers at once, and a target that takes words at times.

    Returns cycle, address and beats of what is asked for, cycle and address of every beat that is taken, the addresses
    of the words that are written, and whether the list ended well.
    """
    size, _ = written_words(config)[Target.X]
    beats = WORDS * beats_of(size, config.data_width)
    tiles = {"m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 1}
    text = packed_command(config, ListOpcode.WRITE, target=Target.X, address=DATA, beats=beats, first=1)
    text += packed_command(config, ListOpcode.RUN, steps=1, threads=0, **tiles)
    memory = np.zeros(DATA + beats * config.data_width // 8, np.uint8)
    memory[LIST : LIST + len(text)] = np.frombuffer(text, np.uint8)
    unit = Executor(config.data_width, written_words(config), commands_of(config))
    random, step = np.random.default_rng(0), config.data_width // 8
    asked, taken, written, ended = [], [], [], []

    async def bench(ctx):
        for port in (unit.ready, unit.legal, unit.quiet, unit.o_run.ready, unit.o_request.ready):
            ctx.set(port, 1)
        for port, value in ((unit.list_address, LIST), (unit.list_commands, 2), (unit.start, 1)):
            ctx.set(port, value)
        waiting: list[int] = []
        for cycle in range(CYCLES):
            ctx.set(unit.o_write.ready, int(random.random() < room))
            ctx.set(unit.i_beats.valid, len(waiting) > 0)
            if waiting:
                word = memory[waiting[0] : waiting[0] + step]
                ctx.set(unit.i_beats.payload.data, int.from_bytes(word.tobytes(), "little"))
                if ctx.get(unit.i_beats.ready):
                    taken.append((cycle, waiting.pop(0)))
            if ctx.get(unit.o_request.valid):
                burst = ctx.get(unit.o_request.payload)
                asked.append((cycle, burst.address, burst.beats))
                waiting += range(burst.address, burst.address + burst.beats * step, step)
            if ctx.get(unit.o_write.valid) and ctx.get(unit.o_write.ready):
                written.append(ctx.get(unit.o_write.payload.address))
            if ctx.get(unit.done):
                ended.append(cycle)
            await ctx.tick()
            ctx.set(unit.start, 0)

    simulate(unit, bench)
    return asked, taken, written, len(ended) == 1


@pytest.mark.parametrize("width", [32, 64, 128])
def test_the_next_command_is_asked_for_while_data_come_and_each_cycle_takes_a_beat(width):
    config = small(link="axi", requantize=False, data_width=width)
    asked, taken, written, done = fetched(config)
    beats = WORDS * beats_of(written_words(config)[Target.X][0], width)
    per_command = 8 * COMMAND_BYTES // width
    assert [(address, count) for _, address, count in asked] == [
        (LIST, per_command),
        (DATA, beats),
        (LIST + COMMAND_BYTES, per_command),
    ]
    data = [cycle for cycle, address in taken if address >= DATA]
    assert data == list(range(data[0], data[0] + beats))
    assert asked[2][0] < data[-1]
    assert (written, done) == ([1 + i for i in range(WORDS)], True)


def test_words_wait_for_their_memory():
    _, _, written, done = fetched(small(link="axi", requantize=False), room=0.2)
    assert (written, done) == ([1 + i for i in range(WORDS)], True)


def test_a_command_waits_for_the_last_word_before_it():
    """However long its memory takes nothing: the word is still for that memory then, and the run begins behind it."""
    config = small(link="axi", requantize=False)
    size, _ = written_words(config)[Target.W]
    beats = beats_of(size, config.data_width)
    tiles = {"m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 1}
    text = packed_command(config, ListOpcode.WRITE, target=Target.W, address=DATA, beats=beats, first=3)
    run = packed_command(config, ListOpcode.RUN, steps=1, threads=0, **tiles)
    left = np.frombuffer(text + bytes([0x5A] * (beats * 4)) + run, "<u4").tolist()
    unit = Executor(config.data_width, written_words(config), commands_of(config))
    word, begun = int.from_bytes(bytes([0x5A] * size), "little"), []

    async def bench(ctx):
        for port in (unit.ready, unit.legal, unit.quiet, unit.o_run.ready, unit.o_request.ready, unit.i_beats.valid):
            ctx.set(port, 1)
        for port, value in ((unit.list_address, 0), (unit.list_commands, 2), (unit.start, 1)):
            ctx.set(port, value)
        for cycle in range(140):
            ctx.set(unit.o_write.ready, cycle >= 100)
            ctx.set(unit.i_beats.valid, bool(left))
            if left:
                ctx.set(unit.i_beats.payload.data, left[0])
                if ctx.get(unit.i_beats.ready):
                    left.pop(0)
            if 20 < cycle <= 100:
                payload = ctx.get(unit.o_write.payload)
                assert (ctx.get(unit.o_write.valid), payload.memory, payload.address) == (1, Target.W, 3)
                assert payload.word & (1 << 8 * size) - 1 == word
            if ctx.get(unit.o_run.valid):
                begun.append(cycle)
            await ctx.tick()
            ctx.set(unit.start, 0)

    simulate(unit, bench)
    assert len(begun) == 1
    assert begun[0] > 100
