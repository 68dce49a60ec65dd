# SPDX-License-Identifier: Apache-2.0
"""Both sides of a running cache: a core that plays a trace, and an AXI4 memory of known latency.

Everything is driven at the falling edge and read when the signals have settled, so that what is read is what the next
rising edge sees.
"""

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

OKAY, SLVERR = 0, 2


class Core:
    """Plays accesses; collects what loads read and what became of the stores.

    Parameters
    ----------
    trace : mapping of name to array
        `op`, `addr`, `size`, `data` of a `sysmt.sim.nullcache.traces.trace.Trace`.
    stall : float
        Chance of a cycle without a request, without room for a response.
    patient : bool
        Whether to wait, before every access, until all stores are acknowledged.
    """

    def __init__(self, dut, trace, stall: float = 0.0, seed: int = 0, patient: bool = False):
        self.dut = dut
        names = ("op", "addr", "size", "data")
        self.todo = deque(zip(*(map(int, trace[name]) for name in names), strict=True))
        self.wanted: deque[tuple[int, int]] = deque()
        self.loads: list[int] = []
        self.load_errors: list[int] = []
        self.store_errors: list[int] = []
        self.stores = sum(int(op) for op in trace["op"])
        self.stall, self.random = stall, random.Random(seed)
        self.patient, self.stored = patient, 0
        self.cycle = 0
        self.accepted_first: int | None = None
        self.accepted_last: int | None = None
        self.free: int | None = None
        self.offering = False
        addr_bits = len(dut.i__payload) - 37
        self.shifts = (1, 1 + addr_bits, 5 + addr_bits)

    def drive(self) -> None:
        go = self.random.random() >= self.stall and not (self.patient and len(self.store_errors) < self.stored)
        # A request that was offered stays until it is taken.
        self.offering = bool(self.todo) and (self.offering or go)
        if self.offering:
            op, addr, size, value = self.todo[0]
            lane = addr % 4
            addr_at, strobe_at, data_at = self.shifts
            strobe, word = (1 << size) - 1 << lane, value << 8 * lane & 0xFFFFFFFF
            self.dut.i__payload.value = op | addr << addr_at | strobe << strobe_at | word << data_at
        self.dut.i__valid.value = self.offering
        self.dut.o__ready.value = self.random.random() >= self.stall
        self.dut.o_stores__ready.value = self.random.random() >= self.stall

    def sample(self) -> None:
        dut = self.dut
        ready = bool(dut.i__ready.value)
        if self.accepted_last is not None and self.free is None and ready and not self.todo:
            self.free = self.cycle
        if ready and self.offering:
            op, addr, size, _ = self.todo.popleft()
            self.stored += op
            if not op:
                self.wanted.append((addr, size))
            self.accepted_first = self.cycle if self.accepted_first is None else self.accepted_first
            self.accepted_last = self.cycle
            self.offering = False
        if bool(dut.o__valid.value) and bool(dut.o__ready.value):
            addr, size = self.wanted.popleft()
            payload = int(dut.o__payload.value)
            self.loads.append((payload & 0xFFFFFFFF) >> 8 * (addr % 4) & (1 << 8 * size) - 1)
            self.load_errors.append(payload >> 32)
        if bool(dut.o_stores__valid.value) and bool(dut.o_stores__ready.value):
            self.store_errors.append(int(dut.o_stores__payload.value))
        self.cycle += 1

    @property
    def cycles(self) -> int:
        """Cycles from the first lookup to the end of the last access, as the model counts them."""
        assert self.free is not None, "the trace has not ended"
        assert self.accepted_first is not None
        return self.free - self.accepted_first

    @property
    def done(self) -> bool:
        """Every access has been served and every store acknowledged."""
        return self.free is not None and not self.wanted and len(self.store_errors) == self.stores


