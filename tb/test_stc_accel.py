# SPDX-License-Identifier: Apache-2.0
"""Accelerators on 2:4 weights: the weight memory has two weights of each group and their places."""

import re

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import data
from amaranth.sim import Simulator

from sysmt.base.errors import UserError
from sysmt.boards.driver import Board
from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.boards.transport import SerialTransport
from sysmt.boards.virtual.board import VirtualBoard
from sysmt.cli.main import main
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.command_list import ListError
from sysmt.hdl.params.kinds.sparq import PAIRS, SparqConfig
from sysmt.hdl.params.registers import config_of, identity
from sysmt.hdl.pe.sparq_stc import StoredWeights, WeightSelector, group, selected, stored
from sysmt.sim.cosim.bus import SimulatedBus
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.tiling import Tile, w_steps, w_words

from .accel import SimulatedTransport, small
from .mutants import seeded_bug
from .test_signed_accel import COUNTS, scaling
from .test_stc import operands

ARRAY = ArrayConfig(rows=1, cols=2).with_fields(kind="sparq", stc=True, target="fpga")


def compare(board, shapes, threads=None, requantized=True):
    """Products of whole sums and of sums that are cut into parts; counters; steps; requantised values."""
    pe = board.config.array.pe
    for seed, shape in enumerate(shapes):
        x, w = operands(seed, *shape, kept=2 if threads in (None, pe.threads) else 4)
        golden, product = matmul(x, w, pe, threads), board.matmul(x, w, threads)
        np.testing.assert_array_equal(product.values, golden.sums)
        assert [product.figures[f"array_{name}"] for name in COUNTS] == [getattr(golden.counters, n) for n in COUNTS]
        tiles = -(-shape[0] // board.config.array.rows) * -(-shape[2] // board.config.array.cols)
        assert product.figures["steps"] == tiles * pe.steps(shape[1], threads)
        if not requantized:
            continue
        unit = scaling(shape[2])
        np.testing.assert_array_equal(board.matmul(x, w, threads, requantize=unit).values, unit(golden.sums))


@pytest.fixture(scope="module")
def board():
    return Board(SimulatedTransport(small(array=ARRAY)), timeout=1)


@pytest.mark.parametrize(
    ("shapes", "requantized"),
    [
        ([(1, 9, 2)], False),
        pytest.param([(5, 7, 3), (1, 70, 2), (3, 64, 7)], True, marks=pytest.mark.regress),
    ],
    ids=["one", "more"],
)
def test_products_equal_the_golden_model(board, shapes, requantized):
    assert board.config.array == ARRAY
    compare(board, shapes, requantized=requantized)


@pytest.mark.regress
def test_on_one_thread_weights_may_be_dense(board):
    x, w = operands(1, 3, 5, 2, kept=4)
    w[:4] = 1
    np.testing.assert_array_equal(board.matmul(x, w, threads=1).values, x.astype(np.int64) @ w)


@pytest.mark.regress
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_two_pairs(threads):
    array = ARRAY.with_fields(pairs=2, window="5opt", cols=2)
    compare(Board(SimulatedTransport(small(array=array)), timeout=1), [(3, 21, 3)], threads)


@pytest.mark.regress
def test_the_command_line_multiplies_on_a_board(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = small(array=ARRAY)
    x, w = operands(5, 3, 40, 5)
    np.save("X.npy", x)
    np.save("W.npy", w)
    np.save("dense.npy", np.ones_like(w))
    with VirtualBoard(config) as virtual:
        assert main(["matmul", "X.npy", "W.npy", "--on", virtual.port, "-o", "O.npy"]) == 0
        np.testing.assert_array_equal(np.load("O.npy"), matmul(x, w, ARRAY.pe).sums)
        capsys.readouterr()
        with Board(SerialTransport(virtual.port)) as board:
            x, w = operands(6, 16, 64, 12)
            product = board.matmul(x, w)
            np.testing.assert_array_equal(product.values, matmul(x, w, ARRAY.pe).sums)
            # Four operands of K a step, and a step in every cycle between the first and the last one of a run.
            assert product.figures["span"] == product.figures["steps"] == 16 * 6 * 16
        assert main(["matmul", "X.npy", "dense.npy", "--on", virtual.port]) == 2
    assert re.search(
        r": w must have at most 2 non-zero weights in each group .*, not 4 from row 0 on", capsys.readouterr().err
    )


def test_dense_weights_are_refused_before_anything_is_sent(board):
    x, w = operands(2, 3, 8, 5, kept=2)
    w[4:8, 4] = 1
    sent = board.link.sent
    message = (
        "w must have at most 2 non-zero weights in each group of 4 along K with stc = True, not 4 from row 4 on in "
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}column 4; prune it to 2:4, or run fewer threads$"):
        board.matmul(x, w)
    assert board.link.sent == sent


@pytest.mark.parametrize("pairs", PAIRS)
@pytest.mark.parametrize("lanes", [1, 3])
def test_words_have_two_weights_of_four_and_their_places(pairs, lanes):
    """Bytes as a reader of the gates' layout finds them."""
    pe = SparqConfig(pairs=pairs, stc=True)
    config = ArrayConfig(rows=1, cols=lanes, pe=pe)
    _, w = operands(pairs, 1, 37, lanes)
    steps, words = (f(w, Tile(0, 0, 1, lanes), config, pe.threads) for f in (w_steps, w_words))
    assert words.shape == (pe.steps(37), pe.weight_bytes(lanes))
    assert pe.weight_bytes(lanes) == -(-lanes * pe.threads * 10 // 8)
    for step, word in zip(steps, words, strict=True):
        bits = int.from_bytes(word.tobytes(), "little")
        assert bits < 1 << stored(pe, lanes).size
        view = stored(pe, lanes).from_bits(bits)
        assert isinstance(view, data.Const)
        for lane in range(lanes):
            found = np.zeros(pe.products, np.int8)
            for pair in range(pairs):
                for t in (pair, pair + pairs):
                    found[group(pe, pair)[view.place[lane][t]]] += view.w[lane][t]
            np.testing.assert_array_equal(found, step[lane])


def test_a_word_takes_five_eighths_of_the_bytes():
    sparse, plain = (
        AccelConfig(array=ArrayConfig().with_fields(kind="sparq", target="fpga", **f))
        for f in ({"stc": True}, {"pairs": 2})
    )
    assert 8 * sparse.w_bytes == 5 * plain.w_bytes
    assert sparse.x_bytes == plain.x_bytes


@pytest.mark.parametrize("config", [small(array=ARRAY), AccelConfig(array=ARRAY.with_fields(pairs=4, window="2opt"))])
def test_the_registers_say_it(config):
    assert config_of(identity(config, "0.1.0")) == config


def stored_edges():
    """What PEs get of stored weights is what they get of the weights; of threads that do not run nothing is."""
    random = np.random.default_rng(3)
    for pairs in PAIRS:
        pe = SparqConfig(pairs=pairs, stc=True)
        _, w = operands(pairs, 1, 4 * pairs * 5, 1)
        steps = w_steps(w, Tile(0, 0, 1, 1), ArrayConfig(rows=1, cols=1, pe=pe), pe.threads)
        words = golden_of(pe).w_stored(steps, pe, pe.threads)
        np.testing.assert_array_equal(golden_of(pe).w_read(words, 1, pe, pe.threads), steps)
        asked, plain = StoredWeights(pe), WeightSelector(pe)
        m = Module()
        m.submodules += [asked, plain]

        async def check(ctx, pe=pe, steps=steps, words=words, asked=asked, plain=plain):
            for step, word in zip(steps, words, strict=True):
                view = stored(pe, 1).from_bits(int.from_bytes(word.tobytes(), "little"))
                given = selected(pe).const([{"w": view.w[0][t], "place": view.place[0][t]} for t in range(pe.threads)])
                for edge, value in ((asked, given), (plain, plain.i.shape().const([int(v) for v in step[0]]))):
                    ctx.set(edge.i, value)
                    ctx.set(edge.runs, -1)
                assert ctx.get(asked.o).as_bits() == ctx.get(plain.o).as_bits()
                assert ctx.get(asked.live) == sum(1 << t for t in range(pe.products) if step[0, t])
                if pe.pairs > 1:
                    continue
                ctx.set(asked.runs, 0b0011)
                ctx.set(asked.i, selected(pe).from_bits(int(random.integers(1 << selected(pe).size))))
                assert ctx.get(asked.o)[0].w == ctx.get(asked.i)[0].w
                assert ctx.get(asked.o)[0].place == ctx.get(asked.o)[1].place == ctx.get(asked.i)[0].place

        simulator = Simulator(m)
        simulator.add_testbench(check)
        simulator.run()


def test_stored_weights_reach_pes_as_weights_do():
    stored_edges()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Mux(self.runs[lanes[1] * per_thread], two.place, one.place)", "two.place"),
        ("(two.w.any() & (second.place == i))", "(two.w.any() & (first.place == i))"),
    ],
)
def test_a_seeded_bug_is_caught(right, wrong):
    with seeded_bug("sysmt.hdl.pe.sparq_stc", "StoredWeights", right, wrong), pytest.raises(AssertionError):
        stored_edges()


LISTED = AccelConfig(
    array=ARRAY.with_fields(rows=2, cols=4, counters=False),
    **{"depth": 16, "result_rows": 16, "channels": 8, "link": "axi", "data_width": 64},
)


@pytest.mark.regress
def test_command_lists_on_axi():
    with SimulatedBus(LISTED, latency=9, stall=0.2) as bus:
        for seed, (shape, threads, requantized) in enumerate(
            [((7, 90, 9), 2, False), ((2, 3, 4), 1, False), ((5, 40, 7), 2, True), ((1, 1, 1), 2, True)]
        ):
            x, w = operands(seed, *shape, kept=2 if threads == 2 else 4)
            unit = scaling(shape[2]) if requantized else None
            plan = Plan(x, w, LISTED, threads, requantized)
            assert plan.on_board == requantized
            maker = ListPlan(plan, threads, 0x2000, unit)
            listed = maker.listed()
            bus.memory[0x2000 : 0x2000 + len(listed.data)] = listed.data
            assert bus.do(listed.commands, 0x400) == (ListError.NONE, len(listed.commands))
            sums = matmul(x, w, LISTED.array.pe, threads).sums
            wanted = sums if unit is None else unit(sums)
            np.testing.assert_array_equal(maker.outputs(bus.memory, listed.results, shape[2]), wanted)
