# SPDX-License-Identifier: Apache-2.0
"""Golden SPARQ (Shomron et al., NeurIPS 2021): against the authors' check values, and against the slow reference."""

import hashlib
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.sparq import PAIRS, TRIMS, WINDOWS, SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.sparq import SparqCounters, trimmed
from sysmt.sim.nn.engines import Golden

from .references import product as reference
from .references.kinds.sparq import Sparq

CHECK_VALUES = {
    ("2opt", "raw"): (30840, "faedcc8cfcfa"),
    ("3opt", "raw"): (31128, "5d83a2e3af07"),
    ("5opt", "raw"): (31400, "6b58d91acbda"),
    ("6opt", "raw"): (30036, "731f29ecfe43"),
    ("7opt", "raw"): (27306, "34e2636efdef"),
    ("2opt", "round"): (32520, "df02ae7327c7"),
    ("3opt", "round"): (32504, "bcb431c2e23e"),
    ("5opt", "round"): (32470, "2f33f4bda202"),
    ("6opt", "round"): (31958, "ceda0d4dd833"),
    ("7opt", "round"): (29910, "65f44468b819"),
}
"""Sum and SHA-1 of the 256 results, from the authors' code."""
PES = [
    SparqConfig(window=window, trim=trim, vsparq=vsparq, pairs=pairs)
    for window, trim, vsparq, pairs in product(WINDOWS, TRIMS, (True, False), PAIRS)
]
RUNS = [(pe, t) for pe in PES for t in pe.throttles]
WEIGHTS = np.array([-128, -127, -65, -64, -17, -8, -2, -1, 1, 3, 7, 16, 63, 85, 126, 127], np.int8)


def label(value):
    if isinstance(value, PEConfig):
        return "-".join(map(str, (value.window, value.trim, "vsparq" if value.vsparq else "always", value.pairs)))
    return None


def operands(seed, m, k, n, zeros=0.4):
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (m, k)) * (random.random((m, k)) >= zeros)
    w = random.integers(-128, 128, (k, n)) * (random.random((k, n)) >= 0.2)
    return x.astype(np.uint8), w.astype(np.int8)


def assert_models_agree(x, w, pe, threads):
    fast, slow = matmul(x, w, pe, threads), reference.matmul(x, w, pe, threads)
    np.testing.assert_array_equal(fast.sums, slow.sums)
    assert fast.counters == slow.counters


@pytest.mark.parametrize(("mode", "expected"), CHECK_VALUES.items(), ids=lambda v: "-".join(map(str, v)))
def test_check_values_of_the_authors(mode, expected):
    window, trim = mode
    values = trimmed(WINDOWS[window], trim)
    assert (int(values.sum()), hashlib.sha1(values.tobytes()).hexdigest()[:12]) == expected


@pytest.mark.parametrize("mode", CHECK_VALUES, ids="-".join)
def test_all_pairs_of_activations_at_sixteen_weights(mode):
    window, trim = mode
    pe = SparqConfig(window=window, trim=trim)
    a, b = (values.ravel() for values in np.meshgrid(np.arange(256), np.arange(256)))
    x = np.stack([a, b], axis=1).astype(np.uint8)
    w = np.stack([WEIGHTS, WEIGHTS[::-1]])
    sums = matmul(x, w, pe).sums
    for i in range(0, len(x), 97):  # coprime to 256: all classes of both activations
        row = [Sparq()(list(zip(x[i].tolist(), w[:, n].tolist(), strict=True)), pe)[0] for n in range(16)]
        assert sums[i].tolist() == row
    narrow = trimmed(pe.narrow, trim).astype(int)
    wide = trimmed(pe.narrow.alone, trim).astype(int)
    kept = np.where(b == 0, wide[a], narrow[a]), np.where(a == 0, wide[b], narrow[b])
    np.testing.assert_array_equal(sums, np.outer(kept[0], w[0]) + np.outer(kept[1], w[1]))


@pytest.mark.parametrize(("pe", "threads"), RUNS, ids=label)
def test_fast_model_equals_reference(pe, threads):
    assert_models_agree(*operands(2, 4, 21, 3), pe, threads)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 23), st.integers(1, 5)),
    zeros=st.floats(0, 1),
    run=st.sampled_from(RUNS),
)
def test_fast_model_equals_reference_on_any_shape(seed, shape, zeros, run):
    assert_models_agree(*operands(seed, *shape, zeros), *run)


@pytest.mark.parametrize(("pe", "threads"), [(pe, t) for pe, t in RUNS if t < pe.threads], ids=label)
def test_throttled_is_exact(pe, threads):
    x, w = operands(3, 5, 34, 6, zeros=0.1)
    np.testing.assert_array_equal(matmul(x, w, pe, threads).sums, x.astype(np.int32) @ w)


