# SPDX-License-Identifier: Apache-2.0
"""Accelerators whose PEs take a zero point off: RUN has it, sums and requantised values are the golden model's."""

import re

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.boards.driver import Board
from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.command_list import ListError, commands_of
from sysmt.hdl.params.protocol import Opcode, arguments_of
from sysmt.hdl.params.registers import config_of, identity
from sysmt.sim.cosim.bus import SimulatedBus
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.golden.zero_point import absorbed

from .accel import SimulatedTransport, small
from .mutants import seeded_bug

ARRAY = ArrayConfig(rows=2, cols=2).with_fields(kind="sparq", signed_window=True, target="fpga")
COUNTS = ("active", "busy", "collisions", "reduced", "alone")


def operands(m, k, n, zero, seed=0):
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (m, k), np.uint8)
    x[random.random((m, k)) < 0.3] = zero
    return x, random.integers(-128, 128, (k, n), np.int8)


def scaling(n, bias=0):
    random = np.random.default_rng(n)
    return Requantize(
        bias=bias + random.integers(-5000, 5000, n),
        multiplier=random.integers(2**30, 2**31, n),
        shift=random.integers(-12, -5, n),
        zero_point=-3,
        low=-128,
        high=127,
    )


def compare(board, shapes, zeros):
    """Products of whole sums and of sums that are cut into parts."""
    pe = board.config.array.pe
    for zero in zeros:
        for shape in shapes:
            x, w = operands(*shape, zero)
            golden, product = matmul(x, w, pe, zero=zero), board.matmul(x, w, zero=zero)
            np.testing.assert_array_equal(product.values, golden.sums)
            counted = [product.figures[f"array_{name}"] for name in COUNTS]
            assert counted == [getattr(golden.counters, name) for name in COUNTS]
            unit = scaling(shape[2])
            np.testing.assert_array_equal(board.matmul(x, w, requantize=unit, zero=zero).values, unit(golden.sums))


@pytest.fixture(scope="module")
def board():
    return Board(SimulatedTransport(small(array=ARRAY), pause=0.2), timeout=1)


@pytest.mark.parametrize(
    ("shapes", "zeros"),
    [
        ([(3, 5, 3)], [131]),
        pytest.param([(5, 7, 3), (1, 20, 2)], [0, 131, 255], marks=pytest.mark.regress),
    ],
    ids=["one", "more"],
)
def test_products_equal_the_golden_model(board, shapes, zeros):
    assert board.config.array == ARRAY
    compare(board, shapes, zeros)


@pytest.mark.regress
def test_on_one_thread_products_are_exact(board):
    x, w = operands(3, 5, 2, 77)
    np.testing.assert_array_equal(board.matmul(x, w, threads=1, zero=77).values, x.astype(np.int64) @ w)


@pytest.mark.parametrize("config", [small(array=ARRAY), AccelConfig(array=ARRAY.with_fields(pairs=4, window="6opt"))])
def test_the_registers_say_it(config):
    assert config_of(identity(config, "0.1.0")) == config


@pytest.mark.regress
def test_a_seeded_bug_is_caught():
    bug = ("sysmt.hdl.accel.controller", "Controller", "zero.eq(run.zero)", "zero.eq(run.zero ^ 1)")
    with seeded_bug(*bug), pytest.raises(AssertionError):
        compare(Board(SimulatedTransport(small(array=ARRAY)), timeout=1), [(3, 5, 3)], [131])


LISTED = AccelConfig(
    array=ARRAY.with_fields(cols=4, counters=False),
    **{"depth": 16, "result_rows": 16, "channels": 8, "link": "axi", "data_width": 64},
)


@pytest.mark.regress
def test_command_lists_on_axi():
    with SimulatedBus(LISTED, latency=9, stall=0.2) as bus:
        for seed, (shape, zero, requantized) in enumerate(
            [((7, 50, 9), 99, False), ((2, 3, 4), 0, False), ((5, 20, 7), 200, True), ((1, 1, 1), 255, True)]
        ):
            x, w = operands(*shape, zero, seed)
            unit = scaling(shape[2]) if requantized else None
            plan = Plan(x, w, LISTED, 2, requantized, zero)
            assert plan.on_board == requantized
            maker = ListPlan(plan, 2, 0x2000, unit)
            listed = maker.listed()
            bus.memory[0x2000 : 0x2000 + len(listed.data)] = listed.data
            assert bus.do(listed.commands, 0x400) == (ListError.NONE, len(listed.commands))
            sums = matmul(x, w, LISTED.array.pe, zero=zero).sums
            wanted = sums if unit is None else unit(sums)
            np.testing.assert_array_equal(maker.outputs(bus.memory, listed.results, shape[2]), wanted)


def test_lists_and_frames_without_a_zero_point_are_as_before():
    plain = LISTED.with_fields(array=LISTED.array.with_fields(signed_window=False))
    assert "zero" in arguments_of(LISTED.array.pe)[Opcode.RUN].fields
    assert "zero" not in arguments_of(plain.array.pe)[Opcode.RUN].fields
    for opcode, record in commands_of(plain).items():
        wider = commands_of(LISTED)[opcode]
        assert record.offsets == {name: wider.offsets.get(name, 8) for name in record.fields}


def test_a_bias_beyond_32_bits_is_refused():
    w = np.full((4, 2), [[1, 127]], np.int8)
    unit = Requantize(bias=np.array([0, 2**31 - 1]), multiplier=np.full(2, 2**30), shift=np.zeros(2, int))
    np.testing.assert_array_equal(absorbed(unit, np.zeros_like(w), 255).bias, unit.bias)
    message = "bias + zero * sum of weights must be within 32 bits, not 2147484155 (channel 1); "
    with pytest.raises(UserError, match=f"^{re.escape(message)}read the sums instead"):
        absorbed(unit, w, 1)


def test_an_array_without_zero_points_is_refused_one():
    x, w = operands(2, 3, 2, 9)
    with pytest.raises(UserError, match=r"^zero = 9 needs PEs that take it off \(kind = sparq"):
        Plan(x, w, small(), 1, zero=9)
