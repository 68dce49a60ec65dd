# SPDX-License-Identifier: Apache-2.0
"""Addresses of implicit im2col against the im2col of the models: random windows, with stalls and without."""

import numpy as np
import pytest

from sysmt.hdl.engine.addresses import ENDS, AddressGenerator
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation
from sysmt.sim.nn.geometry import Geometry

from .accel import simulate
from .engine_windows import Window, random_window
from .mutants import one_bug_per_component, seeded_bug


def configuration(rows: int = 4) -> EngineConfig:
    return EngineConfig(array=ArrayConfig(rows=rows, cols=rows), fill=1, lanes=1, x_depth=16, activation_words=300)


def play(windows: list[Window], pause: float = 0.0, **changes: int) -> tuple[list[list[dict[str, int]]], list[int]]:
    """Run layers one after the other. Returns the words of each, and its cycles from `start` to the last word."""
    design, random = AddressGenerator(windows[0].config), np.random.default_rng(1)
    found: list[list[dict[str, int]]] = []
    cycles: list[int] = []

    async def testbench(ctx):
        for window in windows:
            ctx.set(design.layer.as_value(), window.descriptor(**changes))
            ctx.set(design.start, 1)
            await ctx.tick()
            ctx.set(design.start, 0)
            words: list[dict[str, int]] = []
            found.append(words)
            cycles.append(1)
            while not (words and words[-1]["layer_end"]):
                ready = random.random() >= pause
                ctx.set(design.o.ready, ready)
                if ready and ctx.get(design.o.valid):
                    read = ctx.get(design.o.payload)
                    words.append({"address": read.address} | {name: read[name] for name in ("outside", *ENDS)})
                cycles[-1] += 1
                assert cycles[-1] < 20_000, "the layer has no end"
                await ctx.tick()
            for _ in range(3):
                assert not ctx.get(design.o.valid), "nothing more comes out"
                await ctx.tick()
            words.append({"error": ctx.get(design.error)})

    simulate(design, testbench)
    return found, cycles


def agree(windows: list[Window], pause: float = 0.0) -> None:
    for words, window in zip(play(windows, pause)[0], windows, strict=True):
        assert words.pop() == {"error": 0}
        expected = window.reads()
        for read in words:
            if read["outside"]:
                read["address"] = -1
        assert words == expected


@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_words_are_those_of_im2col(rows, seed):
    random = np.random.default_rng(seed)
    config = configuration(rows)
    agree([random_window(config, random, pooling=i % 3 == 2) for i in range(6)], pause=0.3 * (seed % 2))


def test_a_word_per_cycle_from_the_third_on():
    random = np.random.default_rng(9)
    windows = [random_window(configuration(), random) for _ in range(6)]
    for words, cycles in zip(*play(windows), strict=True):
        assert cycles == 3 + len(words) - 1


def test_large_images_and_strides():
    """Every counter and coordinate beyond 8 bits."""
    config = EngineConfig(array=ArrayConfig(rows=2, cols=2), fill=1, lanes=1, activation_words=1 << 17)
    wide = Geometry(size=(2, 3000), kernel=(1, 299), stride=(1, 255), dilation=(1, 9), padding=((0, 0), (300, 300)))
    tall = Geometry(size=(3000, 1), kernel=(3, 1), stride=(250, 1), dilation=(255, 1), padding=((300, 300), (0, 0)))
    agree([Window(config, wide, base=70_000, in_words=2, group_words=2), Window(config, tall, in_words=3, groups=3)])


@pytest.mark.parametrize("beyond", [1, 40])
def test_an_address_beyond_the_memory_is_reported(beyond):
    config = configuration()
    inside = Window(config, Geometry(size=(5, 5)), base=275)
    outside = Window(config, Geometry(size=(5, 5), kernel=(2, 1), padding=((1, 0), (0, 0))), base=275 + beyond)
    below = Window(config, Geometry(size=(5, 5)), base=-beyond)
    assert [words.pop() for words in play([inside, outside, below, inside])[0]] == [
        {"error": error} for error in (0, 1, 1, 0)
    ]


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("following.x.eq(0)", "following.x.eq(pixel.x)"),
        ("first, following))", "0, following))"),
        ("first.eq(following)", "first.eq(first)"),
        ('Mux(ends["tile"], further, of_group)', "of_group"),
        ("found.y.eq(pixel.y + y)", "found.y.eq(pixel.y)"),
        ("offset.eq(offset + 1)", "offset.eq(offset)"),
        ("(found.x.as_unsigned() >= layer.in_width)", "(found.x > layer.in_width)"),
        ('Mux(ends["tile"], layer.last_rows[: len(pixel)], rows)', "rows"),
        ("of_row.eq(below)", "of_row.eq(of_row)"),
    ],
)
def test_seeded_bugs_are_found(right, wrong):
    random = np.random.default_rng(0)
    windows = [random_window(configuration(), random, pooling=i == 5) for i in range(6)]
    with seeded_bug("sysmt.hdl.engine.addresses", "AddressGenerator", right, wrong), pytest.raises(AssertionError):
        agree(windows)


def test_pooling_takes_one_pixel_at_a_time():
    window = Window(configuration(), Geometry(size=(4, 4), kernel=(2, 2)), operation=Operation.MAX)
    words = play([window])[0][0]
    assert sum(read.get("fill_end", 0) for read in words) == window.pixels
