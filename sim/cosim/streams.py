# SPDX-License-Identifier: Apache-2.0
"""Streams in lockstep with a clock that the testbench drives itself.

Inputs change while the clock is low, handshakes are read when everything has settled, and then the clock rises: the
same under every simulator, and two waits per cycle make it fast.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

from cocotb.triggers import Timer


class Source:
    """Drives a stream: `payloads` in order, as integers; between transfers it waits while `pauses` yields True."""

    def __init__(self, dut: Any, name: str, payloads: Iterable[int], pauses: Iterator[bool] | None = None):
        self._valid = getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._payload = getattr(dut, f"{name}__payload")
        self._payloads = iter(payloads)
        self._pauses = pauses if pauses is not None else repeat(False)
        self._held = False
        self._next = next(self._payloads, None)
        self.sent = 0

    @property
    def done(self) -> bool:
        """Whether every payload has been taken."""
        return self._next is None

    def drive(self) -> None:
        """Clock low: offer the next payload, unless this is a pause. What was offered once stays."""
        if self._held:
            return
        self._held = not next(self._pauses) and self._next is not None
        self._valid.value = int(self._held)
        if self._held:
            self._payload.value = self._next

    def sample(self) -> bool:
        """Settled: was the payload taken?"""
        if not (self._held and int(self._ready.value)):
            return False
        self._held = False
        self._next = next(self._payloads, None)
        self.sent += 1
        return True


class Sink:
    """Takes from a stream into `received`; not ready while `pauses` yields True."""

    def __init__(self, dut: Any, name: str, pauses: Iterator[bool] | None = None):
        self._valid = getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._payload = getattr(dut, f"{name}__payload")
        self._pauses = pauses if pauses is not None else repeat(False)
        self._is_ready = False
        self._waiting: int | None = None
        self.received: list[int] = []
        self.stalled = 0

    def drive(self) -> None:
        """Clock low."""
        self._is_ready = not next(self._pauses)
        self._ready.value = int(self._is_ready)

    def sample(self) -> bool:
        """Settled: take what is offered; what was offered and not taken must still be there."""
        if not int(self._valid.value):
            assert self._waiting is None, f"{self._valid._name} fell before ready rose"
            return False
        payload = int(self._payload.value)
        assert self._waiting in (None, payload), f"{self._payload._name} changed before ready rose"
        self._waiting = None if self._is_ready else payload
        if self._is_ready:
            self.received.append(payload)
        else:
            self.stalled += 1
        return self._is_ready


class Clock:
    """The clock, and every source and sink that moves with it."""

    def __init__(self, dut: Any, *streams: Source | Sink):
        self._dut = dut
        self._streams = streams
        self.cycle = 0

    async def reset(self, cycles: int = 2) -> None:
        """Reset the design, with no stream moving."""
        self._dut.rst.value = 1
        self._dut.clk.value = 0
        for stream in self._streams:
            (stream._valid if isinstance(stream, Source) else stream._ready).value = 0
        for _ in range(cycles):
            await self._edge()
        self._dut.rst.value = 0

    async def _edge(self) -> None:
        await Timer(1, "ns")
        self._dut.clk.value = 1
        await Timer(1, "ns")
        self._dut.clk.value = 0

    async def tick(self, watch: Callable[[], None] | None = None) -> list[bool]:
        """One cycle. Returns which of the streams transferred; `watch` is called when everything has settled."""
        for stream in self._streams:
            stream.drive()
        await Timer(1, "ns")
        moved = [stream.sample() for stream in self._streams]
        if watch is not None:
            watch()
        self._dut.clk.value = 1
        await Timer(1, "ns")
        self._dut.clk.value = 0
        self.cycle += 1
        return moved
