# SPDX-License-Identifier: Apache-2.0
"""The im2col unit between an activation memory and an array that reads tiles, in Amaranth's simulator."""

from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import connect

from sysmt.hdl.engine.filler import Filler
from sysmt.hdl.engine.memory import ActivationMemory
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .accel import simulate
from .engine_tables import Table
from .engine_windows import Window


class FillerBench(wiring.Component):
    """The unit, its memory, and a scatter table that is `table` from `base` on."""

    def __init__(self, config: EngineConfig, table: list[int], base: int):
        self.filler, self.memory = Filler(config), ActivationMemory(config)
        width, depth = config.memories["scatter"]
        self.table = Memory(shape=width, depth=depth, init=([0] * base + table)[:depth])
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.filler, m.submodules.memory, m.submodules.table = self.filler, self.memory, self.table
        read = self.table.read_port()
        connect(m, self.filler.o_read, self.memory.i_filler)
        connect(m, self.memory.o_filler, self.filler.i_read)
        m.d.comb += [read.addr.eq(self.filler.scatter_address), self.filler.scatter_word.eq(read.data)]
        return m


@dataclass
class Run:
    """What a layer gave.

    Parameters
    ----------
    fills : list of uint8 [x_depth, rows, pairs]
        The operand buffer as the array read it, tile by tile.
    rows : list of list of int
        Pooled rows.
    filled : list of int
        Cycles from `start` to every `filled`.
    done : int
        Cycles from `start` to `done`.
    error : bool
    """

    fills: list[np.ndarray] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    done: int = 0
    error: bool = False


class Player:
    """Runs layers one after the other. The pauses are of the array, of the host and of the residual reads."""

    def __init__(self, window: Window, table: Table | None, pause: float = 0.0, seed: int = 0, **changes: int):
        base = changes.pop("scatter_base", 3)
        self.window, self.config = window, window.config
        self.design = FillerBench(window.config, table.words if table else [], base)
        self.pause, self.random = pause, np.random.default_rng(seed)
        self.changes = {"scatter_base": base, "scatter_words": len(table.words) if table else 0} | changes
        self.halves: list[int] = []
        self.run = Run()

    def chance(self) -> bool:
        return self.random.random() < self.pause

    async def load(self, ctx, image: np.ndarray) -> None:
        """Words of the image into memory."""
        port = self.design.memory.i_host_write
        for i, word in enumerate(image):
            ctx.set(port.payload, {"address": self.window.base + i, "word": int.from_bytes(word.tobytes(), "little")})
            ctx.set(port.valid, 1)
            await ctx.tick()
        ctx.set(port.valid, 0)

    async def start(self, ctx) -> None:
        """A layer, and its end."""
        filler = self.design.filler
        ctx.set(filler.layer.as_value(), self.window.descriptor(**self.changes))
        ctx.set(filler.start, 1)
        await ctx.tick()
        ctx.set(filler.start, 0)
        cycle, done = 1, False
        while not (done and len(self.run.fills) == len(self.run.filled)):
            if ctx.get(filler.filled):
                self.halves.append(len(self.run.filled) % 2)
                self.run.filled.append(cycle)
            if ctx.get(filler.done):
                assert not done
                done, self.run.done = True, cycle
            cycle += 1
            assert cycle < 6000, "the layer has no end"
            await ctx.tick()
        for _ in range(2 * self.config.array.rows + 4):
            assert not ctx.get(filler.filled) | ctx.get(filler.done) | ctx.get(filler.o_pool.valid)
            await ctx.tick()
        self.run.error = bool(ctx.get(filler.error))

    async def array(self, ctx) -> None:
        """Read every half that is filled, in order, twice; the last address frees it."""
        port, depth = self.design.filler.i_x, self.config.x_depth
        while True:
            if not self.halves:
                await ctx.tick()
                continue
            half = self.halves.pop(0)
            await ctx.tick()
            for i in range(2 * depth):
                while self.chance():
                    await ctx.tick()
                ctx.set(port.payload, {"step": i % depth, "half": half, "frees": i == 2 * depth - 1})
                ctx.set(port.valid, 1)
                while not ctx.get(port.ready):
                    await ctx.tick()
                await ctx.tick()
                ctx.set(port.valid, 0)

    async def take(self, ctx) -> None:
        """Collect what is read, and pooled rows."""
        filler, depth = self.design.filler, self.config.x_depth
        shape = self.config.array.rows, self.config.array.pe.products
        steps: list[np.ndarray] = []
        while True:
            for port in (filler.o_x, filler.o_pool):
                ctx.set(port.ready, not self.chance())
            if ctx.get(filler.o_x.valid) and ctx.get(filler.o_x.ready):
                bits = ctx.get(filler.o_x.payload).as_bits()
                steps.append(np.frombuffer(bits.to_bytes(shape[0] * shape[1], "little"), np.uint8).reshape(shape))
            if ctx.get(filler.o_pool.valid) and ctx.get(filler.o_pool.ready):
                row = ctx.get(filler.o_pool.payload)
                assert row.last
                self.run.rows.append([row.sums[c] for c in range(self.config.array.cols)])
            if len(steps) == 2 * depth:
                assert all(np.array_equal(steps[i], steps[depth + i]) for i in range(depth)), "a half stays as it is"
                self.run.fills.append(np.stack(steps[:depth]))
                steps = []
            await ctx.tick()

    async def residual(self, ctx) -> None:
        """Another client of the memory, which goes first and does not always take its words."""
        memory = self.design.memory
        while True:
            ctx.set(memory.i_residual.valid, self.pause > 0 and not self.chance())
            ctx.set(memory.o_residual.ready, not self.chance())
            await ctx.tick()


