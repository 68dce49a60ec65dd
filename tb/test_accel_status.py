# SPDX-License-Identifier: Apache-2.0
"""What the host reads of an accelerator that runs, and of one that has lost frames and bytes."""

import struct

import numpy as np

from sysmt.boards.frames import Decoder, Frame, encode
from sysmt.hdl.accel.top import Accelerator
from sysmt.hdl.params.protocol import Opcode, pack
from sysmt.hdl.params.registers import NUMBERS, STATE

from .accel import receive, send, simulate, small

CONFIG = small(depth=64, result_rows=128)
NAMES = ("runs", "status", "errors", "overflows")
READ = encode(Frame(Opcode.REGISTERS, 1, pack(Opcode.REGISTERS, first=NUMBERS[NAMES[0]], count=len(NAMES))))
LONG = {"steps": 1, "m_tiles": 1, "n_tiles": 64, "rows": 2, "cols": 1, "threads": 0}
"""A run that lasts until the registers have been read."""


def read_after(*parts: bytes | int | None) -> list[dict[str, dict[str, int]]]:
    """Registers as they are read in frames; a number is so many damaged bytes in a row, None a long wait."""
    board, out = Accelerator(CONFIG), []

    async def bench(ctx):
        for part in parts:
            if part is None:
                await ctx.tick().repeat(300)
            elif isinstance(part, int):
                ctx.set(board.bad_byte, 1)
                await ctx.tick().repeat(part)
                ctx.set(board.bad_byte, 0)
            else:
                await send(ctx, board.i, part, np.random.default_rng(1), 0.0)
        await ctx.tick().repeat(100)

    async def host(ctx):
        await receive(ctx, board.o, np.random.default_rng(2), 0.0, out)

    simulate(board, bench, host)
    answers = [frame.payload for frame in Decoder().feed(bytes(out)) if frame.kind == Opcode.REGISTERS | 0x80]
    words = [struct.unpack(f"<{len(NAMES)}I", answer[1:]) for answer in answers]
    return [{name: STATE[name].from_int(word) for name, word in zip(NAMES, read, strict=True)} for read in words]


def test_a_run_is_busy_until_it_is_finished():
    run = encode(Frame(Opcode.RUN, 2, pack(Opcode.RUN, run=1, **LONG)))
    before, during, after = read_after(READ, run, READ, None, READ)
    assert [read["runs"] for read in (before, during, after)] == [
        {"issued": issued, "finished": finished} for issued, finished in ((0, 0), (1, 0), (1, 1))
    ]
    assert [read["status"]["busy"] for read in (before, during, after)] == [0, 1, 0]
    assert not any(read["status"]["refused"] for read in (before, during, after))


def test_lost_frames_and_bytes_are_counted_apart():
    damaged = READ[:3] + bytes([READ[3] ^ 1]) + READ[4:]
    reads = read_after(READ, None, damaged, READ, None, 2, READ, None, damaged, 3, READ)
    assert [(read["errors"]["frames"], read["errors"]["bytes"]) for read in reads] == [(0, 0), (1, 0), (1, 2), (2, 5)]
