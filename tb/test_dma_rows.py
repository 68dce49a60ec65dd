# SPDX-License-Identifier: Apache-2.0
"""The sender of an accelerator's results by itself: which bytes it writes, in which bursts, and when it may not."""

import numpy as np
import pytest

from sysmt.hdl.accel.ports import Channel
from sysmt.hdl.dma.rows import RowSender
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.command_list import ListOpcode, packed_command
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.requantize import Requantize

from .accel import simulate, small
from .bus_ends import Source

LIMIT = 4000
ROWS = 2
NO_SCALE = dict.fromkeys(("requantize", "double", "channel", "zero_point", "low", "high"), 0)
"""Of a READ of sums."""


def config_of(cols: int, data_width: int, acc_width: int = 32, **changes):
    pe = PEConfig(threads=2, target="fpga", acc_width=acc_width)
    array = ArrayConfig(rows=ROWS, cols=cols, counters=False, pe=pe)
    sizes = {"link": "axi", "requantize": False, "result_rows": 16} | changes
    return small(array=array, data_width=data_width, **sizes)


class Memories:
    """The result memory and the requantiser's table, which answer late, and the bus, which takes bursts and beats."""

    def __init__(self, config, pause: float, seed: int = 0):
        self.config, self.unit = config, RowSender(config)
        self.random, self.pause = np.random.default_rng(seed), pause
        width = config.array.pe.acc_width
        self.sums = self.random.integers(-1 << width - 1, 1 << width - 1, (2 * config.result_rows, config.array.cols))
        self.table: list[dict[str, int]] = []
        self.answers = {"row": [], "channel": []}
        self.bursts: list[tuple[int, int]] = []
        self.written: dict[int, int] = {}
        self.left: list[int] = []
        self.busy = self.overflows = 0
        """Cycles until the bus has written what it took."""

    def row(self, number: int) -> int:
        width = self.config.array.pe.acc_width
        return sum((int(value) & (1 << width) - 1) << width * i for i, value in enumerate(self.sums[number]))

    def drive(self, ctx) -> None:
        unit = self.unit
        ctx.set(unit.o_row.ready, self.random.random() >= self.pause)
        for name, stream in (("row", unit.i_row), *([("channel", unit.i_channel)] if self.table else [])):
            waits = self.answers[name]
            ctx.set(stream.valid, bool(waits) and (ctx.get(stream.valid) or self.random.random() >= self.pause))
            if waits:
                ctx.set(stream.payload, waits[0])
        if self.table:
            ctx.set(unit.o_channel.ready, self.random.random() >= self.pause)
        ctx.set(unit.o_request.ready, not self.left and self.random.random() >= self.pause)
        ctx.set(unit.o_beats.ready, bool(self.left) and self.random.random() >= self.pause)
        ctx.set(unit.written, not self.left and self.busy == 0)

    def sample(self, ctx) -> None:
        unit, size = self.unit, self.config.data_width // 8
        self.overflows += ctx.get(unit.overflow) if self.table else 0
        self.busy = max(0, self.busy - 1)
        for name, stream in (("row", unit.i_row), *([("channel", unit.i_channel)] if self.table else [])):
            if ctx.get(stream.valid) and ctx.get(stream.ready):
                self.answers[name].pop(0)
        if ctx.get(unit.o_row.valid) and ctx.get(unit.o_row.ready):
            self.answers["row"].append(self.row(ctx.get(unit.o_row.payload)))
        if self.table and ctx.get(unit.o_channel.valid) and ctx.get(unit.o_channel.ready):
            self.answers["channel"].append(Channel.const(self.table[ctx.get(unit.o_channel.payload)]).as_bits())
        if ctx.get(unit.o_request.valid) and ctx.get(unit.o_request.ready):
            burst = ctx.get(unit.o_request.payload)
            self.bursts.append((burst.address, burst.beats))
            self.left = [burst.address + i * size for i in range(burst.beats)]
        elif ctx.get(unit.o_beats.valid) and ctx.get(unit.o_beats.ready):
            address, beat = self.left.pop(0), ctx.get(unit.o_beats.payload)
            for lane in range(size):
                if beat.strb >> lane & 1:
                    assert address + lane not in self.written, "a byte is written twice"
                    self.written[address + lane] = beat.data >> 8 * lane & 0xFF
            self.busy = 5

    def advance(self, ctx) -> None:
        pass


def sent(memories: Memories, orders: list[dict[str, int]], available: int, finished: int = 0) -> tuple[int, int]:
    """Do READs, as `Order`s; returns how many were completed and how many of them refused."""
    unit, counts = memories.unit, [0, 0]

    async def testbench(ctx):
        source = Source(unit.i, orders, memories.random, memories.pause)
        ctx.set(unit.available, available)
        ctx.set(unit.finished, finished)
        for _ in range(LIMIT):
            for part in (memories, source):
                part.drive(ctx)
            for part in (memories, source):
                part.sample(ctx)
            counts[0] += ctx.get(unit.completed)
            counts[1] += ctx.get(unit.refused)
            if ctx.get(unit.completed):
                assert not memories.left, "completed before all is taken"
                assert memories.busy == 0, "completed before all is written"
                assert ctx.get(unit.number) == orders[counts[0] - 1]["number"]
            await ctx.tick()
            source.advance(ctx)
            if not source.left and ctx.get(unit.idle):
                return
        raise AssertionError("it does not end")

    simulate(unit, testbench)
    return counts[0], counts[1]


