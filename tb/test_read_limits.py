# SPDX-License-Identifier: Apache-2.0
"""READ of more than a response can hold, or of what is not in the memory, is refused: never a short answer."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from sysmt.hdl.accel.reader import ResultReader
from sysmt.hdl.engine.commands import EngineCommands
from sysmt.hdl.engine.reader import HostReader
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import ARGUMENTS, ReadTarget
from sysmt.hdl.params.protocol import CHANNEL, HEADER, Opcode, Status

from .accel import receive, send, simulate, small

ROWS = AccelConfig(array=ArrayConfig(rows=1, cols=4, counters=False), result_rows=1 << 15)
WORDS = EngineConfig(activation_words=1 << 16, layers=16)


def illegal(reader, available: int = 0, **arguments: int) -> bool:
    """What the reader says a cycle after the arguments are there."""
    found = []

    async def bench(ctx):
        if hasattr(reader, "available"):
            ctx.set(reader.available, available)
        for name, value in arguments.items():
            ctx.set(reader.arguments[name], value)
        await ctx.tick()
        found.append(ctx.get(reader.illegal))

    simulator = Simulator(reader)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return bool(found[0])


@pytest.mark.parametrize(
    ("first", "rows", "requantize", "refused"),
    [
        (0, 4095, 0, False),  # 65,520 bytes
        (0, 4096, 0, True),
        (0, 4096, 1, False),
        (0, 16383, 1, False),  # 65,532 bytes
        (0, 16384, 1, True),
        (32767, 1, 0, False),
        (32767, 2, 0, True),
        (65535, 65535, 1, True),
    ],
)
def test_rows_of_results(first, rows, requantize, refused):
    flags = {"requantize": requantize, "double": 0, "unused": 0}
    assert illegal(ResultReader(ROWS), 1 << 15, first=first, rows=rows, flags=flags) is refused


@pytest.mark.parametrize(("rows", "refused"), [(32767, False), (32768, True)])
def test_the_longest_answer(rows, refused):
    """65,534 bytes, which two outputs per row come to, and two more."""
    config = AccelConfig(array=ArrayConfig(rows=1, cols=2, counters=False), result_rows=1 << 15)
    flags = {"requantize": 1, "double": 0, "unused": 0}
    assert illegal(ResultReader(config), 1 << 15, first=0, rows=rows, flags=flags) is refused


@pytest.mark.parametrize(("first", "rows", "refused"), [(0, 4, False), (3, 1, False), (0, 5, True), (3, 2, True)])
def test_rows_that_the_run_has_left(first, rows, refused):
    flags = {"requantize": 0, "double": 0, "unused": 0}
    assert illegal(ResultReader(ROWS), 4, first=first, rows=rows, flags=flags) is refused


def test_sums_of_32_bits_leave_byte_by_byte():
    reader, sums, out = ResultReader(ROWS), [2**31 - 1, -(2**31), 2**30, -(2**30) - 1], []
    row = b"".join(value.to_bytes(4, "little", signed=True) for value in sums)

    async def bench(ctx):
        ctx.set(reader.arguments.rows, 1)
        for port in (reader.o_row.ready, reader.i_row.valid):
            ctx.set(port, 1)
        ctx.set(reader.i_row.payload, int.from_bytes(row, "little"))
        ctx.set(reader.start, 1)
        await ctx.tick()
        ctx.set(reader.start, 0)
        await ctx.tick().repeat(10 * len(row))

    async def host(ctx):
        await receive(ctx, reader.o, np.random.default_rng(0), 0.3, out)

    simulate(reader, bench, host)
    assert bytes(out) == row


def test_requantised_bytes_wait_for_the_host():
    """Longer than the next one takes."""
    reader, sums, out = ResultReader(small()), [5, -7, 127, 300, -128], []
    channel = {"bias": 0, "multiplier": 1 << 30, "shift": 1}

    async def bench(ctx):
        arguments = {"rows": len(sums), "low": -128, "high": 127, "flags": {"requantize": 1, "double": 0, "unused": 0}}
        for name, value in arguments.items():
            ctx.set(reader.arguments[name], value)
        ctx.set(reader.o_row.ready, 1)
        ctx.set(reader.start, 1)
        await ctx.tick()
        ctx.set(reader.start, 0)
        await ctx.tick().repeat(800)

    async def rows(ctx):
        await send(ctx, reader.i_row, [value & 0xFFFFFFFF for value in sums], np.random.default_rng(0), 0.0)

    async def table(ctx):
        ctx.set(reader.o_channel.ready, 1)
        ctx.set(reader.i_channel.payload, CHANNEL.to_int(channel))
        ports = (reader.o_channel.valid, reader.i_channel.valid & reader.i_channel.ready)
        async for _, _, asked, taken in ctx.tick().sample(*ports):
            if asked or taken:
                ctx.set(reader.i_channel.valid, asked)

    async def host(ctx):
        await receive(ctx, reader.o, np.random.default_rng(3), 0.95, out)

    simulate(reader, bench, rows, table, host)
    assert out == [min(value, 127) & 0xFF for value in sums]


MOST = 65534 // WORDS.word_bytes


@pytest.mark.parametrize(
    ("target", "address", "words", "refused"),
    [
        (ReadTarget.ACTIVATIONS, 0, MOST, False),
        (ReadTarget.ACTIVATIONS, 0, MOST + 1, True),
        (ReadTarget.ACTIVATIONS, WORDS.activation_words - 1, 1, False),
        (ReadTarget.ACTIVATIONS, WORDS.activation_words - 1, 2, True),
        (ReadTarget.ACTIVATIONS, 1 << 23, 1, True),
        (ReadTarget.CYCLES, 0, 16, False),
        (ReadTarget.CYCLES, 1, 16, True),
        (2, 0, 1, True),
        (255, 0, 1, True),
    ],
)
def test_words_of_the_engine(target, address, words, refused):
    assert illegal(HostReader(WORDS), target=target, address=address, words=words) is refused


@pytest.mark.parametrize("size", [255, 256, 40_000, 65_534])
def test_the_head_of_an_answer_says_how_many_bytes_come(size):
    """And its status, which counts as one."""
    commands, answer = EngineCommands(WORDS), []
    arguments = ARGUMENTS[Opcode.READ].pack(run=0, target=ReadTarget.ACTIVATIONS, address=0, words=1)
    request = HEADER.pack(type=Opcode.READ, sequence=7, length=len(arguments)) + arguments
    packets = [{"data": byte, "last": i == len(request) - 1} for i, byte in enumerate(request)]

    async def bench(ctx):
        ctx.set(commands.size, size)
        await send(ctx, commands.i, packets, np.random.default_rng(0), 0.0)
        await ctx.tick().repeat(30)

    async def host(ctx):
        await receive(ctx, commands.o, np.random.default_rng(1), 0.0, answer, lambda packet: packet.data)

    simulate(commands, bench, host)
    head = HEADER.unpack(bytes(answer[: HEADER.size]))
    assert (head["sequence"], head["length"], answer[HEADER.size]) == (7, size + 1, Status.OK)
