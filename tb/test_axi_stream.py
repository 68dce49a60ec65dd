# SPDX-License-Identifier: Apache-2.0
"""`--ports axis`: arrays, caches and TCAMs between sources and sinks that are not ours, exact under any pauses."""

from random import Random

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data
from amaranth.sim import Simulator

import sysmt
from sysmt.hdl.array.axi_stream import AXIStreamArray
from sysmt.hdl.array.ports import TileDescriptor
from sysmt.hdl.bus.axi_stream import from_bytes, to_bytes
from sysmt.hdl.nullcache.axi_stream import AXIStreamTCAM
from sysmt.hdl.nullcache.designs import read_counters
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig, TCAMConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH, array_counters
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.cosim.rtl import product_tiles

from .axi_streams import LIMIT, planned, played, simulated
from .mutants import seeded_bug

ARRAY = preset("os2", ArrayConfig, rows=3)
TCAM = TCAMConfig(entries=5, width=6, ports=2)
CACHE = CacheConfig(
    size=64, ways=1, line=8, addr_width=10, write_buffer=2, memory_cycles=10, null=NullCacheConfig(entries=4)
)


class Product:
    """Products on an array: tiles, steps and rows, by the names and layouts of the manifest."""

    def __init__(self, config: ArrayConfig, seed: int, shapes=((5, 9, 3), (3, 4, 2)), **more: int):
        self.config, self.plan = config, planned(config, f"array{seed}")
        self.expected: list[np.ndarray] = []
        random = np.random.default_rng(seed)
        descriptor = TileDescriptor(config)
        for m, k, n in shapes:
            x, w = random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)
            for threads in config.pe.throttles:
                sums = sysmt.matmul(x, w, config=config, threads=threads).sums
                for tile, order, tile_x, tile_w, _ in product_tiles(x, w, config, threads):
                    view = descriptor.from_bits(order)
                    self.plan.send("s_axis_tile", {name: int(view[name]) for name, _ in descriptor} | more)
                    self.plan.send("s_axis_x", *tile_x.tolist())
                    weights = [{"w": step, "tap": 0} for step in tile_w.tolist()] if config.fuse else tile_w.tolist()
                    self.plan.send("s_axis_w", *weights)
                    part = np.zeros((config.rows, config.cols), np.int64)
                    part[: tile.rows, : tile.cols] = sums[tile.m : tile.m + tile.rows, tile.n : tile.n + tile.cols]
                    self.expected.append(part[: tile.rows, : tile.cols])
        self.plan.expected["m_axis_sums"] = len(self.expected)

    def check(self, found: dict) -> None:
        frames = [self.plan.beats("m_axis_sums", frame) for frame in found["frames"]["m_axis_sums"]]
        assert len(frames) == len(self.expected)
        for frame, part in zip(frames, self.expected, strict=True):
            assert len(frame) == self.config.rows, "tlast is on the last row of a tile, and only there"
            np.testing.assert_array_equal(np.array(frame)[: part.shape[0], : part.shape[1]], part)
        assert [found["ports"][name] for name in ("refused", *EVENTS)] == [0, 0, 0]
        if self.config.counters:
            steps = array_counters(self.config.pe).index("steps")
            counted = found["ports"]["counters"] >> steps * COUNTER_WIDTH & (1 << COUNTER_WIDTH) - 1
            assert counted == len(found["cycles"]["s_axis_x"]) == len(found["cycles"]["s_axis_w"])


EVENTS = ("event_tlast_missing", "event_tlast_unexpected")


