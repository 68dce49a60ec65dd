# SPDX-License-Identifier: Apache-2.0
"""The accelerator's RTL in Amaranth's own simulator: streams that stall, and a transport for the unchanged driver."""

import contextlib
from collections.abc import Callable, Iterable

import numpy as np
from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

from sysmt.boards.driver import Board
from sysmt.boards.link import LinkError
from sysmt.boards.network import EngineBoard
from sysmt.boards.transport import Transport
from sysmt.hdl.accel.top import Accelerator
from sysmt.hdl.engine.top import LinkedEngine
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.protocol import Opcode, Status

PERIOD = 1e-6
SECONDS = 1e-5
"""What the host takes a cycle for: its time-outs then do not depend on how fast the simulation runs."""


def small(**changes) -> AccelConfig:
    """An accelerator that is quick to simulate: 2 x 1 outputs on two threads, buffers that a small product outgrows."""
    array = ArrayConfig(rows=2, cols=1, counters=False, pe=PEConfig(threads=2, target="fpga"))
    sizes = {"array": array, "depth": 8, "result_rows": 8, "slot": 64, "slots": 4, "channels": 4, "divisor": 4}
    return AccelConfig(**{**sizes, **changes})


async def send(ctx, stream, payloads: Iterable[int], random: np.random.Generator, pause: float) -> None:
    """Offer payloads in order, pausing in so large a share of cycles."""
    for payload in payloads:
        while random.random() < pause:
            await ctx.tick()
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def receive(ctx, stream, random: np.random.Generator, pause: float, into: list, shape: Callable = int) -> None:
    """Take payloads for ever, not ready in so large a share of cycles. What was offered must stay."""
    offered = None
    while True:
        ready = random.random() >= pause
        ctx.set(stream.ready, ready)
        valid, payload = ctx.get(stream.valid), ctx.get(stream.payload)
        payload = shape(payload)
        if offered is not None:
            assert valid, "valid fell before ready rose"
            assert payload == offered, "payload changed before ready rose"
        offered = payload if valid and not ready else None
        if valid and ready:
            into.append(payload)
        await ctx.tick()


def simulate(design: Elaboratable, testbench: Callable, *background: Callable) -> None:
    """Run `testbench` to its end, with `background` processes beside it."""
    simulator = Simulator(design)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(testbench)
    for process in background:
        simulator.add_testbench(process, background=True)
    simulator.run()


class SimulatedTransport(Transport):
    """The bytes of an `Accelerator` or a `LinkedEngine` in Amaranth's simulator: the clock runs while the host reads,
    and is its clock.

    Parameters
    ----------
    config : AccelConfig or EngineConfig
    pause : float
        Share of cycles in which either direction pauses.

    Members
    -------
    bad_bytes : int
        Bytes that the transport has still to drop, one a cycle.
    """

    def __init__(self, config: AccelConfig | EngineConfig, pause: float = 0.0, seed: int = 0):
        self.name = "simulation"
        self._random, self._pause = np.random.default_rng(seed), pause
        self._out: list[int] = []
        self._in: list[int] = []
        self._cycle = self.bad_bytes = 0
        design = Accelerator(config) if isinstance(config, AccelConfig) else LinkedEngine(config)
        self._simulator = Simulator(design)
        self._simulator.add_clock(PERIOD)

        async def drive(ctx):
            await self._drive(ctx, design)

        async def take(ctx):
            await receive(ctx, design.o, np.random.default_rng(seed + 1), pause, self._in)

        self._simulator.add_testbench(drive, background=True)
        self._simulator.add_testbench(take, background=True)

    async def _drive(self, ctx, design: Accelerator | LinkedEngine) -> None:
        while True:
            ctx.set(design.bad_byte, self.bad_bytes > 0)
            self.bad_bytes -= self.bad_bytes > 0
            offers = bool(self._out) and self._random.random() >= self._pause
            ctx.set(design.i.valid, offers)
            if offers:
                ctx.set(design.i.payload, self._out.pop(0))
            assert ctx.get(design.i.ready)
            self._cycle += 1
            await ctx.tick()

    def open(self) -> None:
        self._out.clear()
        self._in.clear()

    def close(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        self._out += data

    def read(self, timeout: float) -> bytes:
        limit = self.now() + timeout
        while not self._in and self.now() < limit:
            self._simulator.advance()
        data = bytes(self._in)
        self._in.clear()
        return data

    def now(self) -> float:
        return self._cycle * SECONDS


def status_of(board: Board | EngineBoard, kind: Opcode, payload: bytes) -> Status:
    """What the board answers to a request."""
    request = board.link.submit(kind, payload)
    with contextlib.suppress(LinkError):
        board.link.wait(request)
    return request.status
