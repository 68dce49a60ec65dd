# SPDX-License-Identifier: Apache-2.0
"""What the im2col unit says about damaged tables and sums too large, without ever hanging; seeded bugs are found."""

from collections.abc import Callable

import numpy as np
import pytest

from sysmt.hdl.engine import stored_transposer, word_fetcher, word_store
from sysmt.hdl.engine.pool import PoolUnit
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation
from sysmt.hdl.params.scatter import scatter_word
from sysmt.sim.nn.geometry import Geometry

from .engine_filler import Player, Run, expected_fills, play
from .engine_tables import Table, random_table
from .engine_windows import Window
from .mutants import one_bug_per_component, seeded_bug
from .test_engine_filler import ARRAYS, configuration, fills_agree, image_of, rows_agree

CONFIG = configuration(*ARRAYS["2x2, two threads"])
WINDOW = Window(CONFIG, Geometry(size=(3, 3), kernel=(2, 2)), in_words=2, group_words=2)


def damaged(words: list[int], **changes: int) -> Run:
    """A layer with such a table, between two layers with a good one."""
    random = np.random.default_rng(0)
    columns = np.full((CONFIG.x_depth, CONFIG.array.pe.products), -2)
    player = Player(WINDOW, Table(words, columns, 0, 0), **changes)
    first, second = play(player, image_of(WINDOW, random), layers=2)
    assert first.error == second.error, "an error is forgotten with the next start"
    assert len(first.fills) == len(second.fills) == WINDOW.m_tiles
    return first


def table() -> list[int]:
    return random_table(CONFIG, 8, np.random.default_rng(1)).words


def test_a_good_table_is_no_error():
    assert not damaged(table()).error


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_table_that_is_too_short(cut):
    assert damaged(table()[:-cut]).error


def test_a_table_that_is_too_long():
    assert damaged([*table(), 1]).error


def test_a_table_without_an_end():
    """Neither bit is ever set: the end of the table ends a group."""
    assert damaged([0, 0, 0]).error


def test_an_empty_table_ends_with_the_memory():
    assert damaged([]).error


@pytest.mark.parametrize("base", [CONFIG.scatter_words - 3, 0xFFFF])
def test_a_table_beyond_its_memory(base):
    assert damaged(table(), scatter_base=base).error


def test_two_columns_to_one_place():
    word = scatter_word(CONFIG)
    values = dict.fromkeys(word.fields, 0) | {"valid_0": 1, "valid_1": 1, "last": 1}
    assert damaged([word.to_int(values | {"step_1": 1})] * 8).error is False
    assert damaged([word.to_int(values | {"step_1": 2})] * 8).error is True


def test_a_sum_beyond_its_width(monkeypatch):
    """A narrower unit: 9 bytes of 255 are 2295."""
    window = Window(CONFIG, Geometry(size=(3, 3), kernel=(3, 3)), operation=Operation.SUM)
    image = np.full((window.words, CONFIG.word_bytes), 255, np.uint8)
    for width, error in ((12, False), (11, True)):
        monkeypatch.setattr(PoolUnit, "WIDTH", width)
        run = play(Player(window, None), image)[0]
        assert run.error is error
        assert (run.rows == [[2295] * 2]) is not error


def all_agree(agree: Callable[[EngineConfig, int, float], None], config: EngineConfig) -> None:
    for seed in range(5):
        agree(config, seed, 0.3)


STORING = "stored_transposer", "word_fetcher", "word_store"
"""Modules of words in SRAM."""


@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("transposer", "Transposer", "room.eq(begins | (uses != 2))", "room.eq(1)"),
        ("transposer", "Transposer", "room & (enters | ~moves_on)", "room"),
        ("transposer", "Transposer", "(self.i_scatter.valid & room & moves_on)", "(self.i_scatter.valid & room)"),
        ("transposer", "Transposer", "last, padding | exhausted", "last, exhausted"),
        ("transposer", "Transposer", 'Mux(entry[f"zero_{i}"], none, values)', "values"),
        ("transposer", "Transposer", "Mux(padding, fill_end, self.i.payload.fill_end)", "self.i.payload.fill_end"),
        ("transposer", "Transposer", "sideways.eq(~sideways)", "sideways.eq(1)"),
        ("words", "WordReader", "Mux(found.outside, padding, comes.payload)", "comes.payload"),
        ("words", "WordReader", "asks.valid & ~outside & queue.room", "asks.valid & queue.room"),
        ("stored_transposer", "StoredTransposer", 'Mux(of_chunks["absent"][pixel], 0, padded)', "padded"),
        ("stored_transposer", "StoredTransposer", 'Mux(of_chunks["outside"][pixel], self.pad_value, byte)', "byte"),
        ("stored_transposer", "StoredTransposer", "group.eq(-1)", "group.eq(0)"),
        ("stored_transposer", "StoredTransposer", "self.write.half.eq(moves.half)", "self.write.half.eq(0)"),
        ("word_fetcher", "WordFetcher", "queue.room & (outside | read.ready)", "queue.room"),
        ("word_fetcher", "WordFetcher", "group.eq(group + 1)", "group.eq(group)"),
        ("word_store", "WordStore", "self.read_chunk ^ b", "self.read_chunk"),
        ("word_store", "WordStore", "chunk.eq(self.read_chunk)", "chunk.eq(0)"),
        ("scatter", "ScatterReader", "(queue.promise & last)", "(last)"),
        ("x_buffer", "XBuffer", "i.ready.eq(~held | takes)", "i.ready.eq(1)"),
        ("x_buffer", "XBuffer", "Cat(i.payload.step[bits:], i.payload.half)", "Cat(i.payload.step[bits:], 0)"),
    ],
)
def test_seeded_bugs_in_filling_are_found(module, component, right, wrong):
    target = "asic" if module in STORING else "fpga"
    with seeded_bug(f"sysmt.hdl.engine.{module}", component, right, wrong), pytest.raises(AssertionError):
        all_agree(fills_agree, configuration(*ARRAYS["4x4, two threads"], target))


@pytest.mark.parametrize("groups", [8, 4])
def test_words_of_a_pixel_wait_in_a_group_each(groups, monkeypatch):
    """Six are under way behind the two groups that the transposer has: fewer places would lose words."""
    for module in (stored_transposer, word_fetcher, word_store):
        monkeypatch.setattr(module, "WORD_GROUPS", groups)
    config = configuration(*ARRAYS["4x4, two threads"], "asic")
    window = Window(config, Geometry(size=(3, 3), kernel=(3, 3)), in_words=2, group_words=2)
    random = np.random.default_rng(0)
    found, image = random_table(config, 18, random), image_of(window, random)
    right = expected_fills(window, found, image, 0)[0]
    fill = play(Player(window, found), image)[0].fills[0]
    assert np.array_equal(fill[right >= 0], right[right >= 0]) == (groups == 8)


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("fresh.eq(word.fill_end)", "fresh.eq(0)"),
        ("byte > kept[:8]", "byte > kept[:7]"),
        ("Mux(ignored, 0, byte)", "byte"),
        ("Mux(word.last_group, layer.last_n_tiles, layer.n_tiles)", "layer.n_tiles"),
        ("self.i.ready.eq(~word.fill_end | (tiles == 0) | (leaves & last_row))", "self.i.ready.eq(1)"),
    ],
)
def test_seeded_bugs_in_pooling_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.engine.pool", "PoolUnit", right, wrong), pytest.raises(AssertionError):
        all_agree(rows_agree, CONFIG)
