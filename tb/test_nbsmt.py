# SPDX-License-Identifier: Apache-2.0
"""Golden NB-SMT: the fast model against the per-element one, and both against what must hold whatever the rule."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.nbsmt import ROUNDINGS
from sysmt.hdl.params.pe import THREADS, PEConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.sim.golden import nbsmt, nbsmt_counters, nbsmt_terms
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Counters

from .references import product as reference
from .references.kinds.nbsmt import pe_step

X_CORNERS = (0, 1, 7, 8, 15, 16, 247, 248, 255)
W_CORNERS = (-128, -8, 7, 8, 119, 120, 127)
PES = [PEConfig(threads=t, policy=p, rounding=r) for t, p, r in product(THREADS, POLICIES, ROUNDINGS)]
RUNS = [(pe, t) for pe in PES for t in THREADS if t <= pe.threads]


def operands(seed: int, m: int, k: int, n: int, zeros: float = 0.3, narrow: float = 0.3):
    """Random operands of which about the given shares are zero, and narrow."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (m, k))
    w = rng.integers(-128, 128, (k, n))
    x = np.where(rng.random(x.shape) < narrow, x % 16, x) * (rng.random(x.shape) >= zeros)
    w = np.where(rng.random(w.shape) < narrow, w >> 4, w) * (rng.random(w.shape) >= zeros)
    return x.astype(np.uint8), w.astype(np.int8)


def assert_models_agree(x, w, pe, threads=None):
    fast, slow = matmul(x, w, pe, threads), reference.matmul(x, w, pe, threads)
    np.testing.assert_array_equal(fast.sums, slow.sums)
    assert fast.counters == slow.counters


def label(value):
    return "-".join(map(str, (value.threads, value.policy, value.rounding))) if isinstance(value, PEConfig) else None


@pytest.mark.parametrize(("pe", "threads"), RUNS, ids=label)
def test_fast_model_equals_reference(pe, threads):
    assert_models_agree(*operands(1, 4, 19, 3), pe, threads)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 23), st.integers(1, 5)),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    run=st.sampled_from(RUNS),
)
def test_fast_model_equals_reference_for_any_shape_and_density(seed, shape, shares, run):
    assert_models_agree(*operands(seed, *shape, *shares), *run)


@pytest.mark.parametrize("pe", [pe for pe in PES if pe.threads == 2], ids=label)
def test_two_threads_corner_operands_crossed(pe):
    # 81 rows x 49 columns: every pair of corner pairs meets in one step, one output each.
    x = np.array(list(product(X_CORNERS, repeat=2)), np.uint8)
    w = np.array(list(product(W_CORNERS, repeat=2)), np.int8).T
    assert_models_agree(x, np.ascontiguousarray(w), pe)


@pytest.mark.parametrize("pe", [pe for pe in PES if pe.threads == 4], ids=label)
def test_four_threads_corner_operands_crossed(pe):
    # All 6561 x 2401 meetings would take the reference an hour. Every corner pair meets 0 to 3 other active threads, in
    # every position; and a random part of the whole cross.
    assert_models_agree(*corner_sample(7, 40), pe)
    pairs = list(product(X_CORNERS, W_CORNERS))
    for position, company in product(range(4), range(4)):
        others = [(16, 120)] * company + [(0, 127), (255, 0), (0, 0)][company:]
        for pair in pairs:
            step = others[:position] + [pair] + others[position:]
            value, counted = pe_step(step, pe)
            x, w = np.array(step).T
            fast = _one_step(x, w, pe)
            assert fast == (value, counted), step


