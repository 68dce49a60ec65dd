# SPDX-License-Identifier: Apache-2.0
"""The order of output rows and their addresses, against the loops that `hdl/params/program.py` describes."""

import numpy as np
import pytest

from sysmt.hdl.engine.rows import RowAddresses
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

from .accel import simulate
from .engine_layers import PostLayer, place, random_layer
from .mutants import one_bug_per_component, seeded_bug

CONFIGS = [
    EngineConfig(array=ArrayConfig(rows=rows, cols=cols), fill=fill, lanes=1, activation_words=words)
    for rows, cols, fill, words in ((4, 4, 2, 700), (4, 2, 4, 512), (8, 8, 1, 1500), (2, 2, 2, 300))
]


def walked(config: EngineConfig, layers: list[PostLayer], tensor: str) -> list[list[tuple[int, ...]]]:
    """Address, part, whether outside, and the ends, of every row; the unit advances in some of the cycles."""
    unit, random, out = RowAddresses(config, tensor), np.random.default_rng(2), []

    async def bench(ctx):
        for layer in layers:
            for name, value in layer.fields.items():
                ctx.set(unit.layer[name], value)
            ctx.set(unit.start, 1)
            await ctx.tick()
            ctx.set(unit.start, 0)
            rows, ended = [], False
            while not ended and len(rows) < 3000:
                advance = random.random() < 0.7
                ctx.set(unit.advance, int(advance))
                if advance:
                    names = ("address", "part", "outside", "last_channels", "layer_end")
                    rows.append(tuple(int(ctx.get(getattr(unit, name))) for name in names))
                    ended = bool(rows[-1][-1])
                await ctx.tick()
            ctx.set(unit.advance, 0)
            out.append(rows)

    simulate(unit, bench)
    return out


def expected(config: EngineConfig, layer: PostLayer, tensor: str) -> list[tuple[int, ...]]:
    f, out = layer.fields, []
    last_tile = (f["groups"] - 1) * f["n_tiles"] + f["last_n_tiles"] - 1
    for first, pixels, tile in layer.tiles(config.array.rows):
        for pixel in range(first, first + pixels):
            word, part = place(f, tensor, pixel, tile, config)
            outside = word >= config.activation_words
            out.append((word, part, int(outside), int(tile == last_tile), 0))
    return [*out[:-1], (*out[-1][:-1], 1)]


def check(config: EngineConfig, tensor: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    layers = [random_layer(config, random) for _ in range(6)]
    for rows, layer in zip(walked(config, layers, tensor), layers, strict=True):
        assert rows == expected(config, layer, tensor), layer.fields


@pytest.mark.parametrize("tensor", ["out", "residual"])
@pytest.mark.parametrize("config", CONFIGS)
def test_random_layers(config, tensor):
    for seed in range(4):
        check(config, tensor, seed)


@pytest.mark.parametrize("tensor", ["out", "residual"])
def test_a_pixel_of_as_many_channels_as_the_memory_holds(tensor):
    """And one tile more, which lies outside."""
    config = CONFIGS[3]
    layer = random_layer(config, np.random.default_rng(5), m_tiles=1, operation=0, last_rows=1, groups=1)
    tiles = config.activation_words * config.granules + 1
    shape = {"n_tiles": tiles, "last_n_tiles": tiles, f"{tensor}_base": 0, f"{tensor}_granule": 0}
    full = PostLayer(layer.fields | shape, layer.sums, layer.scaling)
    wanted = expected(config, full, tensor)
    assert [row[2] for row in wanted] == [0] * (tiles - 1) + [1]
    (rows,) = walked(config, [full], tensor)
    assert rows[:-1] == wanted[:-1]
    assert rows[-1][2], "the tile outside is not reported"


@pytest.mark.parametrize("base", [0, 299, 300, 1 << 16, 1 << 20, (1 << 24) - 1])
@pytest.mark.parametrize("words", [1, 3, 1 << 15, (1 << 16) - 1])
def test_the_first_row_outside_is_reported(base, words):
    """What comes behind it may be anything: the layer has failed."""
    config = CONFIGS[3]
    layer = random_layer(config, np.random.default_rng(4), m_tiles=3, operation=0)
    moved = PostLayer(layer.fields | {"out_base": base, "out_words": words}, layer.sums, layer.scaling)
    rows, wanted = walked(config, [moved], "out")[0], expected(config, moved, "out")
    assert len(rows) == len(wanted)
    inside = next((i for i, row in enumerate(wanted) if row[2]), len(wanted))
    assert rows[:inside] == wanted[:inside]
    assert inside == len(wanted) or rows[inside][2]


@one_bug_per_component(
    ("component", "right", "wrong"),
    [
        ("RowLoop", "Mux(pixels_follow, layer.last_rows, self._rows)", "self._rows"),
        ("RowLoop", "last_row.eq(Mux(pixels_follow, layer.last_rows == 1, int(self._rows == 1)))", "last_row.eq(0)"),
        ("RowLoop", "Mux(group_follows, layer.last_n_tiles, layer.n_tiles)", "layer.n_tiles"),
        ("RowLoop", "self.last_channels.eq(last_tile & last_group)", "self.last_channels.eq(last_tile)"),
        ("RowLoop", "pooling | last_row", "last_row"),
        ("RowLoop", "pixels_follow.eq(m_tile == 2)", "pixels_follow.eq(m_tile == 1)"),
        ("RowAddresses", "pixel.eq(following), first.eq(following)", "pixel.eq(following)"),
        ("RowAddresses", "tile.eq(tile + 1), group.eq(tile + 1)", "tile.eq(tile + 1)"),
        ("RowAddresses", "tile.eq(granule), group.eq(granule)", "tile.eq(0), group.eq(granule)"),
        ("RowAddresses", " | base[width:].any()", ""),
    ],
)
def test_seeded_bugs_are_found(component, right, wrong):
    def checks() -> None:
        for seed in range(4):
            check(CONFIGS[0], "out", seed)
        test_the_first_row_outside_is_reported(1 << 20, 1)

    with seeded_bug("sysmt.hdl.engine.rows", component, right, wrong), pytest.raises(AssertionError):
        checks()
