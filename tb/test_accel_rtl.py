# SPDX-License-Identifier: Apache-2.0
"""The accelerator's RTL under the unchanged driver, byte by byte, with stalls and without; seeded bugs are found."""

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.boards.driver import Board
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.protocol import Opcode, Status, Target, pack
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.golden.tiling import tiles

from .accel import SimulatedTransport, small, status_of
from .mutants import one_bug_per_component, seeded_bug

SHAPES = [(1, 1, 1), (2, 16, 1), (5, 3, 2), (3, 20, 3)]


def operands(m: int, k: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (m, k), dtype=np.uint8), random.integers(-128, 128, (k, n), dtype=np.int8)


def scaling(n: int, variant: str, low: int = -128, seed: int = 0) -> Requantize:
    random = np.random.default_rng(seed)
    return Requantize(
        bias=random.integers(-5000, 5000, n),
        multiplier=random.integers(2**30, 2**31, n),
        shift=random.integers(-12, -5, n),
        zero_point=-3,
        low=low,
        high=low + 255,
        variant=variant,
    )


@pytest.fixture(scope="module")
def board():
    return Board(SimulatedTransport(small(), pause=0.2), timeout=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_products_equal_the_golden_model(board, shape):
    x, w = operands(*shape)
    product = board.matmul(x, w)
    assert np.array_equal(product.values, matmul(x, w, board.config.array.pe).sums)
    assert product.figures["steps"] == len(tiles(shape[0], shape[2], board.config.array)) * -(-shape[1] // 2)
    assert product.figures["steps"] <= product.figures["span"] <= product.figures["cycles"]
    assert product.repeated == 0


def test_a_product_may_run_on_fewer_threads(board):
    x, w = operands(2, 6, 2)
    exact = x.astype(np.int64) @ w.astype(np.int64)
    assert np.array_equal(board.matmul(x, w, threads=1).values, exact)
    assert not np.array_equal(board.matmul(x, w).values, exact)


@pytest.mark.parametrize("variant", ["single", "double"])
@pytest.mark.parametrize("low", [-128, 0])
def test_requantised_products_equal_the_golden_model(board, variant, low):
    x, w = operands(4, 5, 3)
    unit = scaling(3, variant, low)
    assert np.array_equal(board.matmul(x, w, requantize=unit).values, unit(matmul(x, w, board.config.array.pe).sums))


def test_sums_cut_into_parts_are_requantised_by_the_host(board):
    x, w = operands(2, 20, 1)
    unit = scaling(1, "double")
    assert np.array_equal(board.matmul(x, w, requantize=unit).values, unit(matmul(x, w, board.config.array.pe).sums))


def test_a_sum_beyond_32_bits_is_reported(board):
    x, w = operands(2, 4, 1)
    unit = Requantize(bias=np.full(1, 2**31 - 1), multiplier=np.full(1, 2**30), shift=np.zeros(1, int))
    with pytest.raises(UserError, match="within 32 bits"):
        board.matmul(np.full_like(x, 255), np.full_like(w, 127), requantize=unit)


@pytest.mark.parametrize(
    "array",
    [
        ArrayConfig(rows=1, cols=1, pe=PEConfig(acc_width=17, target="fpga")),
        ArrayConfig(
            rows=3, cols=2, counters=False, drain="in_place", pe=PEConfig(acc_width=24, pipeline=1, target="fpga")
        ),
        ArrayConfig(rows=2, cols=2, pe=PEConfig(threads=4, policy="S+Aw", target="fpga")),
    ],
    ids=["1x1", "in_place", "4 threads"],
)
def test_other_arrays(array):
    board = Board(SimulatedTransport(small(array=array, requantize=array.rows == 3)), timeout=1)
    assert board.config.array == array
    x, w = operands(4, min(5, array.pe.k_max), 5)
    golden = matmul(x, w, array.pe)
    product = board.matmul(x, w)
    assert np.array_equal(product.values, golden.sums)
    names = ("active", "busy", "collisions", "reduced") if array.counters else ()
    counted = {n.removeprefix("array_"): value for n, value in product.figures.items() if n.startswith("array_")}
    assert {n: counted[n] for n in names} == {n: getattr(golden.counters, n) for n in names}
    assert bool(counted) == array.counters
    unit = scaling(5, "double")
    assert np.array_equal(board.matmul(x, w, requantize=unit).values, unit(golden.sums))


def test_the_smallest_memories():
    """Of two words each, in either half: the lowest bit of an address is all of it."""
    board = Board(SimulatedTransport(small(depth=2, result_rows=2, channels=2, slots=2)), timeout=1)
    x, w = operands(3, 4, 2)
    golden = matmul(x, w, board.config.array.pe).sums
    unit = scaling(2, "single")
    assert np.array_equal(board.matmul(x, w).values, golden)
    assert np.array_equal(board.matmul(x, w, requantize=unit).values, unit(golden))


def write(number: int, target: int = Target.X, address: int = 0) -> bytes:
    return pack(Opcode.WRITE, run=number, target=target, address=address)


def order(number: int, **changes: int) -> bytes:
    sizes = {"steps": 1, "m_tiles": 1, "n_tiles": 1, "rows": 2, "cols": 1, "threads": 1} | changes
    return pack(Opcode.RUN, run=number, **sizes)


def asks(number: int, first: int = 0, rows: int = 1) -> bytes:
    scale = dict.fromkeys(("channel", "zero_point", "low", "high", "requantize", "double"), 0)
    return pack(Opcode.READ, run=number, first=first, rows=rows, **scale)


def test_requests_that_come_twice_or_out_of_turn(board):
    """The rules of runs, one by one, on a board that has done some."""
    board.matmul(*operands(2, 4, 1))
    issued = board.registers()["runs"] & 0xFFFF
    steps = board.config.x_bytes

    ok, refused, malformed = Status.OK, Status.REFUSED, Status.MALFORMED
    assert status_of(board, Opcode.WRITE, write(issued) + b"\xff" * steps) is ok
    assert status_of(board, Opcode.WRITE, write(issued + 3) + bytes(steps)) is refused
    assert status_of(board, Opcode.WRITE, write(issued + 1, target=7) + bytes(steps)) is refused
    assert status_of(board, Opcode.WRITE, write(issued + 1) + bytes(steps - 1)) is malformed
    assert status_of(board, Opcode.WRITE, write(issued + 1)) is malformed
    assert status_of(board, Opcode.RUN, order(issued + 2)) is refused
    for wrong in (
        {"steps": 0},
        {"steps": 99},
        {"m_tiles": 0},
        {"n_tiles": 0},
        {"rows": 3},
        {"cols": 0},
        {"threads": 2},
    ):
        assert status_of(board, Opcode.RUN, order(issued + 1, **wrong)) is refused, wrong
    assert status_of(board, Opcode.RUN, order(issued + 1)[:-1]) is malformed
    assert status_of(board, Opcode.READ, asks(issued + 1)) is refused
    for first, rows in ((board.config.result_rows, 1), (1, board.config.result_rows), (0xFFFF, 0xFFFF), (0, 0x8000)):
        assert status_of(board, Opcode.READ, asks(issued, first, rows)) is refused, (first, rows)
    assert status_of(board, Opcode.READ, asks(issued, 1, 1)) is ok
    assert status_of(board, Opcode.SYNC, b"abc") is malformed
    before = board.link.ask(Opcode.READ, asks(issued))
    assert status_of(board, Opcode.RUN, order(issued)) is ok
    assert board.registers()["runs"] & 0xFFFF == issued
    assert board.link.ask(Opcode.READ, asks(issued)) == before
    assert status_of(board, Opcode.RUN, order(issued + 1)) is ok
    assert status_of(board, Opcode.READ, asks(issued)) is ok
    assert status_of(board, Opcode.RUN, order(issued + 2, steps=2)) is ok
    assert status_of(board, Opcode.READ, asks(issued)) is Status.STALE
    # The same half again: the write that came too late has not changed it.
    assert board.link.ask(Opcode.READ, asks(issued + 2)) == before
    assert not board.registers()["status"] & 2, "the array has refused a tile"


def test_what_does_not_fit_is_refused(board):
    """Words beyond a memory are not written; a run with tiles beyond one ends, however many, and nothing is read of it.

    The last ones that fit are.
    """
    board.matmul(*operands(2, 4, 1))
    depth, rows = board.config.depth, board.config.array.rows
    most = board.config.result_rows // rows

    def run(**sizes: int) -> int:
        number = (board.registers()["runs"] & 0xFFFF) + 1
        assert status_of(board, Opcode.RUN, order(number, **sizes)) is Status.OK
        return number

    first = run()
    before = board.link.ask(Opcode.READ, asks(first))
    for target, size in ((Target.X, board.config.x_bytes), (Target.W, board.config.w_bytes)):
        ones = b"\x01" * size
        assert status_of(board, Opcode.WRITE, write(first + 2, target, depth) + ones) is Status.REFUSED
        assert status_of(board, Opcode.WRITE, write(first + 2, target, 0xFFFF) + 2 * ones) is Status.REFUSED
        assert status_of(board, Opcode.WRITE, write(first + 2, target, depth - 1) + ones) is Status.OK
        assert status_of(board, Opcode.WRITE, write(first + 2, target, depth - 1) + 2 * ones) is Status.REFUSED
    number = run(m_tiles=most)
    assert status_of(board, Opcode.READ, asks(number, 0, most * rows)) is Status.OK
    assert status_of(board, Opcode.READ, asks(number, 1, most * rows)) is Status.REFUSED
    number = run()  # On the half that was to be written.
    assert number % 2 == first % 2
    assert board.link.ask(Opcode.READ, asks(number)) == before
    number = run(m_tiles=0xFFFF, n_tiles=0xFFFF)
    assert status_of(board, Opcode.READ, asks(number)) is Status.REFUSED
    assert status_of(board, Opcode.READ, asks(number, 0, 0)) is Status.OK
    test_products_equal_the_golden_model(board, (3, 6, 2))


BUGS = [
    ("controller", "Controller", "expected[i] == done", "expected[i] == done + 1"),
    ("controller", "Controller", "self.address.eq(Cat(row, half))", "self.address.eq(Cat(row, ~half))"),
    ("controller", "Controller", "Cat(w_address[:-1], half)", "Cat(step, half)"),
    ("requests", "RequestServer", "with m.If(repeated)", "with m.If(repeated & 0)"),
    ("requests", "RequestServer", "(ahead != 1) | ~legal", "ahead != 1"),
    ("requests", "RequestServer", "with m.Elif(behind > 1)", "with m.Elif(behind > 9)"),
    ("requests", "RequestServer", "self.address.eq(self.address + 1)", "self.address.eq(self.address)"),
    ("requests", "RequestServer", "self.address < depth", "1"),
    ("requests", "RequestServer", "written & inside", "written"),
    ("reader", "ResultReader", "[asked.eq(0), given.eq(0)]", "asked.eq(0)"),
    ("reader", "ResultReader", "total.eq(total >> 8)", "total.eq(total)"),
    ("reader", "ResultReader", "Cat(channel, request.run[0])", "Cat(channel, ~request.run[0])"),
    ("buffers", "Buffer", "self.i.ready.eq(~held | takes)", "self.i.ready.eq(1)"),
    ("registers", "Registers", "overflows.eq(overflows + self.overflow)", "overflows.eq(0)"),
]
CHECKS = (
    lambda b: test_products_equal_the_golden_model(b, (3, 6, 2)),
    lambda b: test_products_equal_the_golden_model(b, (6, 2, 3)),  # tiles so short that operands wait for the drain
    lambda b: test_requantised_products_equal_the_golden_model(b, "single", -128),
    test_requests_that_come_twice_or_out_of_turn,
    test_what_does_not_fit_is_refused,
    test_a_sum_beyond_32_bits_is_reported,
)


@one_bug_per_component(("module", "component", "right", "wrong"), BUGS)
def test_seeded_bugs_are_found(module, component, right, wrong):
    with seeded_bug(f"sysmt.hdl.accel.{module}", component, right, wrong):

        def broken() -> None:
            board = Board(SimulatedTransport(small(), pause=0.2), timeout=0.05)
            board.link.tries = 2
            for check in CHECKS:
                check(board)

        with pytest.raises((AssertionError, UserError, pytest.fail.Exception)):
            broken()


def test_the_extent_of_the_last_tiles_counts():
    """Seen in the counters of the array only."""
    right = "Mux(last_m, run.rows, config.array.rows)"
    with (
        seeded_bug("sysmt.hdl.accel.controller", "Controller", right, "config.array.rows"),
        pytest.raises(AssertionError),
    ):
        test_other_arrays(ArrayConfig(rows=3, cols=1, pe=PEConfig(threads=2, policy="min", target="fpga")))
