# SPDX-License-Identifier: Apache-2.0
"""Both TCAMs against a list of ternary entries: answers, latency, writes, invalidations, refusals."""

import json
import random
import re

import pytest
from amaranth.sim import Simulator

from sysmt.base.errors import ConfigError
from sysmt.cli.main import main
from sysmt.hdl.nullcache import TCAM, MemoryTCAM
from sysmt.hdl.params.cache import TCAMConfig


def matching(entries: list, key: int) -> int:
    """The match vector that `entries`, (value, mask) or None each, must give."""
    return sum(1 << i for i, e in enumerate(entries) if e is not None and (key ^ e[0]) & ~e[1] == 0)


def simulate(dut, bench) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(("latency", "ports"), [(0, 2), (1, 1), (2, 1)])
def test_every_search_is_answered_after_the_latency(latency, ports):
    config = TCAMConfig(entries=5, width=6, ports=ports, latency=latency)
    dut = TCAM(config)
    rng = random.Random(latency)
    hits = []

    async def bench(ctx):
        entries, expected = [None] * config.entries, []
        for _ in range(600):
            keys = [rng.randrange(64) for _ in range(ports)]
            write = 1 << rng.randrange(config.entries) if rng.random() < 0.3 else 0
            clear = rng.randrange(32) if rng.random() < 0.2 else 0
            value, mask = rng.randrange(64), rng.randrange(64) & rng.randrange(64)
            for port, key in enumerate(keys):
                ctx.set(dut.key[port], key)
            for signal, what in ((dut.write, write), (dut.clear, clear), (dut.value, value), (dut.mask, mask)):
                ctx.set(signal, what)
            expected.append([matching(entries, key) for key in keys])
            if len(expected) > latency:
                for port, match in enumerate(expected[-1 - latency]):
                    assert ctx.get(dut.match[port]) == match
                    assert ctx.get(dut.hit[port]) == (match != 0)
                    assert ctx.get(dut.index[port]) == max(0, (match & -match).bit_length() - 1)
                    hits.append(match)
            entries = [None if clear >> i & 1 else e for i, e in enumerate(entries)]
            entries = [(value, mask) if write >> i & 1 else e for i, e in enumerate(entries)]
            assert ctx.get(dut.valid) == sum(1 << i for i, e in enumerate(expected_valid) if e)
            expected_valid[:] = [e is not None for e in entries]
            await ctx.tick()

    expected_valid = [False] * config.entries
    simulate(dut, bench)
    assert any(m & (m - 1) for m in hits)


@pytest.mark.parametrize(("width", "chunk"), [(8, 3), (6, 4)])
def test_memory_version_agrees_and_searches_while_it_writes(width, chunk):
    """Writes that come while it is not ready are ignored; entries are cleared at any time, that being written too."""
    config = TCAMConfig(entries=6, width=width, chunk=chunk, memory=True)
    dut = MemoryTCAM(config)
    rng = random.Random(width)
    writes, hits, cleared = [], [], []

    async def bench(ctx):
        entries, writing, asked = [None] * config.entries, None, None
        since = 0
        assert ctx.get(dut.ready), "nothing is written after reset"
        for _ in range(1500):
            key = rng.randrange(1 << width)
            ctx.set(dut.key, key)
            ready = ctx.get(dut.ready)
            if writing is not None and ready:
                writes.append(since + 1)
                entries[writing[0]] = writing[1]
                writing = None
            clear = rng.getrandbits(config.entries) & rng.getrandbits(config.entries) if rng.random() < 0.1 else 0
            offered = rng.random() < 0.2
            start = offered and ready
            slot, entry = rng.randrange(config.entries), (rng.randrange(1 << width), rng.randrange(1 << width))
            ctx.set(dut.write, 1 << slot if offered else 0)
            ctx.set(dut.value, entry[0])
            ctx.set(dut.mask, entry[1])
            ctx.set(dut.clear, clear)
            if asked is not None:
                assert ctx.get(dut.match) == asked
                hits.append(asked)
            assert ctx.get(dut.valid) == sum(1 << i for i, e in enumerate(entries) if e is not None)
            since += 1
            entries = [None if clear >> i & 1 else e for i, e in enumerate(entries)]
            if writing is not None and clear >> writing[0] & 1:
                writing = writing[0], None
                cleared.append(writing[0])
            if start:
                entries[slot], writing, since = None, (slot, entry), 0
            asked = matching(entries, key)
            await ctx.tick()

    simulate(dut, bench)
    assert set(writes) == {2**chunk + 2}
    assert any(hits)
    assert len(cleared) > 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"entries": 1}, "entries must be an integer from 2 to 1024, not 1"),
        ({"width": 0}, "width must be an integer from 1 to 128, not 0"),
        ({"ports": 5}, "ports must be an integer from 1 to 4, not 5"),
        ({"latency": 3}, "latency must be one of 0, 1, 2, not 3"),
        ({"chunk": 2}, "chunk must be an integer from 3 to 10, not 2"),
    ],
)
def test_bad_values_are_refused_by_name(fields, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        TCAMConfig(**fields)


def test_memory_version_has_one_port_and_one_cycle():
    with pytest.raises(ConfigError, match=r"^ports and latency of a TCAM in memory must be 1, not ports = 2, "):
        TCAMConfig(ports=2, memory=True)


@pytest.mark.parametrize(
    ("settings", "top_ports", "shared"),
    [
        (["tiny", "--set", "null.entries=4", "--set", "null.replacement=lru"], {"i__payload", "axi__araddr"}, True),
        (["tcam32", "--set", "entries=4", "--set", "width=6"], {"key__0", "match__0", "hit__0", "index__0"}, True),
        (["tcam32_memory", "--set", "entries=4", "--set", "width=6"], {"key", "match", "hit", "index", "ready"}, False),
    ],
)
def test_caches_and_tcams_are_generated_by_name(tmp_path, settings, top_ports, shared):
    assert main(["generate", *settings, "-o", str(tmp_path), "--name", "block"]) == 0
    manifest = json.loads((tmp_path / "block.json").read_text())
    verilog = (tmp_path / "block.v").read_bytes()
    assert top_ports <= {port["name"] for port in manifest["ports"]}
    assert manifest["config"].get("entries", manifest["config"].get("null", {}).get("entries")) == 4
    # All entries of a TCAM in flip-flops are one module.
    assert verilog.count(b"module block__tcam_entry(") == shared
    assert main(["generate", *settings, "-o", str(tmp_path), "--name", "block"]) == 0
    assert (tmp_path / "block.v").read_bytes() == verilog