class Searches:
    """Keys on every port of a TCAM while entries are written and cleared."""

    def __init__(self, config: TCAMConfig, seed: int, count: int = 120):
        self.config, self.plan = config, planned(config, f"tcam{seed}")
        random, width = Random(seed), config.width
        self.writes = [
            {
                "value": random.getrandbits(width),
                "mask": random.getrandbits(width) & random.getrandbits(width),
                "clear": random.getrandbits(config.entries) if random.random() < 0.2 else 0,
                "entry": random.randrange(config.entries),
                "write": int(random.random() < 0.8),
            }
            for _ in range(count // 3)
        ]
        # Wide keys would meet nothing by chance.
        near = [random.getrandbits(width), *(write["value"] for write in self.writes)]
        for write in self.writes:
            self.plan.send("s_axis_write", write)
        self.ports = [name.removeprefix("s_axis_key") for name in self.plan.streams if name.startswith("s_axis_key")]
        self.keys = {port: random.choices(near, k=count) for port in self.ports}
        for port, keys in self.keys.items():
            for key in keys:
                self.plan.send(f"s_axis_key{port}", {"key": key})
            self.plan.expected[f"m_axis_match{port}"] = count

    def check(self, found: dict) -> None:
        """What each key meets follows from the cycles in which it and the writes were taken."""
        for port, keys in self.keys.items():
            cycles = found["cycles"]
            history = self._entries(cycles["s_axis_write"])
            for key, at, frame in zip(
                keys, cycles[f"s_axis_key{port}"], found["frames"][f"m_axis_match{port}"], strict=True
            ):
                entries = history(at)
                match = sum(1 << i for i, e in enumerate(entries) if e is not None and (key ^ e[0]) & ~e[1] == 0)
                index = max(0, (match & -match).bit_length() - 1)
                assert self.plan.beats(f"m_axis_match{port}", frame) == [
                    {"match": match, "index": index, "hit": int(match != 0)}
                ]
        assert found["ports"]["refused"] == 0
        used = self._entries(found["cycles"]["s_axis_write"])(LIMIT * 2)
        assert found["ports"]["valid"] == sum(1 << i for i, entry in enumerate(used) if entry is not None)

    def _entries(self, taken: list[int]):
        """What the TCAM answers with to a key that is taken in a cycle."""
        assert len(taken) == len(self.writes)
        late = 2**self.config.chunk + 2 if self.config.memory else 1

        def at(cycle: int) -> list:
            entries: list = [None] * self.config.entries
            for write, when in zip(self.writes, taken, strict=True):
                if when > cycle - (not self.config.memory):
                    break
                for i in range(self.config.entries):
                    if write["write"] and i == write["entry"]:
                        entries[i] = (write["value"], write["mask"]) if cycle >= when + late else None
                    elif write["clear"] >> i & 1:
                        entries[i] = None
            return entries

        return at


class Accesses:
    """Loads and stores of bytes and words through a cache."""

    def __init__(self, config: CacheConfig, seed: int, count: int = 150):
        self.config, self.plan, self.loads = config, planned(config, f"cache{seed}"), []
        random = np.random.default_rng(seed)
        memory = random.integers(0, 256, 1 << config.addr_width, np.uint8) * (
            random.random(1 << config.addr_width) < 0.1
        )
        self.plan.memory = memory.tobytes()
        for _ in range(count):
            address = int(random.integers(64)) * 4 + int(random.integers(4))
            write, strobe = int(random.random() < 0.4), int(random.integers(16))
            word = bytes(random.integers(0, 256, 4, np.uint8).tolist()) if random.random() < 0.3 else bytes(4)
            beat = {"write": write, "addr": address, "strobe": strobe, "data": int.from_bytes(word, "little")}
            self.plan.send("s_axis_request", beat)
            first = address & ~3
            if write:
                for lane in range(4):
                    if strobe >> lane & 1:
                        memory[first + lane] = word[lane]
            else:
                self.loads.append(int.from_bytes(memory[first : first + 4].tobytes(), "little"))
        self.plan.expected = {"m_axis_response": len(self.loads), "m_axis_stored": count - len(self.loads)}

    def check(self, found: dict) -> None:
        got = {name: [self.plan.beats(name, frame) for frame in frames] for name, frames in found["frames"].items()}
        assert got["m_axis_response"] == [[{"data": word, "error": 0}] for word in self.loads]
        assert got["m_axis_stored"] == [[{"error": 0}]] * self.plan.expected["m_axis_stored"]
        assert found["ports"]["refused"] == 0
        counters = read_counters(self.config, found["ports"]["counters"])
        assert counters["accesses"] == sum(self.plan.expected.values())
        assert min(counters[name] for name in ("hits", "misses")) > 0


def exact(jobs: dict, share: float) -> dict:
    found = played({name: job.plan for name, job in jobs.items()}, share)
    for name, job in jobs.items():
        job.check(found[name])
    return found


def consecutive(cycles: list[int]) -> bool:
    return cycles == list(range(cycles[0], cycles[0] + len(cycles)))


def test_a_beat_a_cycle_and_exact_under_any_pauses():
    """Side by side in one chip, with a beat that is refused in three more."""
    jobs = {"array": Product(ARRAY, 1), "tcam": Searches(TCAM, 2, 60), "cache": Accesses(CACHE, 3, 60)}
    free = exact(jobs, 0.0)
    assert all(consecutive(free["tcam"]["cycles"][f"{end}{p}"]) for end in ("s_axis_key", "m_axis_match") for p in "01")
    # Two steps are taken before the first tile is there. Those of the first product are longer than the array is high.
    assert consecutive(free["array"]["cycles"]["s_axis_x"][2:36])
    exact(jobs, 0.5)


def test_what_is_no_beat_stops_its_stream_and_tlast_elsewhere_is_told():
    """Bits beside a field, an entry that is none; and tlast on the wrong step, which changes no sum."""
    product = Product(ARRAY, 1)
    whole = product.plan.frames["s_axis_x"][0]
    product.plan.frames["s_axis_x"][0:1] = [whole[:3], whole[3:]]
    joined = product.plan.frames["s_axis_w"][0:2]
    product.plan.frames["s_axis_w"][0:2] = [b"".join(joined)]
    searches, accesses = Searches(TCAM, 2, count=9), Accesses(CACHE, 3, count=5)
    searches.plan.frames["s_axis_write"][1] = searches.plan.frames["s_axis_write"][1][:-2] + bytes([5, 1])
    searches.plan.frames["s_axis_key1"][4] = bytes([0x40])
    accesses.plan.frames["s_axis_request"][2] = bytes([0, 0, 4]) + accesses.plan.frames["s_axis_request"][2][3:]
    plans = {"array": product.plan, "tcam": searches.plan, "cache": accesses.plan}
    plans["cache"].expected = dict.fromkeys(plans["cache"].expected, 0)
    plans["tcam"].expected["m_axis_match1"] = 4
    found = played(plans, 0.0)
    assert [found["array"]["ports"][name] for name in ("refused", *EVENTS)] == [0, 1, 1]
    assert found["tcam"]["ports"]["refused"] == found["cache"]["ports"]["refused"] == 1
    assert len(found["tcam"]["cycles"]["s_axis_write"]) == 2
    assert len(found["tcam"]["frames"]["m_axis_match1"]) == 4
    answers = found["cache"]["frames"]
    assert len(answers["m_axis_response"]) + len(answers["m_axis_stored"]) == 2
    sums = found["array"]["frames"]["m_axis_sums"]
    for frame, part in zip(sums, product.expected, strict=True):
        got = np.array(product.plan.beats("m_axis_sums", frame))
        np.testing.assert_array_equal(got[: part.shape[0], : part.shape[1]], part)


def test_the_array_refuses_a_tile_without_a_step_and_its_port_one_with_a_bit_too_many():
    for job, damaged in ((Product(ARRAY, 1, ((2, 3, 2),), steps=0), 0), (Product(ARRAY, 1, ((2, 3, 2),)), 0x80)):
        tile = job.plan.frames["s_axis_tile"][0]
        job.plan.frames["s_axis_tile"][0] = tile[:4] + bytes([tile[4] | damaged]) + tile[5:]
        job.plan.expected["m_axis_sums"] = 0
        assert simulated(AXIStreamArray(ARRAY), job.plan, 0.0)["ports"]["refused"] == 1


def test_fields_are_extended_to_bytes_and_what_is_not_is_no_beat():
    """Every beat of a signed and of an unsigned field that take a part of their bytes."""
    layout = data.StructLayout({"signed": signed(3), "other": 4})
    m, beat, tdata = Module(), Signal(layout), Signal(16)
    there, back, stray = Signal(16), Signal(7), Signal()
    m.d.comb += [there.eq(to_bytes(Value.cast(beat), layout)), Cat(back, stray).eq(Cat(*from_bytes(tdata, layout)))]

    async def bench(ctx):
        for low in range(256):
            for high in (0, 9, 15, 16, 128):
                ctx.set(tdata, low | high << 8)
                fits = (low ^ 0x80) - 0x80 in range(-4, 4) and high < 16
                assert ctx.get(stray) == (not fits)
                if fits:
                    ctx.set(Value.cast(beat), ctx.get(back))
                    assert ctx.get(there) == low | high << 8

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


def product(share: float) -> None:
    job = Product(ARRAY, 1)
    job.check(simulated(AXIStreamArray(ARRAY), job.plan, share))


def searches(share: float) -> None:
    job = Searches(TCAM, 2, count=60)
    job.check(simulated(AXIStreamTCAM(TCAM), job.plan, share))


@pytest.mark.regress
@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("scenario", [product, searches])
def test_components_are_exact_by_themselves(scenario, share):
    scenario(share)


@pytest.mark.regress
@pytest.mark.parametrize(
    ("module", "component", "right", "wrong", "scenario"),
    [
        ("array.axi_stream", "AXIStreamArray", "waits.eq(waits | taken)", "waits.eq(waits)", product),
        ("array.axi_stream", "AXIStreamArray", "left.eq(left - 1)", "left.eq(left - 2)", product),
        ("bus.axi_stream_ports", "AXIStreamPorts", "source.ready.eq(queue.i.ready)", "source.ready.eq(1)", product),
        ("nullcache.axi_stream", "AXIStreamTCAM", "queue.promise.eq(taken)", "queue.promise.eq(0)", searches),
        ("nullcache.axi_stream", "AXIStreamTCAM", "range(latency)", "range(latency - 1)", searches),
        ("nullcache.axi_stream", "AXIStreamTCAM", "taken & fields.clear[i]", "fields.clear[i]", searches),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong, scenario):
    with seeded_bug(f"sysmt.hdl.{module}", component, right, wrong), pytest.raises((AssertionError, ValueError)):
        scenario(0.5)


FAMILIES = (
    "os2 rows=1 cols=3",
    "os2 target=fpga pipeline=3 dsp=true",
    "sysmt2_2 drain=in_place acc_width=20",
    "sysmt2_2 fuse=true counters=false",
    "sysmt4_2 rows=5",
    "sparq_8 rows=2 cols=2",
    "sparq2_8 rows=2 cols=3 target=fpga",
)
TCAMS = ("tcam32", "tcam32 entries=2 width=128 latency=0", "tcam32 ports=4 entries=9 latency=1")
CACHES = ("tiny", "tiny null=off addr_width=16", "tiny null.replacement=lru line=4")


def configured(text: str):
    name, *settings = text.split()
    return with_settings(preset(name), settings)


@pytest.mark.regress
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_every_family_is_exact_under_any_pauses(share):
    jobs = {f"array{i}": Product(configured(text), i) for i, text in enumerate(FAMILIES)}
    jobs |= {f"tcam{i}": Searches(configured(text), 20 + i) for i, text in enumerate(TCAMS)}
    jobs |= {"tcam_memory": Searches(configured("tcam32_memory entries=6 width=8 chunk=3"), 30)}
    caches = [configured(f"{text} addr_width=12") for text in CACHES]
    jobs |= {f"cache{i}": Accesses(config, 40 + i) for i, config in enumerate(caches)}
    exact(jobs, share)
