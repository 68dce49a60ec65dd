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

from .accel import receive, send, simulate, small

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


@pytest.mark.parametrize("opcode", [Opcode.WRITE, Opcode.RUN, Opcode.READ], ids=lambda opcode: opcode.name)
def test_runs_of_long_ago_and_of_a_distant_future(opcode):
    """Half of all numbers are behind the last one issued."""
    for ahead in (-0x7FFF, -0x5000, -0x4001, 0x4001, 0x5000, 0x7FFF):
        assert outcomes(ACCEL, opcode, 6 + ahead, 6, 0) == expected(opcode, ahead, 0, 0), hex(ahead)


def answered(config: AccelConfig | EngineConfig, requests: list[bytes], size: int = 0, cycles: int = 60) -> list:
    """Packets of the answers, each request `cycles` after the one before."""
    server = Commands(config) if isinstance(config, AccelConfig) else EngineCommands(config)
    packets = []

    async def bench(ctx):
        ctx.set(server.size, size)
        ctx.set(server.i_bytes.valid, 1)
        ctx.set(server.i_bytes.payload, 0x5A)
        for data in requests:
            body = [{"data": byte, "last": i == len(data) - 1} for i, byte in enumerate(data)]
            await send(ctx, server.i, body, np.random.default_rng(0), 0.0)
            await ctx.tick().repeat(cycles)

    async def host(ctx):
        await receive(ctx, server.o, np.random.default_rng(1), 0.0, packets, lambda p: (p.data, p.last))

    simulate(server, bench, host)
    return packets


@pytest.mark.parametrize("config", [ACCEL, ENGINE], ids=["accelerator", "engine"])
def test_types_that_no_request_has_are_malformed(config):
    """Among them those of answers: what comes back by mistake is not done."""
    types = [0, *(1 << bit for bit in range(3, 8)), *(command | 1 << bit for command in Opcode for bit in range(3, 8))]
    nothing = [HEADER.pack(type=kind, sequence=i, length=4) + bytes(4) for i, kind in enumerate(types)]
    answer = bytes(byte for byte, _ in answered(config, nothing))
    heads = [answer[at : at + HEADER.size + 1] for at in range(0, len(answer), HEADER.size + 1)]
    wanted = [HEADER.pack(type=kind | 0x80, sequence=i, length=1) for i, kind in enumerate(types)]
    assert heads == [head + bytes([Status.MALFORMED]) for head in wanted]


@pytest.mark.parametrize("config", [ACCEL, ENGINE], ids=["accelerator", "engine"])
@pytest.mark.parametrize("size", [1, 9, 0x800A, 0xFFFE])
def test_an_answer_ends_with_its_last_byte(config, size):
    """And not before, however long it is: of long ones only the first bytes are seen here."""
    packets = answered(config, [request(config, Opcode.READ, 0)], size)
    ends = [i for i, (_, last) in enumerate(packets) if last]
    assert ends == ([HEADER.size + size] if size < 10 else [])
    assert len(packets) == HEADER.size + 1 + size if size < 10 else len(packets) > 30
