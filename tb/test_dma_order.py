# SPDX-License-Identifier: Apache-2.0
"""In which order an engine does its commands: around one that takes a while for a run, and nothing else."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal

from sysmt.hdl.dma import engine as dma_engine
from sysmt.hdl.engine.engine import Engine
from sysmt.hdl.params.command_list import ListError, ListOpcode, beats_of, packed_command, written_words
from sysmt.hdl.params.engine_protocol import NUMBERS, STATE
from sysmt.hdl.params.program import EngineError, Memory

from .accel import simulate
from .test_dma_engine import CONFIG
from .test_dma_stream import Host

STREAMED = CONFIG.with_fields(link="axi-stream")
WORD = STREAMED.word_bytes // 4
"""Beats of a word."""
READ_WORDS = 3
RUN_CYCLES, REST, HELD = 60, 3, 220
"""Of a run; from its end until the next one is taken; and of the time for which no result is taken."""


class Idle(Engine):
    """An engine whose runs take `RUN_CYCLES` and do nothing; they fail where `fails` is high at their end."""

    def elaborate(self, platform) -> Module:
        m = Module()
        left = Signal(range(RUN_CYCLES + REST + 1))
        self.fails = Signal()
        read = self.o_read
        m.d.comb += [
            self.i_write.ready.eq(1),
            self.busy.eq(left > REST),
            self.i_run.ready.eq((left == 0) & (self.error == EngineError.NONE)),
            self.finished.eq(left == REST + 1),
            self.number.eq(5),
            self.cycles.eq(0xC0FFEE11),
            self.layer_cycles.eq(Cat(self.layer, self.layer)),
            self.i_read.ready.eq(~read.valid | read.ready),
        ]
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(self.i_run.valid & self.i_run.ready):
            m.d.sync += left.eq(RUN_CYCLES + REST)
        with m.If(self.finished & self.fails):
            m.d.sync += self.error.eq(EngineError.DESCRIPTOR)
        with m.Elif(self.clear):
            m.d.sync += self.error.eq(EngineError.NONE)
        with m.If(self.i_read.ready):
            m.d.sync += [read.valid.eq(self.i_read.valid), read.payload.eq(self.i_read.payload)]
        return m


@pytest.fixture
def idle(monkeypatch) -> Idle:
    unit = Idle(STREAMED)
    monkeypatch.setattr(dma_engine, "Engine", lambda config: unit)
    return unit


def run(half: int) -> bytes:
    return packed_command(STREAMED, ListOpcode.RUN, half=half)


def write(target: Memory, half: int = 0) -> bytes:
    """A word, in words of the list."""
    beats = beats_of(written_words(STREAMED)[target][0], STREAMED.data_width)
    head = packed_command(STREAMED, ListOpcode.WRITE, target=target, half=half, address=0, beats=beats, first=1)
    return head + bytes(4 * beats)


READ = packed_command(STREAMED, ListOpcode.READ, address=0, beats=READ_WORDS * WORD, first=0)
INPUTS = Memory.ACTIVATIONS
PROGRAM = [Memory(target) for target in range(INPUTS)]


def words(commands: list[bytes]) -> list[int]:
    return np.frombuffer(b"".join(commands), "<u4").tolist()


def play(idle: Idle, lists: list[tuple[list[bytes], tuple[ListError, int]]], fails: bool = False) -> list[str]:
    """Do lists, whose ends are given; no results are taken for a while. Returns what happened, in its order.

    A run begins ("run 0", by its half) and ends ("end"), a word is written ("program", "inputs"), a beat leaves. No
    run is under way and none is unfinished after a list.
    """
    host, events = Host(STREAMED, 0.0, slow=1.0, held=dma_engine.ListedEngine), []

    async def register(ctx, name: str) -> dict[str, int]:
        ctx.set(host.dut.registers.number, NUMBERS[name])
        await ctx.tick().repeat(2)
        return STATE[name].from_int(ctx.get(host.dut.registers.value))

    async def watch(ctx) -> None:
        cycle = seen = 0
        while True:
            cycle += 1
            if cycle == HELD:
                host.slow = 0.0
            events.extend("beat" for _ in range(len(host.taken) - seen))
            seen = len(host.taken)
            if ctx.get(idle.finished):
                events.append("end")
            if ctx.get(idle.i_run.valid) and ctx.get(idle.i_run.ready):
                events.append(f"run {ctx.get(idle.i_run.payload)}")
            word = ctx.get(idle.i_write.payload.memory) if ctx.get(idle.i_write.valid) else None
            if word is not None:
                events.append("inputs" if word == INPUTS else "program")
            assert ctx.get(idle.clear) == (word is not None and word != INPUTS)
            await ctx.tick()

    async def bench(ctx) -> None:
        ctx.set(idle.fails, fails)
        await host.write(ctx, "interrupt_enable", 3)
        for commands, ends in lists:
            await host.write(ctx, "list_commands", len(commands))
            text = np.frombuffer(b"".join(commands), "<u4").tolist()
            await host.send(ctx, text)
            before, state, after = [await register(ctx, name) for name in ("runs", "state", "runs")]
            if before == after and not fails:
                assert state == {"busy": before["issued"] != before["finished"], "error": 0, "layer": 5}
            assert await host.end(ctx) == ends
            failed = ends[0] == ListError.RUN and EngineError.DESCRIPTOR
            assert await register(ctx, "state") == {"busy": 0, "error": failed, "layer": 5}
            runs = await register(ctx, "runs")
            assert runs["issued"] == runs["finished"]
            assert await register(ctx, "cycles") == {"cycles": 0xC0FFEE11}

    simulate(host.dut, bench, host.receive, watch)
    last = [i % WORD == WORD - 1 and i // WORD == READ_WORDS - 1 for i in range(READ_WORDS * WORD)]
    assert [end for _, _, end in host.taken] == last * (len(host.taken) // len(last))
    return events


BEATS = ["beat"] * (READ_WORDS * WORD)


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        # Runs one after the other, however many: one is under way, and one waits.
        ([run(0), run(1), run(0), run(0)], ["run 0", "end", "run 1", "end", "run 0", "end", "run 0", "end"]),
        # Inputs of the other half come while a run is under way, those of its half when it has ended.
        ([run(0), write(INPUTS, 1)], ["run 0", "inputs", "end"]),
        ([run(0), write(INPUTS, 0)], ["run 0", "end", "inputs"]),
        ([run(1), write(INPUTS, 1)], ["run 1", "end", "inputs"]),
        ([run(0), run(1), write(INPUTS, 0)], ["run 0", "end", "run 1", "inputs", "end"]),
        ([run(0), run(1), write(INPUTS, 1)], ["run 0", "end", "run 1", "end", "inputs"]),
        # Results are read while the other half is written and run, and its own half is not.
        ([run(0), READ, write(INPUTS, 1)], ["run 0", "inputs", "end", *BEATS]),
        ([run(0), READ, write(INPUTS, 0)], ["run 0", "end", *BEATS, "inputs"]),
        ([run(0), READ, run(1)], ["run 0", "end", "run 1", "end", *BEATS]),
        ([run(0), READ, run(0)], ["run 0", "end", *BEATS, "run 0", "end"]),
        ([run(0), READ, run(1), write(INPUTS, 0)], ["run 0", "end", "run 1", "end", *BEATS, "inputs"]),
        ([run(0), READ, run(1), run(0)], ["run 0", "end", "run 1", "end", *BEATS, "run 0", "end"]),
        ([run(0), READ, READ, run(1)], ["run 0", "end", "run 1", "end", *BEATS, *BEATS]),
        # The program is written when nothing is under way.
        *[([run(0), write(memory)], ["run 0", "end", "program"]) for memory in PROGRAM],
        ([run(0), run(1), write(PROGRAM[0])], ["run 0", "end", "run 1", "end", "program"]),
        ([run(1), READ, write(PROGRAM[0], 0)], ["run 1", "end", *BEATS, "program"]),
    ],
)
def test_commands_wait_for_what_they_need_and_for_nothing_else(idle, commands, expected):
    assert play(idle, [(commands, (ListError.NONE, len(commands)))]) == expected


def test_runs_behind_one_that_fails_are_dropped_until_the_program_is_written(idle):
    refused = (ListError.RUN, 0)
    lists = [([run(0), run(1), run(0), READ], (ListError.RUN, 2)), ([run(0), READ], refused), ([READ], refused)]
    assert play(idle, [*lists, ([write(PROGRAM[0])], (ListError.NONE, 1))], fails=True) == ["run 0", "end", "program"]