@pytest.mark.parametrize("window", ["2opt", "3opt", "5opt"])
def test_one_pair_with_a_zero_is_exact_in_four_bits(window):
    x, w = operands(4, 6, 30, 5, zeros=0)
    x[:, 1::2] = 0
    np.testing.assert_array_equal(matmul(x, w, SparqConfig(window=window)).sums, x.astype(np.int32) @ w)


@pytest.mark.parametrize("pairs", PAIRS)
@pytest.mark.parametrize("k", [1, 2, 7, 8, 9, 31])
def test_neighbours_share_a_pair(pairs, k):
    pe = SparqConfig(pairs=pairs)
    order = golden_of(pe).k_order(k, pe, pe.threads)
    assert order.shape == (pe.threads, -(-k // (2 * pairs)))
    assert (order[:pairs] % 2 == 0).all()
    np.testing.assert_array_equal(order[pairs:], order[:pairs] + 1)
    np.testing.assert_array_equal(np.sort(order.ravel()), np.arange(order.size))


def test_more_pairs_change_steps_and_nothing_else():
    x, w = operands(5, 4, 37, 5)
    found = [matmul(x, w, SparqConfig(pairs=pairs)) for pairs in PAIRS]
    for other in found[1:]:
        np.testing.assert_array_equal(other.sums, found[0].sums)
        assert other.counters == found[0].counters
    assert [SparqConfig(pairs=pairs).steps(37) for pairs in PAIRS] == [19, 10, 5]


@pytest.mark.parametrize("value", [-128, 127])
def test_the_longest_reduction_does_not_overflow(value):
    pe = SparqConfig(acc_width=20)
    pe.check_k(pe.k_max)
    x, w = np.full((1, pe.k_max), 255, np.uint8), np.full((pe.k_max, 1), value, np.int8)
    for threads in pe.throttles:
        assert abs(int(matmul(x, w, pe, threads).sums[0, 0])) < 2**19
    with pytest.raises(ConfigError, match=r"^K = 17 could overflow acc_width = 20: at most 16 fit; "):
        pe.check_k(17)
    with pytest.raises(
        ConfigError,
        match=r"^K = 9 must be at most 8 with window = 7opt, whose exact products take two steps; "
        r"split K or widen acc_width$",
    ):
        SparqConfig(acc_width=20, window="7opt").check_k(9)


@pytest.mark.parametrize("window", ["3opt", "7opt"])
def test_products_by_channel_count_as_they_would_alone(window):
    random = np.random.default_rng(6)
    x = (random.integers(0, 256, (5, 9, 4)) * (random.random((5, 9, 4)) < 0.6)).astype(np.uint8)
    w = random.integers(-128, 128, (9, 8), np.int8)
    pe = SparqConfig(window=window, pairs=2)
    found = Golden(pe).depthwise(x, w)
    alone = [matmul(np.ascontiguousarray(x[:, :, c]), w[:, 2 * c : 2 * c + 2], pe, 1) for c in range(4)]
    np.testing.assert_array_equal(found.sums, np.concatenate([p.sums for p in alone], axis=1))
    assert found.counters == sum((p.counters for p in alone), start=SparqCounters())


def test_pairs_and_threads_follow_one_another():
    assert SparqConfig() == SparqConfig(pairs=1) == SparqConfig(threads=2) == PEConfig(kind="sparq")
    assert SparqConfig(pairs=4).threads == 8
    assert SparqConfig(threads=4).pairs == 2
    array = with_settings(ArrayConfig(), ["kind=sparq"])
    assert array.pe == SparqConfig()
    assert with_settings(array, ["pairs=2"]).pe == SparqConfig(pairs=2)
    assert with_settings(array, ["threads=8"]).pe == SparqConfig(pairs=4)
    assert with_settings(array, ["kind=nbsmt"]).pe == PEConfig(threads=2)
    assert with_settings(ArrayConfig(), ["kind=sparq", "pairs=2", "window=2opt"]).pe == SparqConfig(
        pairs=2, window="2opt"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pairs": 3}, "pairs must be one of 1, 2, 4, not 3"),
        ({"threads": 1}, "threads must be one of 2, 4, 8, not 1"),
        (
            {"threads": 4, "pairs": 1},
            "threads = 4 must be twice pairs = 1; set one of them and leave out the other",
        ),
        ({"window": "4opt"}, "window must be one of 2opt, 3opt, 5opt, 6opt, 7opt, not '4opt' (did you mean 7opt?)"),
        ({"trim": "nearest"}, "trim must be one of round, raw, not 'nearest'"),
        ({"vsparq": 1}, "vsparq must be one of False, True, not 1"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        SparqConfig(**fields)


def test_throttling_beyond_the_pairs_is_refused():
    with pytest.raises(ConfigError, match=r"^threads must be one of 1, 2, 4, not 8$"):
        SparqConfig(pairs=2).throttle(8)
