# SPDX-License-Identifier: Apache-2.0
"""Patches of output pixels: where they lie, and how their bytes are gathered."""

import numpy as np
import pytest

from sysmt.hdl.engine.patches import PatchCollector
from sysmt.hdl.engine.rows import RowAddresses
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.golden import result_places

from .accel import simulate
from .mutants import seeded_bug


def config(rows: int, cols: int, lanes: int, patch: int) -> EngineConfig:
    array = ArrayConfig(rows=rows, cols=cols)
    return EngineConfig(array=array, fill=2, lanes=lanes, patch=patch, activation_words=4000)


CONFIGS = [
    config(4, 4, 2, 2),
    config(2, 4, 4, 4),
    config(8, 8, 4, 4),
    config(3, 6, 3, 2),
    config(1, 2, 1, 2),
    config(4, 8, 2, 8),
]


def random_layer(engine: EngineConfig, random: np.random.Generator) -> dict[str, int]:
    """Fields of a layer with patches."""
    shift = engine.patch.bit_length() - 1
    high = int(random.integers(shift + 1))
    f = {"patch_h": high, "patch_w": shift - high, "operation": 0}
    f |= {name: int(random.integers(1, limit)) for name, limit in (("patch_rows", 4), ("out_width", 4), ("groups", 3))}
    f |= {"edge_h": int(random.integers(1 << high)), "edge_w": int(random.integers(1 << shift - high))}
    patches, rows = f["patch_rows"] * f["out_width"], engine.array.rows
    f |= {"m_tiles": -(-patches // rows), "last_rows": (patches - 1) % rows + 1}
    f["n_tiles"] = int(random.integers(1, engine.granules + 1))
    f["last_n_tiles"] = int(random.integers(1, f["n_tiles"] + 1))
    tiles = (f["groups"] - 1) * f["n_tiles"] + f["last_n_tiles"]
    f["out_granule"] = int(random.integers(engine.granules))
    f["out_words"] = -(-(f["out_granule"] + tiles) // engine.granules)
    f["out_row"] = f["out_words"] * (((f["out_width"] - 1) << f["patch_w"]) + f["edge_w"] + 1)
    f["out_base"] = int(random.integers(1000))
    return f


def expected(engine: EngineConfig, f: dict[str, int]) -> list[tuple[int, ...]]:
    """Address, part, whether it exists, last channels, end of the layer: of every pixel in order."""
    exists, offsets = result_places(f, engine)
    each, last_tile = engine.array.rows * engine.patch, (f["groups"] - 1) * f["n_tiles"] + f["last_n_tiles"] - 1
    out = []
    for group in range(f["groups"]):
        for first in range(0, len(offsets), each):
            for n in range(f["last_n_tiles"] if group == f["groups"] - 1 else f["n_tiles"]):
                tile = group * f["n_tiles"] + n
                word, part = divmod(f["out_granule"] + tile, engine.granules)
                for offset, real in zip(offsets[first : first + each], exists[first : first + each], strict=True):
                    out.append((f["out_base"] + int(offset) + word, part, int(real), int(tile == last_tile), 0))
    return [*out[:-1], (*out[-1][:-1], 1)]


def check_places(engine: EngineConfig, seeds: range) -> None:
    """Pixel by pixel, in cycles chosen at random; layers one behind the other."""
    random = np.random.default_rng(seeds.start)
    layers = [random_layer(engine, np.random.default_rng(seed)) for seed in seeds]
    unit, names = RowAddresses(engine, "out"), ("address", "part", "exists", "last_channels", "layer_end")
    found: list[list[tuple[int, ...]]] = []

    async def bench(ctx):
        for layer in layers:
            for name, value in layer.items():
                ctx.set(unit.layer[name], value)
            ctx.set(unit.start, 1)
            await ctx.tick()
            ctx.set(unit.start, 0)
            rows: list[tuple[int, ...]] = []
            while len(rows) < len(expected(engine, layer)):
                advance = random.random() < 0.8
                ctx.set(unit.advance, int(advance))
                if advance:
                    rows.append(tuple(int(ctx.get(getattr(unit, name))) for name in names))
                await ctx.tick()
            ctx.set(unit.advance, 0)
            found.append(rows)

    simulate(unit, bench)
    for layer, rows in zip(layers, found, strict=True):
        wanted = expected(engine, layer)
        # The address of a pixel that does not exist means nothing.
        assert [row if row[2] else row[1:] for row in rows] == [row if row[2] else row[1:] for row in wanted], layer


def check_bytes(engine: EngineConfig, seed: int, pauses: float) -> None:
    """Tiles of full and of few rows, as they come from the requantisers: a row takes `beats` cycles at least."""
    random, patch, channels = np.random.default_rng(seed), engine.patch, engine.patch_channels
    rows, cols, lanes = engine.array.rows, engine.array.cols, engine.lanes
    tiles = [
        random.integers(0, 256, (int(count), patch, patch, channels), np.uint8)  # [rows, parts, pixels, channels]
        for count in [rows, 1, rows, *random.integers(1, rows + 1, 6)]
    ]
    unit = PatchCollector(engine)
    found: list[int] = []

    async def tick(ctx):
        _, _, valid, row = await ctx.tick().sample(unit.o_valid, unit.o_row)
        if valid:
            found.append(row)

    async def bench(ctx):
        ctx.set(unit.start, 1)
        await tick(ctx)
        ctx.set(unit.start, 0)
        for tile in tiles:
            for part in range(patch):
                for r in range(rows):
                    # Rows that are no pixels take a cycle each.
                    for beat in range(engine.beats if r < len(tile) else 1):
                        ctx.set(unit.i_valid, int(r < len(tile)))
                        if r < len(tile):
                            values = tile[r, part].reshape(-1)[beat * lanes : (beat + 1) * lanes]
                            ctx.set(unit.i_codes, int.from_bytes(values.tobytes(), "little"))
                            ctx.set(unit.i_row_end, int(beat == engine.beats - 1))
                            ctx.set(unit.i_tile_end, int(beat == engine.beats - 1 and r == len(tile) - 1))
                        await tick(ctx)
                        ctx.set(unit.i_valid, 0)
                        while random.random() < pauses:
                            await tick(ctx)
        for _ in range(3 + 2 * rows * patch):
            await tick(ctx)

    simulate(unit, bench)
    wanted = [
        int.from_bytes(tile[r, :, pixel].tobytes(), "little")
        for tile in tiles
        for r in range(len(tile))
        for pixel in range(patch)
    ]
    assert found == wanted
    assert all(row < 1 << 8 * cols for row in found)


@pytest.mark.parametrize("engine", CONFIGS)
def test_places_of_pixels(engine):
    check_places(engine, range(12))


@pytest.mark.parametrize("engine", CONFIGS)
@pytest.mark.parametrize("pauses", [0.0, 0.3])
def test_bytes_of_pixels(engine, pauses):
    check_bytes(engine, 1, pauses)


@pytest.mark.parametrize(
    ("module", "component", "right", "wrong"),
    [
        ("patches", "PatchWalk", "Mux(y == 0, next_pixel, beside)", "next_pixel"),
        ("patches", "PatchWalk", "Mux(first_column, next_line, below)", "next_line"),
        ("patches", "PatchWalk", "Mux(last_column, rows - 1, rows)", "rows"),
        ("patches", "PatchWalk", "self.tile_end & ~self.pixels_end", "self.tile_end"),
        ("patches", "PatchWalk", "(y > layer.edge_h)", "(y >= layer.edge_h)"),
        ("patches", "PatchWalk", "(last_column & (x > layer.edge_w))", "(x > layer.edge_w)"),
        ("patches", "PatchWalk", "with m.If(self.pixels_end):", "with m.If(self.group_end):"),
        ("patches", "PatchCollector", "[row.eq(0), part.eq(part + 1)]", "[part.eq(part + 1)]"),
        ("patches", "PatchCollector", "lasts[i].eq(row)", "lasts[i].eq(rows - 1)"),
        ("patches", "PatchCollector", "read_half.eq(~read_half)", "read_half.eq(read_half)"),
        ("patches", "PatchCollector", "chosen.eq(pixel[:in_beat])", "chosen.eq(0)"),
        ("rows", "RowAddresses", "advance.eq(self.advance & walk.patch_end)", "advance.eq(self.advance)"),
        ("rows", "RowAddresses", "layer_ends.eq(loop.layer_end & walk.patch_end)", "layer_ends.eq(loop.layer_end)"),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong):
    def checks() -> None:
        check_places(CONFIGS[0], range(12))
        check_bytes(CONFIGS[2], 1, 0.3)

    with seeded_bug(f"sysmt.hdl.engine.{module}", component, right, wrong), pytest.raises(AssertionError):
        checks()