def order(config, number: int = 0, run: int = 0, **arguments: int) -> dict[str, int]:
    text = packed_command(config, ListOpcode.READ, **(NO_SCALE | arguments))
    return {"command": int.from_bytes(text, "little"), "number": number, "run": run}


def expected(config, memories: Memories, values: np.ndarray, arguments: dict[str, int], size: int):
    """Bytes by address, and bursts, of a READ whose outputs have `size` bytes and are `values` of the memory's rows."""
    step, cols = config.data_width // 8, config.array.cols
    written, bursts = {}, []
    m_tiles, n_tiles = arguments["m_tiles"], arguments["n_tiles"]
    for m in range(m_tiles):
        for n in range(n_tiles):
            rows = arguments["rows"] if m == m_tiles - 1 else ROWS
            here = arguments["cols"] if n == n_tiles - 1 else cols
            for r in range(rows):
                at = arguments["address"] + (m * ROWS + r) * arguments["pitch"] + n * cols * size
                row = values[(m * n_tiles + n) * ROWS + r, :here]
                text = b"".join(int(value).to_bytes(size, "little", signed=True) for value in row)
                written |= {at + i: byte for i, byte in enumerate(text)}
                bursts.append((at - at % step, -(-len(text) // step)))
    return written, bursts


SUMS = [
    (4, 64, {"address": 0xFFFFFE00, "pitch": 0x40, "m_tiles": 2, "n_tiles": 3, "rows": 1, "cols": 3}),
    (4, 32, {"address": 0x7FFFFFC0, "pitch": 0x40, "m_tiles": 3, "n_tiles": 2, "rows": 2, "cols": 1}),
    (4, 128, {"address": 0x80000000, "pitch": 0x30, "m_tiles": 1, "n_tiles": 3, "rows": 1, "cols": 4}),
    (2, 128, {"address": 0x7FFFFFF0, "pitch": 0x20, "m_tiles": 2, "n_tiles": 3, "rows": 2, "cols": 1}),
    (1, 128, {"address": 0xAAAAAA00, "pitch": 0x20, "m_tiles": 2, "n_tiles": 4, "rows": 1, "cols": 1}),
    (1, 64, {"address": 0x55555500, "pitch": 0x10, "m_tiles": 4, "n_tiles": 2, "rows": 2, "cols": 1}),
]
"""Columns of the array, bits of a beat, and a READ: rows of some beats, of one, and of a half and a quarter of one."""


@pytest.mark.parametrize(("acc_width", "pause"), [(32, 0.0), (32, 0.5), (20, 0.2)])
@pytest.mark.parametrize(("cols", "data_width", "arguments"), SUMS)
def test_sums_go_where_they_belong_in_whatever_bus(cols, data_width, arguments, acc_width, pause):
    """Up to the highest address, and of the second half of the memory, too; narrower sums with their sign."""
    config = config_of(cols, data_width, acc_width)
    memories = Memories(config, pause)
    for run in (0, 1):
        memories.bursts.clear()
        memories.written.clear()
        values = memories.sums[run * config.result_rows :]
        written, bursts = expected(config, memories, values, arguments, 4)
        assert sent(memories, [order(config, run=run, **arguments)], config.result_rows, finished=run) == (1, 0)
        assert (memories.bursts, memories.written) == (bursts, written)


SCALED = [
    (4, 32, 8, {"address": 0x7FFFFFC0, "pitch": 0x40, "m_tiles": 2, "n_tiles": 2, "rows": 1, "cols": 3}, "double"),
    (2, 64, 16, {"address": 0xFFFFFF00, "pitch": 0x10, "m_tiles": 2, "n_tiles": 3, "rows": 2, "cols": 1}, "single"),
    (8, 32, 16, {"address": 0x80000000, "pitch": 0x20, "m_tiles": 1, "n_tiles": 2, "rows": 2, "cols": 5}, "double"),
    (1, 128, 4, {"address": 0x55555500, "pitch": 0x10, "m_tiles": 2, "n_tiles": 3, "rows": 1, "cols": 1}, "single"),
]


@pytest.mark.parametrize(("cols", "data_width", "channels", "arguments", "variant"), SCALED)
def test_requantised_rows_go_where_they_belong(cols, data_width, channels, arguments, variant):
    """Each column by the entry of the table that follows the first one's, in every row of tiles."""
    config = config_of(cols, data_width, requantize=True, channels=channels)
    memories, random = Memories(config, 0.3), np.random.default_rng(4)
    first, count = 1, arguments["n_tiles"] * cols
    entries = {
        "bias": random.integers(-(1 << 16), 1 << 16, 2 * channels),
        "multiplier": random.integers(1 << 30, 1 << 31, 2 * channels),
        "shift": random.integers(-12, -4, 2 * channels),
    }
    memories.table = [{n: int(values[i]) for n, values in entries.items()} for i in range(2 * channels)]
    memories.sums //= 1 << config.array.pe.acc_width - 18
    clip = {"zero_point": -7, "low": -100, "high": 111}
    run, values = 1, memories.sums[config.result_rows :]
    scaled = np.zeros_like(values)
    for tile in range(len(values) // ROWS):
        places = run * channels + (first + tile % arguments["n_tiles"] * cols + np.arange(cols)) % channels
        unit = Requantize(**{n: values[places] for n, values in entries.items()}, **clip, variant=variant)
        scaled[tile * ROWS :][:ROWS] = unit(values[tile * ROWS :][:ROWS])
    written, bursts = expected(config, memories, scaled, arguments, 1)
    scale = {"requantize": 1, "double": variant == "double", "channel": first} | clip
    read = order(config, run=run, **arguments, **scale)
    assert sent(memories, [read], config.result_rows, finished=run) == (1, 0)
    assert (memories.bursts, memories.written) == (bursts, written)
    assert len(set(memories.written.values())) > count // 2
    assert memories.overflows == 0


TILES = {"m_tiles": 2, "n_tiles": 2, "rows": 2, "cols": 4}


@pytest.mark.parametrize(
    ("available", "changes", "rows"),
    [
        (7, {}, 7),
        (4, {"m_tiles": 0x8001}, 4),
        (4, {"m_tiles": 0xFFFF}, 4),
        (4, {"m_tiles": 1, "n_tiles": 0x8001}, 4),
        (4, {"m_tiles": 1, "n_tiles": 0xFFFF}, 4),
        (0, {}, 0),
    ],
)
def test_rows_that_a_run_has_not_made_are_refused_and_the_next_read_is_done(available, changes, rows):
    """Whatever the number of tiles; those that there are have been sent."""
    config = config_of(4, 64)
    memories = Memories(config, 0.2)
    wrong = TILES | {"address": 0x1000, "pitch": 0x40} | changes
    right = {"address": 0x4000, "pitch": 0x40, "m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 4}
    if not available:
        assert sent(memories, [order(config, **wrong)], 0) == (1, 1)
    else:
        assert sent(memories, [order(config, 1, **wrong), order(config, 2, **right)], available) == (2, 1)
        written, bursts = expected(config, memories, memories.sums, right, 4)
        assert memories.bursts[-1:] == bursts
        assert {at: byte for at, byte in memories.written.items() if at >= 0x4000} == written
    assert len([address for address, _ in memories.bursts if address < 0x4000]) == rows


WIDE = {"m_tiles": 1, "n_tiles": 2, "rows": 2, "cols": 3}


def test_reads_one_after_the_other_begin_where_the_first_would():
    """Nothing of a READ stays for the next ones: neither place nor channel nor what of its last tiles counts."""
    config = config_of(4, 64, requantize=True, channels=16)
    memories = Memories(config, 0.2)
    memories.table = [{"bias": 16 * i, "multiplier": 1 << 30, "shift": 1} for i in range(32)]
    memories.sums[:] = 0
    clip = {"requantize": 1, "double": 0, "zero_point": 0, "low": -128, "high": 127}
    orders, bytes_of, bursts = [], {}, []
    for number, (tiles, channel) in enumerate([(WIDE | {"rows": 1}, 0), (WIDE, 2), (WIDE | {"cols": 4}, 1)]):
        arguments = tiles | {"address": 0x80001000 + 0x100 * number, "pitch": 0x18}
        orders.append(order(config, 7 + number, channel=channel, **arguments, **clip))
        values = np.tile(np.arange(8).reshape(2, 1, 4) + channel, (1, ROWS, 1)).reshape(-1, 4) * 16
        some, others = expected(config, memories, np.minimum(values, 127), arguments, 1)
        bytes_of, bursts = bytes_of | some, bursts + others
    assert sent(memories, orders, config.result_rows) == (3, 0)
    assert (memories.bursts, memories.written) == (bursts, bytes_of)


def test_every_value_beyond_32_bits_is_told():
    config = config_of(4, 32, requantize=True)
    memories = Memories(config, 0.0)
    memories.table = [{"bias": 1000, "multiplier": 1 << 30, "shift": 30 * (i == 1)} for i in range(8)]
    memories.sums[:] = 0
    tile = {"m_tiles": 1, "n_tiles": 1, "rows": 2, "cols": 4, "address": 0, "pitch": 4}
    scale = {"requantize": 1, "double": 1, "low": -128, "high": 127}
    assert sent(memories, [order(config, **tile, **scale)], 2) == (1, 0)
    assert memories.overflows == 2