class Memory:
    """AXI4 memory: answers `latency` cycles after the address, with the last beat of a line or with B.

    A store takes effect when it is answered, as late as AXI allows: a read that overtakes it sees the old content.

    Parameters
    ----------
    mem : array of uint8
        Initial content from address 0; zero beyond.
    stall : float
        Chance, per channel and cycle, of not being ready or not answering yet.
    refuse : container of int
        Lines that are answered with SLVERR; stores there have no effect.
    refuse_stores : int
        So many stores are refused, the first ones, while reads are served.
    """

    def __init__(
        self,
        dut,
        mem,
        line: int,
        latency: int,
        stall: float = 0.0,
        seed: int = 0,
        refuse: Sequence = (),
        refuse_stores: int = 0,
    ):
        self.dut = dut
        self.refuse_stores = refuse_stores
        padded = np.concatenate([mem, np.zeros(-len(mem) % 4, np.uint8)])
        self.words = {i: int(w) for i, w in enumerate(padded.view("<u4")) if w}
        self.line, self.latency, self.refuse = line, latency, set(refuse)
        self.stall, self.random = stall, random.Random(seed)
        self.cycle = 0
        self.addresses: deque[Any] = deque()
        self.data: deque[Any] = deque()
        self.answers: deque[Any] = deque()
        self.beats: deque[Any] = deque()
        self.reads = self.writes = 0

    def drive(self) -> None:
        dut = self.dut
        for channel in ("ar", "aw", "w"):
            getattr(dut, f"axi__{channel}ready").value = self.random.random() >= self.stall
        late = self.random.random() < self.stall
        beat = self.beats[0] if self.beats and self.beats[0][0] <= self.cycle and not late else None
        dut.axi__rvalid.value = beat is not None
        if beat is not None:
            _, dut.axi__rdata.value, dut.axi__rresp.value, dut.axi__rlast.value = beat
        late = self.random.random() < self.stall
        answer = self.answers[0] if self.answers and self.answers[0][0] <= self.cycle and not late else None
        dut.axi__bvalid.value = answer is not None
        if answer is not None:
            dut.axi__bresp.value = answer[1]

    def sample(self) -> None:
        dut = self.dut
        if dut.axi__rvalid.value and dut.axi__rready.value:
            self.beats.popleft()
        if dut.axi__bvalid.value and dut.axi__bready.value:
            _, _, addr, word, lanes = self.answers.popleft()
            self.words[addr // 4] = self.words.get(addr // 4, 0) & ~lanes | word & lanes
        if dut.axi__arvalid.value and dut.axi__arready.value:
            addr, count = int(dut.axi__araddr.value), int(dut.axi__arlen.value) + 1
            assert not self.beats, "one burst at a time"
            assert addr % self.line == 0, f"burst at {addr:#x} is not a line"
            assert (count * 4, int(dut.axi__arsize.value), int(dut.axi__arburst.value)) == (self.line, 2, 1)
            resp = SLVERR if addr // self.line in self.refuse else OKAY
            for k in range(count):
                due = self.cycle + self.latency - (count - 1) + k
                self.beats.append((due, self.words.get(addr // 4 + k, 0), resp, k == count - 1))
            self.reads += 1
        if dut.axi__awvalid.value and dut.axi__awready.value:
            assert (int(dut.axi__awlen.value), int(dut.axi__awsize.value), int(dut.axi__awburst.value)) == (0, 2, 1)
            self.addresses.append(int(dut.axi__awaddr.value))
        if dut.axi__wvalid.value and dut.axi__wready.value:
            assert dut.axi__wlast.value == 1
            self.data.append((int(dut.axi__wdata.value), int(dut.axi__wstrb.value)))
        while self.addresses and self.data:
            self._write(self.addresses.popleft(), *self.data.popleft())
        self.cycle += 1

    def _write(self, addr: int, word: int, strobe: int) -> None:
        refused = self.refuse_stores > 0 or addr // self.line in self.refuse
        self.refuse_stores -= 1
        lanes = 0 if refused else sum(255 << 8 * b for b in range(4) if strobe >> b & 1)
        self.answers.append((self.cycle + self.latency, SLVERR if refused else OKAY, addr, word, lanes))
        self.writes += 1


async def reset(dut) -> None:
    """Two cycles of reset, every input at 0."""
    for name in ("i__valid", "i__payload", "o__ready", "o_stores__ready"):
        getattr(dut, name).value = 0
    dut.rst.value = 1
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def play(dut, parts: Sequence, core: Core, limit: int) -> None:
    """Let `parts` drive and sample once per cycle until the core is done; `limit` cycles are a failure."""
    for _ in range(limit):
        await FallingEdge(dut.clk)
        for part in parts:
            part.drive()
        await ReadOnly()
        for part in parts:
            part.sample()
        if core.done:
            return
    raise AssertionError(f"not done after {limit} cycles: {len(core.todo)} accesses left, {core.wanted} not answered")