def corner_sample(seed, size):
    """One step of four threads: `size` rows and columns of corner operands."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array(X_CORNERS, np.uint8), (size, 4)), rng.choice(np.array(W_CORNERS, np.int8), (4, size))


def _one_step(x, w, pe):
    found = matmul(x.astype(np.uint8)[None, :], w.astype(np.int8)[:, None], pe)
    return int(found.sums[0, 0]), found.counters


@pytest.mark.parametrize("pe", PES, ids=label)
def test_one_thread_is_the_exact_product(pe):
    x, w = operands(2, 9, 40, 7)
    found = matmul(x, w, pe, threads=1)
    np.testing.assert_array_equal(found.sums, x.astype(np.int64) @ w.astype(np.int64))
    active = int(((x != 0)[:, :, None] & (w != 0)[None]).sum())
    assert found.counters == Counters(active=active, busy=active)


@pytest.mark.parametrize("pe", [pe for pe in PES if pe.threads == 4], ids=label)
def test_throttled_array_is_the_smaller_array(pe):
    x, w = operands(3, 6, 21, 5)
    small = PEConfig(threads=2, policy=pe.policy, rounding=pe.rounding)
    throttled, alone = matmul(x, w, pe, threads=2), matmul(x, w, small)
    np.testing.assert_array_equal(throttled.sums, alone.sums)
    assert throttled.counters == alone.counters


@pytest.mark.parametrize("pe", [pe for pe in PES if pe.rules.detects_zeros and pe.threads > 1], ids=label)
def test_sparsity_alone_is_exact(pe):
    # Only the first thread's part of K is non-zero: nothing ever collides.
    x, w = operands(4, 8, 32, 8, zeros=0)
    x[:, 32 // pe.threads :] = 0
    found = matmul(x, w, pe)
    np.testing.assert_array_equal(found.sums, x.astype(np.int64) @ w.astype(np.int64))
    assert found.counters.collisions == found.counters.reduced == 0
    assert found.counters.active == found.counters.busy > 0


@pytest.mark.parametrize("pe", [pe for pe in PES if pe.policy not in ("S", "min")], ids=label)
def test_narrow_operands_are_exact(pe):
    x, w = operands(5, 8, 32, 8, narrow=1)
    found = matmul(x, w, pe)
    np.testing.assert_array_equal(found.sums, x.astype(np.int64) @ w.astype(np.int64))
    assert found.counters.reduced == 0


@pytest.mark.parametrize("threads", THREADS)
def test_largest_sums_stay_exact(threads, monkeypatch):
    # The longest K at the largest magnitudes; float32 rounds them when the product is not cut.
    pe = PEConfig(threads=threads, policy="S+A")
    x = np.full((1, pe.k_max), 255, np.uint8)
    w = np.full((pe.k_max, 1), 127, np.int8)
    steps = pe.steps(pe.k_max)
    short = threads * steps - pe.k_max  # steps in which the last thread has run out of K
    full = pe_step([(255, 127)] * threads, pe)[0]
    last = pe_step([(255, 127)] * (threads - 1) + [(0, 0)], pe)[0]
    expected = full * (steps - short) + last * short
    assert matmul(x, w, pe).sums[0, 0] == expected
    monkeypatch.setattr(nbsmt, "FLOAT32_EXACT", 2**40)
    assert matmul(x, w, pe).sums[0, 0] != expected


@pytest.mark.parametrize(
    "sizes",
    [
        {"FLOAT32_EXACT": 2**20},
        {"FLOAT32_EXACT": 2**20, "WEIGHT_VALUES": 1},
        {"OPERAND_VALUES": 1000},
        {"BAND_VALUES": 1},
        {"FLOAT32_EXACT": 2**20, "WEIGHT_VALUES": 2000, "OPERAND_VALUES": 2000, "BAND_VALUES": 1},
    ],
    ids=lambda sizes: "-".join(sizes),
)
@pytest.mark.parametrize("threads", THREADS)
def test_cutting_the_work_changes_nothing(sizes, threads, monkeypatch):
    pe = PEConfig(threads=threads)
    x, w = operands(9, 37, 150, 5)
    whole = matmul(x, w, pe)
    for name, size in sizes.items():
        monkeypatch.setattr(nbsmt, name, size)
    monkeypatch.setattr(nbsmt, "workers", lambda: 3)
    np.testing.assert_array_equal(matmul(x, w, pe).sums, whole.sums)


def test_min_counts_the_padding():
    pe = PEConfig(threads=4, policy="min")
    found = matmul(np.zeros((3, 5), np.uint8), np.zeros((5, 2), np.int8), pe)
    assert found.counters == Counters(reduced=3 * 2 * 4 * 2)


def test_counters_add_up():
    assert Counters(1, 2, 3, 4) + Counters(10, 20, 30, 40) == Counters(11, 22, 33, 44)


X, W = np.zeros((2, 3), np.uint8), np.zeros((3, 4), np.int8)


@pytest.mark.parametrize(
    ("x", "w", "threads", "message"),
    [
        (X.astype(float), W, None, "x must be a uint8 array [M, K], not float64 [2, 3]; quantise and reshape it first"),
        (X, W.astype(np.uint8), None, "w must be a int8 array [K, N], not uint8 [3, 4]; quantise and reshape it first"),
        (X[0], W, None, "x must be a uint8 array [M, K], not uint8 [3]; quantise and reshape it first"),
        ([[1]], W, None, "x must be a uint8 array [M, K], not list; quantise and reshape it first"),
        (X, W.T.copy(), None, "x [M, K] and w [K, N] must agree in K, not 3 and 4; transpose or slice one of them"),
        (X[:, :0], W[:0], None, "K must be at least 1, not 0"),
        (X[:0], W, None, "M, the rows of x, must be at least 1, not 0"),
        (X, W[:, :0], None, "N, the columns of w, must be at least 1, not 0"),
        (X, W, 4, "threads must be one of 1, 2, not 4"),
    ],
)
def test_unusable_operands_are_refused(x, w, threads, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        matmul(x, w, PEConfig(threads=2), threads)


def test_k_that_could_overflow_is_refused():
    pe = PEConfig(acc_width=20)
    x, w = operands(6, 1, pe.k_max + 1, 1)
    with pytest.raises(UserError, match=r"^K = 17 could overflow acc_width = 20: at most 16 fit; "):
        matmul(x, w, pe)


@pytest.fixture
def no_remembered_rules():
    """Rules are tabulated once per configuration: forget them before and after a bug is planted."""
    for table in (nbsmt_terms.terms, nbsmt_counters._per_meeting):
        table.cache_clear()
    yield
    for table in (nbsmt_terms.terms, nbsmt_counters._per_meeting):
        table.cache_clear()


def _swapped_reduced(pe, x_wide, w_wide, active, threads):
    return active & w_wide


SEEDED_BUGS = {
    "x rounds up to 256": (nbsmt_terms, "reduce_x", lambda x, mode: 16 * ((x + 8) >> 4)),
    "w truncated for nearest": (nbsmt_terms, "reduce_w", lambda w, mode: 16 * (w >> 4)),
    "15 taken as wide": (nbsmt_terms, "fits_x", lambda x: x < 15),
    "-8 taken as wide": (nbsmt_terms, "fits_w", lambda w: (w > -8) & (w < 8)),
    "reduced by the wrong operand": (nbsmt_counters, "_reduced", _swapped_reduced),
    "16 counted as narrow": (nbsmt_counters, "fits_x", lambda x: x <= 16),
}


@pytest.mark.usefixtures("no_remembered_rules")
@pytest.mark.parametrize("bug", SEEDED_BUGS)
def test_comparison_catches_a_seeded_bug(bug, monkeypatch):
    pe = PEConfig(threads=4, policy="S+A")
    x, w = corner_sample(8, 20)
    assert_models_agree(x, w, pe)
    nbsmt_terms.terms.cache_clear()
    nbsmt_counters._per_meeting.cache_clear()
    monkeypatch.setattr(*SEEDED_BUGS[bug])
    with pytest.raises(AssertionError):
        assert_models_agree(x, w, pe)
