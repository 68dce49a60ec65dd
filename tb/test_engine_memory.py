# SPDX-License-Identifier: Apache-2.0
"""The activation memory against a list of words: three readers and two writers that pause at random."""

import numpy as np
import pytest
from amaranth.hdl import Fragment

from sysmt.hdl.common.promised_queue import PromisedQueue
from sysmt.hdl.engine.memory import CLIENTS, WAITING, ActivationMemory
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.settings import with_settings

from .accel import simulate
from .mutants import one_bug_per_component, seeded_bug


def configuration(fill: int = 2, target: str = "fpga") -> EngineConfig:
    array = ArrayConfig(rows=2, cols=2, pe=PEConfig(target=target))
    return EngineConfig(array=array, fill=fill, lanes=1, x_depth=16, activation_words=24)


class Bench:
    """Every cycle each port does something or pauses; the memory of the model is as the rules of ports say."""

    def __init__(self, config: EngineConfig, seed: int, pause: dict[str, float], stall: dict[str, float]):
        self.config, self.random = config, np.random.default_rng(seed)
        self.pause, self.stall = pause, stall
        self.memory = [0] * config.activation_words
        self.expected: dict[str, list[int]] = {client: [] for client in CLIENTS}
        self.received: dict[str, list[int]] = {client: [] for client in CLIENTS}
        self.written = self.arrived = 0

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def word(self) -> int:
        return int.from_bytes(self.random.bytes(self.config.word_bytes), "little")

    async def run(self, ctx, design: ActivationMemory, cycles: int) -> None:
        words, granules = self.config.activation_words, self.config.granules
        part = 8 * self.config.array.cols
        asked: dict[str, int | None] = dict.fromkeys(CLIENTS)
        host: tuple[int, int] | None = None
        waiting: list[tuple[int, int]] = []
        for _ in range(cycles):
            for client in CLIENTS:
                if asked[client] is None and not self.chance(self.pause.get(client, 0)):
                    asked[client] = int(self.random.integers(words))
                stream = getattr(design, f"i_{client}")
                ctx.set(stream.valid, asked[client] is not None)
                ctx.set(stream.payload, asked[client] or 0)
                ctx.set(getattr(design, f"o_{client}").ready, not self.chance(self.stall.get(client, 0)))
            parts = 0 if self.chance(self.pause.get("write", 0)) else int(self.random.integers(1 << granules))
            address, data = int(self.random.integers(words)), self.word()
            ctx.set(design.write, parts)
            ctx.set(design.write_address, address)
            ctx.set(design.write_data, data)
            if host is None and not self.chance(self.pause.get("host_write", 0)):
                host = int(self.random.integers(words)), self.word()
            ctx.set(design.i_host_write.valid, host is not None)
            if host is not None:
                ctx.set(design.i_host_write.payload, {"address": host[0], "word": host[1]})
            if self.config.stream is not None:
                arrives = len(waiting) < self.config.arriving and not self.chance(self.pause.get("arrives", 0))
                ctx.set(design.arrives, arrives)
                arriving = int(self.random.integers(words)), self.word()
                ctx.set(design.arriving, {"address": arriving[0], "word": arriving[1]})

            taken = [c for c in CLIENTS if asked[c] is not None and ctx.get(getattr(design, f"i_{c}").ready)]
            assert len(taken) <= 1, "one word is read in a cycle"
            for client in taken:
                self.expected[client].append(self.memory[asked[client]])
                asked[client] = None
            for client in CLIENTS:
                stream = getattr(design, f"o_{client}")
                waits = client == WAITING and not self.config.stores_words
                if ctx.get(stream.valid) and (not waits or ctx.get(stream.ready)):
                    self.received[client].append(ctx.get(stream.payload))
            takes = bool(ctx.get(design.i_host_write.ready))
            if self.config.stream is None:
                assert takes == (parts == 0)
            for i in range(granules):
                if parts >> i & 1:
                    mask = ((1 << part) - 1) << i * part
                    self.memory[address] = self.memory[address] & ~mask | data & mask
            if not takes and parts == 0:
                at, arrived = waiting.pop(0)  # The host waits for what has arrived.
                self.memory[at] = arrived
                self.arrived += 1
            if self.config.stream is not None and arrives:
                waiting.append(arriving)
            if takes and host is not None:
                self.memory[host[0]] = host[1]
                self.written += 1
                host = None
            await ctx.tick()


def play(config: EngineConfig, cycles: int = 400, seed: int = 0, pause=None, stall=None) -> Bench:
    bench, design = Bench(config, seed, pause or {}, stall or {}), ActivationMemory(config)

    async def testbench(ctx):
        await bench.run(ctx, design, cycles)

    simulate(design, testbench)
    for client in CLIENTS:
        received = bench.received[client]
        assert received == bench.expected[client][: len(received)], f"words of {client}"
        assert len(bench.expected[client]) - len(received) <= 4
    return bench


@pytest.mark.parametrize("fill", [1, 2, 4])
@pytest.mark.parametrize(("target", "seed"), [("fpga", 0), ("fpga", 1), ("asic", 2)])
def test_words_are_what_was_written(fill, target, seed):
    share = dict.fromkeys((*CLIENTS, "write", "host_write"), 0.5)
    bench = play(configuration(fill, target), seed=seed, pause=share, stall=dict.fromkeys(CLIENTS, 0.4))
    assert all(len(received) > 40 for received in bench.received.values())
    assert bench.written > 40


def test_words_from_an_sdram_go_before_those_of_the_host():
    config = with_settings(configuration(), ["stream.cas=2"])
    share = {"write": 0.6, "host_write": 0.2, "arrives": 0.5}
    bench = play(config, seed=3, pause=dict.fromkeys(CLIENTS, 0.3) | share)
    assert min(bench.written, bench.arrived) > 40


@pytest.mark.parametrize("target", ["asic", "fpga"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_alone_gets_a_word_per_cycle(client, target):
    others = {name: 1 for name in CLIENTS if name != client}
    latency = 2 if client == WAITING and target == "fpga" else 1
    assert len(play(configuration(target=target), 50, pause=others).received[client]) == 50 - latency


def test_the_first_client_wins_and_one_that_stalls_holds_up_nobody():
    bench = play(configuration(), 50)
    assert [len(bench.received[client]) for client in CLIENTS] == [49, 0, 0]
    bench = play(configuration(), 50, pause={"residual": 1}, stall={"filler": 1})
    assert [len(bench.expected[client]) for client in CLIENTS] == [0, 4, 46]


def test_a_queue_may_have_two_places():
    assert Fragment.get(PromisedQueue(8, 2), None)


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("memory.write.eq(self.write[part] | written_whole)", "memory.write.eq(self.write.any() | written_whole)"),
        ("queue.write.eq(reads)", "queue.write.eq(wins)"),
        ("self.i_host_write.ready.eq(~self.write.any())", "self.i_host_write.ready.eq(1)"),
        ("asks.ready.eq(queue.room & ~before)", "asks.ready.eq(~before)"),
        ("asks.ready.eq(queue.room & ~before)", "asks.ready.eq(queue.room)"),
        ("asks.ready.eq(~before), gets.valid.eq(reads)", "asks.ready.eq(~before), gets.valid.eq(wins)"),
    ],
)
def test_seeded_bugs_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.engine.memory", "ActivationMemory", right, wrong), pytest.raises(AssertionError):
        play(configuration(), pause={"write": 0.5, "residual": 0.3}, stall={"filler": 0.5})
