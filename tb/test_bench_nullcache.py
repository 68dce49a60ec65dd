# SPDX-License-Identifier: Apache-2.0
"""The sums behind the table of the null cache: savings, bars, and what the approximator may zero."""

import numpy as np
import pytest

from bench import nullcache, nullcache_study
from bench.nullcache import bars
from bench.nullcache_readings import _zeroed, signed
from bench.nullcache_study import Costs, caches, layerwise, savings
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig
from sysmt.sim.nullcache.traces.layers import LayerOperands


def test_savings_are_shares_of_the_plain_cache():
    saved = savings(
        {"plain": Costs(100, 20_000, 5000), "null": Costs(80, 19_000, 5000), "double": Costs(90, 20_000, 5000)}
    )
    assert saved["plain"] == {"misses": 0, "time": 0, "energy": 0}
    assert saved["null"]["misses"] == pytest.approx(20)
    assert saved["null"]["time"] == pytest.approx(5)
    # 5000 accesses and 100 misses are 15,000; the null cache has 2000 less for misses and 3.8 % more for accesses.
    assert saved["null"]["energy"] == pytest.approx(100 * (2000 - 190) / 15_000)
    assert saved["double"]["energy"] == pytest.approx(100 * 1000 / 15_000)


def test_bars_count_rows():
    row = {"misses saved %": 6.0, "time saved %": 5.0, "double: misses %": 6.0, "assumption": "any", "network": "a"}
    row |= {"paper: misses %": 7.0, "paper: time %": 4.9}
    rows = [row, row | {"time saved %": -0.5, "network": "b"}, row | {"double: misses %": 6.1}]
    assert [(bar["found"], bar["of"]) for bar in bars(rows)] == [
        *((2, 3), (1, 2), (2, 3), (-0.5, 3)),
        *((0, 3), (0, 2), (3, 3), (4.9, 3)),
    ]
    alone = [{name: value for name, value in row.items() if not name.startswith("paper")} for row in rows]
    assert {bar["null cache"] for bar in bars(alone)} == {"never waits"}


def test_a_network_on_every_machine(monkeypatch):
    """A row each; one is that of a machine of its own, simulated alone."""
    rng = np.random.default_rng(1)
    x = np.maximum(rng.standard_normal((2, 9, 9)), 0.5).astype(np.float32) - 0.5
    layer = LayerOperands.conv("conv", x, rng.standard_normal((4, 2, 3, 3)).astype(np.float32), pad=1)
    monkeypatch.setattr(nullcache_study, "networks", lambda: {"small": lambda: [layer]})
    base = CacheConfig(size=512, null=NullCacheConfig(entries=8))
    rows = nullcache_study.compare("small", "im2col", "float32", None, base)
    assert [row["assumption"] for row in rows] == list(nullcache_study.machines(base))
    for row, config in zip(rows, nullcache_study.assumptions(base).values(), strict=False):
        costs, _ = layerwise([layer], "im2col", "float32", 10**6, caches(config), config.line, "small")
        assert row["misses saved %"] == pytest.approx(savings(costs)["null"]["misses"], abs=0.01)
        assert row["paper: time %"] == pytest.approx(savings(costs)["paper"]["time"], abs=0.01)
    # Eight entries do not hold what is zero; without limits nothing is forgotten.
    for row, best in zip(rows[:2], rows[-2:], strict=True):
        assert best["misses saved %"] > row["misses saved %"]
        assert best["double: misses %"] == row["double: misses %"]
        assert "paper: misses %" not in best


def test_what_a_limit_leaves_out_is_counted_like_the_last_filter():
    rng = np.random.default_rng(1)
    x = np.maximum(rng.standard_normal((2, 9, 9)), 0).astype(np.float32)
    same = np.repeat(rng.standard_normal((1, 2, 3, 3)).astype(np.float32), 6, axis=0)
    layer = LayerOperands.conv("conv", x, same, pad=1)
    compared = caches(CacheConfig(size=512, null=NullCacheConfig(entries=8)))
    whole, _ = layerwise([layer], "im2col", "float32", 10**6, compared, 32, "all")
    part, facts = layerwise([layer], "im2col", "float32", 17_000, compared, 32, "some")
    assert facts["simulated %"] == 100
    for name, costs in whole.items():
        assert costs == pytest.approx(part[name], rel=0.02)
        assert costs.accesses == part[name].accesses


def test_whole_lines_near_zero_are_zeroed_and_no_others():
    values = np.full((2, 40), 3, np.int8)
    values[0, 5], values[1, 39] = -3, 9
    assert (_zeroed(values, 2, 32) == values).all()
    zeroed = _zeroed(values, 3, 32).reshape(-1)
    assert not zeroed[:64].any()
    # The last 16 bytes are no whole line.
    assert (zeroed[64:] == values.reshape(-1)[64:]).all()


def test_approximated_activations_are_positive_in_two_s_complement():
    x = np.linspace(0, 1, 50, dtype=np.float32).reshape(2, 5, 5)
    layer = signed(LayerOperands.conv("conv", x, np.ones((1, 2, 3, 3), np.float32)))
    assert layer.x.dtype == np.int8
    assert (layer.x.min(), layer.x.max()) == (0, 127)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--limit 0", "limit must be an integer from 1 to 20000000, not 0"),
        ("--picture none/a.svg", "output folder 'none' must exist: create it first"),
        ("--picture a.bmp", "picture must end in .svg or .png, not '.bmp'"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nullcache, "measure", lambda _: pytest.fail("measured"))
    assert nullcache.main(words.split()) == 2
    assert capsys.readouterr() == ("", f"bench.nullcache: {said}\n")
