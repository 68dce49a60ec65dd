# SPDX-License-Identifier: Apache-2.0
"""Requests that come before what they need: they wait, are refused, or are answered and not done a second time.

Of every number of a run beside the last one issued, and of every number of unfinished runs.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from sysmt.hdl.accel.commands import Commands
from sysmt.hdl.engine.commands import EngineCommands
from sysmt.hdl.params import engine_protocol, protocol
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import written_words
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.protocol import HEADER, RUN_WIDTH, Opcode, Status, Target

from .accel import receive, simulate, small

CYCLES = 80
"""More than a request takes that does not wait."""
ACCEL, ENGINE = small(), EngineConfig(activation_words=1 << 10, layers=16)
REST = {
    AccelConfig: {
        Opcode.WRITE: {"target": Target.W, "address": 1},
        Opcode.RUN: {"steps": 1, "m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 1, "threads": 0},
        Opcode.READ: dict.fromkeys(("channel", "zero_point", "low", "high", "requantize", "double"), 0)
        | {"first": 0, "rows": 1},
    },
    EngineConfig: {
        Opcode.WRITE: {"target": Memory.ACTIVATIONS, "address": 1},
        Opcode.RUN: {},
        Opcode.READ: {"target": 0, "address": 0, "words": 1},
    },
}
"""Arguments beside the run."""


@dataclass
class Outcome:
    """What a request did: words written, and in which half; runs begun; results asked for; its answer's status."""

    writes: int = 0
    half: int | None = None
    runs: int = 0
    starts: int = 0
    status: Status | None = None


def request(config: AccelConfig | EngineConfig, opcode: Opcode, run: int, **arguments: int) -> bytes:
    records = protocol.ARGUMENTS if isinstance(config, AccelConfig) else engine_protocol.ARGUMENTS
    values = REST[type(config)][opcode] | arguments
    payload = records[opcode].pack(run=run % (1 << RUN_WIDTH), **values)
    if opcode == Opcode.WRITE:
        payload += bytes(written_words(config)[values["target"]][0])
    return HEADER.pack(type=opcode, sequence=3, length=len(payload)) + payload


def outcomes(
    config: AccelConfig | EngineConfig, opcode: Opcode, run: int, issued: int, unfinished: int, **arguments: int
) -> list[Outcome]:
    """What a request has done a while after it came, and after all runs are finished then."""
    server = Commands(config) if isinstance(config, AccelConfig) else EngineCommands(config)
    total, answer, found = Outcome(), [], []
    data = request(config, opcode, run, **arguments)

    async def bench(ctx):
        ctx.set(server.issued, issued)
        ctx.set(server.finished, (issued - unfinished) % (1 << RUN_WIDTH))
        ctx.set(server.o_run.ready, 1)
        ctx.set(server.i_bytes.valid, 1)
        ctx.set(server.size, 1)
        await ctx.tick()
        packets = [{"data": byte, "last": i == len(data) - 1} for i, byte in enumerate(data)]
        for _ in range(2):
            for _ in range(CYCLES):
                ctx.set(server.i.valid, len(packets) > 0)
                if packets:
                    ctx.set(server.i.payload, packets[0])
                    if ctx.get(server.i.ready):
                        packets.pop(0)
                await ctx.tick()
            found.append(Outcome(**vars(total)))
            ctx.set(server.finished, issued)

    async def watch(ctx):
        sampled = ctx.tick().sample(server.write, server.half, server.o_run.valid, server.start)
        async for _, _, write, half, run_valid, start in sampled:
            total.writes += write.bit_count()
            total.half = half if write else total.half
            total.runs += run_valid
            total.starts += start

    async def host(ctx):
        def take(packet) -> int:
            if len(answer) == HEADER.size:
                total.status = Status(packet.data)
            return packet.data

        await receive(ctx, server.o, np.random.default_rng(1), 0.0, answer, take)

    simulate(server, bench, watch, host)
    return found


def expected(opcode: Opcode, ahead: int, unfinished: int, half: int) -> list[Outcome]:
    """By the protocol, of a run so much after the last one issued."""
    nothing, done, refused = Outcome(), Outcome(status=Status.OK), Outcome(status=Status.REFUSED)
    if opcode == Opcode.READ:
        read = Outcome(starts=1, status=Status.OK)
        if ahead > 0:
            return [refused, refused]
        if ahead < -1:
            return [Outcome(status=Status.STALE)] * 2
        return [nothing if -ahead < unfinished else read, read]
    if ahead <= 0:
        return [done, done]
    if opcode == Opcode.RUN:
        return [Outcome(runs=1, status=Status.OK)] * 2 if ahead == 1 else [refused, refused]
    written = Outcome(writes=1, half=half, status=Status.OK)
    if ahead > 2:
        return [refused, refused]
    return [nothing if ahead + unfinished > 2 else written, written]


@pytest.mark.parametrize("opcode", [Opcode.WRITE, Opcode.RUN, Opcode.READ], ids=lambda opcode: opcode.name)
@pytest.mark.parametrize("config", [ACCEL, ENGINE], ids=["accelerator", "engine"])
def test_requests_for_every_run_while_others_are_unfinished(config, opcode):
    for ahead, unfinished, issued in itertools.product((-2, -1, 0, 1, 2, 3), (0, 1, 2), (6, 0xFFFF)):
        got = outcomes(config, opcode, issued + ahead, issued, unfinished)
        assert got == expected(opcode, ahead, unfinished, (issued + ahead) & 1), (ahead, unfinished, issued)


@pytest.mark.parametrize("target", [Memory.DESCRIPTORS, Memory.WEIGHTS, Memory.PARAMETERS])
def test_memories_of_the_program_are_written_while_nothing_runs(target):
    for ahead, unfinished in itertools.product((0, 1, 2), (0, 1, 2)):
        got = outcomes(ENGINE, Opcode.WRITE, 7 + ahead, 7, unfinished, target=target)
        if ahead == 0:
            wanted = Outcome(status=Status.OK)
        elif ahead == 1 and unfinished == 0:
            wanted = Outcome(writes=1, half=0, status=Status.OK)
        else:
            wanted = Outcome(status=Status.REFUSED)
        assert got == [wanted, wanted], (ahead, unfinished)
