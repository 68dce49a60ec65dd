# SPDX-License-Identifier: Apache-2.0
"""Weights read ahead from an SDRAM: every chunk is whole while it is in use, and ready when the model says."""

import json
import re
from functools import lru_cache

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator

from sysmt.base.errors import ConfigError
from sysmt.hdl.emit import Design, emit
from sysmt.hdl.memory.stream import WeightStream
from sysmt.hdl.memory.streamed import StreamedWeights
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.sdram import SdramChip, SdramConfig
from sysmt.hdl.params.stream import CHUNK, WeightStreamConfig
from sysmt.sim.cosim import simulator
from sysmt.sim.cost.weight_stream import WeightStreamModel

from .mutants import one_bug_per_component, seeded_bug

CHIP = SdramChip(name="small", row_bits=6, column_bits=4, refresh_ms=0.2, init_us=1, t_ck2=5, t_ck3=5)
CONFIGS = {
    "16 bytes": WeightStreamConfig(sdram=SdramConfig(chip=CHIP), weight_words=64, chunks=8),
    "6 bytes of x32": WeightStreamConfig(
        sdram=SdramConfig(chip=CHIP.with_fields(width=32), clock_hz=100e6, cas=3), weight_bytes=6, weight_words=64
    ),
    "1 byte": WeightStreamConfig(sdram=SdramConfig(chip=CHIP), weight_bytes=1, weight_words=100, chunks=4),
}
LISTS = {
    # (first, length, alone) of each chunk; halves of the weight memory in turn.
    "even": [(0, 32, False), (32, 20, False), (0, 7, False), (32, 32, False)],
    "odd": [(0, 16, True), (32, 32, False), (0, 32, False)],
    "single": [(3, 40, True)],
    "empty ones": [(0, 0, False), (0, 12, False), (0, 0, False), (40, 5, False)],
}


@lru_cache
def design(config: WeightStreamConfig) -> Design:
    return emit(StreamedWeights(config), "streamed", {})


def run(config, chunks, uses, pauses, bug=None, by_host=False, broken=None):
    """The weights of each chunk, the entries, and what the bench found."""
    rng = np.random.default_rng(len(chunks))
    number, bits = config.words_per_word(), config.sdram.chip.width
    weights, entries, host, address = [], [], [], 1
    for i, (first, length, alone) in enumerate(chunks):
        content = [int.from_bytes(rng.bytes(config.weight_bytes), "little") for _ in range(length)]
        weights.append((address, content))
        last = i == len(chunks) - 1
        entries.append(config.chunk(address=address, first=first, length=length, alone=alone, last=last))
        for word in content:
            host += [(address + j, word >> bits * j & (1 << bits) - 1) for j in range(number)]
            address += number
        address += 3
    vectors = {
        "config": np.array(json.dumps(config.as_dict())),
        "host": np.array(host if by_host else [], np.int64).reshape(-1, 2),
        "there": np.array([] if by_host else host, np.int64).reshape(-1, 2),
        "entries": np.array([str(entry) for entry in (broken or entries)]),
        "places": np.array([(first, length) for first, length, _ in chunks]),
        "uses": np.array(uses),
        "pauses": np.array(pauses),
        "limit": np.array(100_000),
    }
    return weights, simulator.run(bug or design(config), "tb.tb_sdram", vectors, testcase="chunks")


@pytest.mark.parametrize("pauses", [[0], [0, 5, 50, 700]], ids=str)
@pytest.mark.parametrize("chunks", LISTS)
@pytest.mark.parametrize("name", CONFIGS)
def test_chunks_are_whole_and_ready_when_the_model_says(name, chunks, pauses):
    config, uses = CONFIGS[name], 11
    weights, found = run(config, LISTS[chunks], uses, pauses)
    used = [weights[i % len(weights)] for i in range(uses)]
    assert [int(word) for word in found["seen"].tolist()] == [word for _, content in used for word in content]
    assert not found["error"]
    model = WeightStreamModel(config, int(found["enabled"]))
    for i, (ready, freed) in enumerate(zip(found["ready"].tolist(), found["freed"].tolist(), strict=True)):
        address, content = used[i]
        came = model.load(address, len(content) * config.words_per_word(), LISTS[chunks][i % len(weights)][2])
        assert ready == max(came, int(found["freed"][i - 1]) + 2 if i else 0)
        model.freed(freed)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_host_fills_the_sdram(name):
    weights, found = run(CONFIGS[name], LISTS["even"], 4, [0], by_host=True)
    assert [int(word) for word in found["seen"].tolist()] == [word for _, content in weights for word in content]


