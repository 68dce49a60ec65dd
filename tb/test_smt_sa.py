# SPDX-License-Identifier: Apache-2.0
"""SMT-SA: the compiled model against a simulation with real operands, against the conventional array, and by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.cost.smt_sa import QUEUES, smt_sa

from .int8_networks import small_content, small_images
from .references.smt_sa import smt_sa as reference


def operands(seed, m, k, n, live_x=0.5, live_w=0.9):
    random = np.random.default_rng(seed)
    x = random.integers(1, 256, (m, k)) * (random.random((m, k)) < live_x)
    w = random.integers(1, 128, (k, n)) * (random.random((k, n)) < live_w)
    return x.astype(np.uint8), w.astype(np.int8)


shapes = st.tuples(*(st.integers(1, high) for high in (3, 3, 7, 13, 7)))


@settings(max_examples=40, deadline=None)
@given(shapes, st.sampled_from((1, 2, 4)), st.sampled_from(QUEUES), st.integers(0, 10), st.integers(0, 1000))
def test_it_takes_the_time_of_a_simulation_with_operands(shape, threads, queue, tenths, seed):
    rows, cols, m, k, n = shape
    x, w = operands(seed, m, k, n, tenths / 10)
    cycles, sums = reference(x, w, rows, cols, threads, queue)
    np.testing.assert_array_equal(sums, x.astype(int) @ w.astype(int))
    run = smt_sa(x, w, SmtSaConfig(rows=rows, cols=cols, threads=threads, queue=queue))
    assert run.cycles == cycles
    assert run.products == np.count_nonzero(x, axis=0) @ np.count_nonzero(w, axis=1)


@pytest.mark.parametrize("shape", [(4, 4, 12, 9, 8), (4, 2, 8, 3, 6), (2, 5, 6, 2, 10), (1, 1, 3, 4, 2)])
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("queue", [1, 3])
def test_without_zeros_it_is_the_conventional_array(shape, threads, queue):
    """With a register in front of the multiplier, in which the operands wait."""
    rows, cols, m, k, n = shape
    k *= threads
    x, w = operands(1, m, k, n, 1, 1)
    conventional = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(pipeline=1))
    run = smt_sa(x, w, SmtSaConfig(rows=rows, cols=cols, threads=threads, queue=queue))
    assert run.cycles == matmul_cycles(m, k, n, conventional)
    assert run.products == m * k * n


@pytest.mark.parametrize(
    ("x", "queue", "cycles"),
    [
        # One PE: operands are there in cycle 1, multiplied from cycle 2 on, one pair per cycle; then the sum is handed
        # over, seen outside, gone.
        ([1, 1, 1, 1], 1, 8),
        ([1, 1, 0, 0], 1, 6),  # two products of one thread: cycles 2 and 3
        ([1, 0, 0, 1], 1, 6),  # cycle 2 the first thread's, cycle 3 the second's, whose step comes a cycle later
        ([0, 0, 0, 0], 1, 5),  # the last pair is skipped in cycle 2
        ([1, 1, 0, 1, 1, 0], 1, 8),  # threads collide in the second step: the third waits
        ([1, 1, 0, 1, 1, 0], 2, 8),
    ],
)
def test_one_element_by_hand(x, queue, cycles):
    column = np.array([x], np.uint8)
    found = smt_sa(column, np.ones((len(x), 1), np.int8), SmtSaConfig(rows=1, cols=1, threads=2, queue=queue))
    assert found.cycles == cycles
    assert found.products == sum(x)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threads", [2, 4])
def test_deeper_queues_are_not_slower_and_threads_bound_the_speed_up(seed, threads):
    m, k, n = 24, 72, 16
    x, w = operands(seed, m, k, n, (seed + 1) / 7)
    base = SmtSaConfig(rows=8, cols=8, threads=threads)
    cycles = [smt_sa(x, w, SmtSaConfig(rows=8, cols=8, threads=threads, queue=depth)).cycles for depth in QUEUES]
    assert cycles == sorted(cycles, reverse=True)
    one = matmul_cycles(m, k, n, base.conventional)
    assert 1 < one / cycles[0] <= one / cycles[-1] <= threads
    assert cycles[-1] >= np.count_nonzero(x, axis=0) @ np.count_nonzero(w, axis=1) / (8 * 8)


def test_a_mistake_is_one_line():
    with pytest.raises(UserError, match=r"^queue must be an integer from 1 to 64, not 0$"):
        SmtSaConfig(queue=0)
    with pytest.raises(UserError, match=r"^threads must be one of 1, 2, 4, not 3$"):
        SmtSaConfig(threads=3)
    x, w = operands(0, 2, 3, 2)
    with pytest.raises(UserError, match=r"^x \[M, K\] and w \[K, N\] must agree in K and not be empty, not \(2, 2\) "):
        smt_sa(x[:, :2], w, SmtSaConfig())


@pytest.fixture
def files(tmp_path):
    (tmp_path / "m.tflite").write_bytes(small_content())
    np.savez(tmp_path / "in.npz", images=small_images(6))
    return tmp_path


def infer(folder, capsys, *options):
    code = main(["infer", str(folder / "m.tflite"), str(folder / "in.npz"), *options])
    return code, capsys.readouterr()


def test_infer_compares_it_with_the_other_kinds(files, capsys):
    code, said = infer(files, capsys, "--pe", "smt-sa", "--threads", "4", "--size", "4", "--json")
    report = json.loads(said.out)
    assert code == 0
    assert (report["threads"], report["inputs"], report["simulated"]) == (4, 6, 6)
    assert [row["queue"] for row in report["queues"]] == [1, 2, 4, 8]
    speeds = [row["speedup"] for row in report["queues"]]
    assert speeds == sorted(speeds)
    assert [row["pe"] for row in report["beside"]] == ["nbsmt S+A", "sparq 3opt"]
    assert report["cycles_exact"] == sum(row["cycles_exact"] for row in report["layers"])
    assert sum(row["cycles"][0] for row in report["layers"]) == pytest.approx(report["queues"][0]["cycles"])
    depthwise = next(row for row in report["layers"] if row["kind"] == "depthwise")
    assert set(depthwise["cycles"]) == {depthwise["cycles_exact"]}
    exact = json.loads(infer(files, capsys, "--preset", "os4", "--json")[1].out)
    assert exact["cycles"] == report["cycles_exact"]
    code, said = infer(files, capsys, "--pe", "smt-sa", "--queue", "3", "--size", "4")
    assert code == 0
    assert "smt-sa, queue 3" in said.out
    assert "sparq 3opt" in said.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--queue", "2"], "--queue must come with --pe smt-sa: sysmt2_8 and its like have no queues"),
        (
            ["--pe", "smt-sa", "--policy", "S"],
            "--pe smt-sa must come without --policy: it is exact, and a model of cycles; leave one of them out",
        ),
        (
            ["--pe", "smt-sa", "--on", "rtl"],
            "--pe smt-sa must come without --on rtl: it is exact, and a model of cycles; leave one of them out",
        ),
        (["--pe", "smt-sa", "--threads", "1"], "--threads must be 2 or 4 with --pe smt-sa, not 1"),
        (["--pe", "smt-sa", "--queue", "0"], "queue must be an integer from 1 to 64, not 0"),
    ],
)
def test_options_that_do_not_go_together(files, capsys, options, message):
    code, said = infer(files, capsys, *options)
    assert code == 2
    assert said.err == f"sysmt infer: error: {message}\n"
