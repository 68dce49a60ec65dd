# SPDX-License-Identifier: Apache-2.0
"""What the two LEDs of a board show: that something runs, and that something was wrong since reset."""

import numpy as np
import pytest

from sysmt.boards.frames import Frame, encode
from sysmt.hdl.accel.top import Accelerator, UARTAccelerator
from sysmt.hdl.engine.top import LinkedEngine
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.protocol import Opcode, pack

from .accel import receive, send, simulate, small

DEVICES = {
    "accelerator": (Accelerator, small()),
    "engine": (
        LinkedEngine,
        EngineConfig(array=ArrayConfig(rows=1, cols=1), fill=1, lanes=1, x_depth=16, activation_words=64, layers=8),
    ),
}
LONG = 400
"""More cycles than a frame or a small run takes."""
GOOD = encode(Frame(Opcode.SYNC, 1, b""))
RUN = {"run": 1, "steps": 8, "m_tiles": 1, "n_tiles": 1, "rows": 2, "cols": 1, "threads": 0}


def leds(device, good: bytes, damaged: bytes = b"", bad_byte: bool = False) -> tuple[list[int], list[int]]:
    """`busy` and `error` while a good frame comes, for `LONG` cycles, then something damaged and another good frame."""
    seen: list[tuple[int, int]] = []

    async def bench(ctx):
        random = np.random.default_rng(1)
        await send(ctx, device.i, good, random, 0.3)
        while len(seen) < LONG:
            await ctx.tick()
        ctx.set(device.bad_byte, bad_byte)
        await ctx.tick()
        ctx.set(device.bad_byte, 0)
        await send(ctx, device.i, damaged + good, random, 0.3)
        await ctx.tick().repeat(LONG)

    async def host(ctx):
        await receive(ctx, device.o, np.random.default_rng(2), 0.0, [])

    async def watch(ctx):
        async for _, _, busy, error in ctx.tick().sample(device.busy, device.error):
            seen.append((busy, error))

    simulate(device, bench, host, watch)
    busy, error = zip(*seen, strict=True)
    return list(busy), list(error)


@pytest.mark.parametrize("damage", ["frame", "byte"])
@pytest.mark.parametrize("name", DEVICES)
def test_damage_is_an_error_until_reset(name, damage):
    kind, config = DEVICES[name]
    damaged = bytes(byte ^ (i == len(GOOD) // 2) for i, byte in enumerate(GOOD)) if damage == "frame" else b""
    busy, error = leds(kind(config), GOOD, damaged, bad_byte=damage == "byte")
    assert not any(busy)
    before, after = error[:LONG], error[LONG:]
    assert not any(before), "of a good frame"
    assert after[-1]
    assert sorted(after) == after, "the error was forgotten"


def test_a_run_is_busy_and_no_error():
    busy, error = leds(Accelerator(small()), encode(Frame(Opcode.RUN, 1, pack(Opcode.RUN, **RUN))))
    assert sum(busy) >= RUN["steps"]
    assert not busy[-1]
    assert not any(error)


def test_a_line_brings_runs_and_errors():
    """The LEDs of the whole: busy while the run lasts, and an error from a stop bit that is low."""
    config = small()
    board, seen = UARTAccelerator(config), []

    async def bench(ctx):
        async def bits(*levels):
            for level in levels:
                ctx.set(board.rx, level)
                await ctx.tick().repeat(config.divisor)

        await bits(1, 1)
        for byte in encode(Frame(Opcode.RUN, 1, pack(Opcode.RUN, **RUN))):
            await bits(0, *(byte >> i & 1 for i in range(8)), 1)
        await ctx.tick().repeat(100)
        seen.append((0, 0))
        await bits(*[0] * 10, 1, 1)

    async def watch(ctx):
        async for _, _, busy, error in ctx.tick().sample(board.busy, board.error):
            seen.append((busy, error))

    simulate(board, bench, watch)
    after = seen.index((0, 0), len(seen) - 12 * config.divisor)
    assert sum(busy for busy, _ in seen) >= RUN["steps"]
    assert not any(error for _, error in seen[:after])
    assert seen[-1] == (0, 1)