def test_entries_beyond_a_memory_are_reported_and_write_nothing_elsewhere():
    config = CONFIGS["16 bytes"]
    chunks = LISTS["even"][:1]
    beyond = {"address": 1 << 12, "words": 8, "first": 0, "alone": 1, "last": 1, "memory": Memory.WEIGHTS, "more": 0}
    changes = [{"address": 0, "first": 64}, {"address": 0, "words": 9}, {"address": 0, "words": 1 << 20}]
    changes += [{"address": 0, "memory": memory} for memory in Memory if memory != Memory.WEIGHTS]
    for change in ({}, *changes):
        _, found = run(config, chunks, 1, [200], broken=[CHUNK.to_int(beyond | change)])
        assert found["error"]
        assert found["held"] == (1 if change == {"address": 0, "words": 9} else 0)


def test_a_chunk_may_be_all_of_the_sdram_and_no_more():
    """What a memory holds that is as large; the burst that is asked for tells."""
    config = CONFIGS["1 byte"]
    unit, all_words = WeightStream(config), 1 << CHIP.address_bits
    asked = []

    async def bench(ctx):
        for words in (all_words, all_words + 1):
            entry = {"words": words, "alone": 1, "last": 1, "memory": Memory.WEIGHTS}
            ctx.set(Value.cast(unit.entry), CHUNK.to_int(dict.fromkeys(("address", "first", "more"), 0) | entry))
            ctx.set(unit.enable, 1)
            await ctx.tick().repeat(3)
            asked.append((ctx.get(unit.o_burst.valid), ctx.get(unit.o_burst.payload.length), ctx.get(unit.error)))
            ctx.set(unit.o_burst.ready, 1)
            ctx.set(unit.enable, 0)
            ctx.set(unit.i_words.valid, 1)
            await ctx.tick().until(unit.stopped)
            ctx.set(unit.o_burst.ready, 0)
            ctx.set(unit.i_words.valid, 0)

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert [(valid, error) for valid, _, error in asked] == [(1, 0), (0, 1)]
    assert asked[0][1] == all_words


def test_words_behind_the_last_place_of_an_entry_are_dropped():
    """They do not begin at word 0 again."""
    unit, written = WeightStream(CONFIGS["1 byte"]), []

    async def bench(ctx):
        entry = {"address": 0, "words": 4, "first": (1 << 24) - 2, "alone": 1, "last": 1, "memory": Memory.WEIGHTS}
        ctx.set(Value.cast(unit.entry), CHUNK.to_int({"more": 0, **entry}))
        ctx.set(unit.enable, 1)
        ctx.set(unit.o_burst.ready, 1)
        await ctx.tick().until(unit.o_burst.valid)
        ctx.set(unit.i_words.valid, 1)
        for _ in range(5):
            written.append(ctx.get(unit.write))
            await ctx.tick()
        assert ctx.get(unit.error)

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert written == [0] * 5


def test_a_chunk_waits_for_those_that_are_freed_before_it():
    model = WeightStreamModel(CONFIGS["16 bytes"])
    model.load(0, 4)
    model.load(32, 4)
    with pytest.raises(ValueError, match=r"^chunk 2 waits for 1 chunks to be freed, not 0$"):
        model.load(64, 4)


@one_bug_per_component(
    ("right", "wrong", "pause"),
    [
        ("(held != AHEAD) & ~chunk.alone", "(held != AHEAD)", 900),
        ("loaded.eq(ends & live & ~chunk.more)", "loaded.eq(self.i_words.valid & (chunk.words == 2))", 0),
        ("with m.If(chunk.last)", "with m.If(0)", 0),
        ("(state == StreamState.WAIT) & room &", "(state == StreamState.WAIT) &", 900),
        ("count == number - 1", "count == number - 2", 0),
    ],
)
def test_seeded_bugs_are_found(right, wrong, pause):
    """Of too early a load the pause gives time to see the damage; of too early a `ready` there is no time."""
    config, chunks = CONFIGS["16 bytes"], LISTS["odd"]
    with seeded_bug("sysmt.hdl.memory.stream", "WeightStream", right, wrong):
        broken = emit(StreamedWeights(config), "streamed", {})
    try:
        weights, found = run(config, chunks, 5, [pause], broken)
    except simulator.SimulationError:
        return
    used = [word for i in range(5) for word in weights[i % len(weights)][1]]
    assert found["seen"].tolist() != [str(word) for word in used]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightStreamConfig(sdram=1), "sdram must be an SdramConfig, not 1"),
        (lambda: WeightStreamConfig(chunks=0), "chunks must be an integer from 1 to 4096, not 0"),
        (
            lambda: WeightStreamConfig().chunk(address=0, first=4000, length=97),
            "first must be an integer from 0 to 3999, not 4000",
        ),
        (
            lambda: WeightStreamConfig().chunk(address=1 << 24, first=0, length=1),
            "address must be an integer from 0 to 16777208, not 16777216",
        ),
        (
            lambda: WeightStreamConfig().chunk(address=0, first=0, length=5000),
            "length must be an integer from 0 to 4096, not 5000",
        ),
    ],
)
def test_what_is_not_there_is_refused(make, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make()