def play(player: Player, image: np.ndarray, layers: int = 1) -> list[Run]:
    """Run the layer so many times."""
    runs = []

    async def testbench(ctx):
        await player.load(ctx, image)
        for _ in range(layers):
            player.run = Run()
            await player.start(ctx)
            runs.append(player.run)

    # The array last: whether an address is taken follows from what the others do in the same cycle.
    simulate(player.design, testbench, player.take, player.residual, player.array)
    return runs


def expected_fills(window: Window, table: Table, image: np.ndarray, pad: int) -> list[np.ndarray]:
    """The operand buffer after every fill, -1 where nothing was written: [x_depth, rows, pairs]."""
    rows = window.config.array.rows
    addresses = window.addresses()
    content = np.concatenate([image, np.full((1, image.shape[1]), pad, np.uint8)])
    fills = []
    for group in addresses:
        words = content[np.where(group < 0, len(image), group - window.base)].reshape(len(group), -1)
        for first in range(0, len(words), rows):
            tile = np.zeros((rows, words.shape[1] + 2), int)
            tile[: len(words) - first, :-2] = words[first : first + rows]
            tile[:, -2] = -1  # nothing is written; -1 of the table takes the zeros beside it
            fills.append(tile[:, table.columns].transpose(1, 0, 2))
    return fills


def expected_rows(window: Window, image: np.ndarray, pad: int, n_tiles: int, last_n_tiles: int) -> list[list[int]]:
    """Pooled rows, tile by tile."""
    content = np.concatenate([image, np.full((1, image.shape[1]), pad, np.uint8)]).astype(int)
    cols, rows = window.config.array.cols, []
    for g, group in enumerate(window.addresses()):
        under = content[np.where(group < 0, len(image), group - window.base)][:, :, 0]
        pooled = under.max(axis=1) if window.operation is Operation.MAX else under.sum(axis=1)
        tiles = last_n_tiles if g == window.groups - 1 else n_tiles
        for pixel in pooled:
            rows += [pixel[n * cols : (n + 1) * cols].tolist() for n in range(tiles)]
    return rows
