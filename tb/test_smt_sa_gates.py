# SPDX-License-Identifier: Apache-2.0
"""SMT-SA in gates: exact sums, in as many cycles as the model says; queues, back-pressure, tiles in a row, refusals."""

import json
import re
from itertools import product

import numpy as np
import pytest

from sysmt.base.errors import ConfigError, UserError
from sysmt.cli.main import main
from sysmt.hdl.params.presets import SMT_SA, preset
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.hdl.pe.smt_sa import SmtSaElement
from sysmt.sim.cosim import smt_sa as cosim
from sysmt.sim.cosim.smt_sa import smt_sa_products
from sysmt.sim.cost.smt_sa import smt_sa

from . import pysim_smt_sa
from .accel import simulate
from .mutants import one_bug_per_component, seeded_bug
from .references.smt_sa import smt_sa as reference

SMALL = SmtSaConfig(rows=2, cols=1, queue=2)
WIDE = SmtSaConfig(rows=1, cols=3, threads=4, queue=1, acc_width=24)


def operands(seed, m, k, n, live_x, live_w=0.9):
    random = np.random.default_rng(seed)
    x = random.integers(1, 256, (m, k)) * (random.random((m, k)) < live_x)
    w = random.integers(-128, 128, (k, n)) * (random.random((k, n)) < live_w)
    return x.astype(np.uint8), w.astype(np.int8)


def pairs(config, shares=(0, 0.2, 0.5, 0.8, 1), k=19):
    """Products of several tiles with all kinds of sparsity; of one step; and the largest sums."""
    rows, cols = config.rows, config.cols
    found = [operands(i, 2 * rows + 1, k + i, cols + 1, share) for i, share in enumerate(shares)]
    found += [operands(7, 2 * rows, 1, 2 * cols, 0.7), operands(8, 3 * rows, config.threads, cols, 0.7)]
    # Threads of which one has all the products, in every tile another one.
    lone = np.zeros((4 * rows, 4 * config.threads), np.uint8)
    for tile in range(4):
        lone[tile * rows : (tile + 1) * rows, 4 * (tile % config.threads) :][:, :4] = 255
    return [*found, (lone, np.full((4 * config.threads, cols), -128, np.int8))]


def exact(x, w):
    return x.astype(int) @ w.astype(int)


def compare(config, given=None, stalls=(0.0, 0.0, 0.0), **how):
    given = pairs(config) if given is None else given
    for (x, w), found in zip(given, smt_sa_products(given, config, stalls=stalls, **how), strict=True):
        np.testing.assert_array_equal(found.sums, exact(x, w))
        if not any(stalls):
            assert found.cycles == smt_sa(x, w, config).cycles, f"cycles of {x.shape} by {w.shape}"


@pytest.fixture
def in_amaranth(monkeypatch):
    """No simulator to be built."""
    monkeypatch.setattr(cosim, "run", pysim_smt_sa.run)


@pytest.mark.parametrize("config", [SMALL, WIDE], ids=["small", "wide"])
def test_gates_are_exact_and_take_the_cycles_of_the_model(config, in_amaranth):
    compare(config, pairs(config, (0, 0.4, 1), 9), design=object())


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("queue", [1, 3])
def test_threads_whose_queues_are_equally_full_take_turns(threads, queue):
    """All of them live all the time: each gets its share of the multiplier."""
    element = SmtSaElement(SmtSaConfig(rows=1, cols=1, threads=threads, queue=queue))
    taken = [0] * threads

    async def bench(ctx):
        for t in range(threads):
            for stream, value in ((element.i_x[t], {"x": 1, "last": 0}), (element.i_w[t], 1)):
                ctx.set(stream.payload, value)
                ctx.set(stream.valid, 1)
            ctx.set(element.o_x[t].ready, 1)
            ctx.set(element.o_w[t].ready, 1)
        for cycle in range(10 * threads + 20):
            for t in range(threads):
                # Queues and links are filled first.
                taken[t] += ctx.get(element.i_x[t].ready) and cycle >= 20
            await ctx.tick()

    simulate(element, bench)
    assert taken == [10] * threads


def test_any_stalls_change_no_sum(in_amaranth):
    compare(SMALL, pairs(SMALL, (0.3, 0.9), 9)[:3], (0.3, 0.2, 0.5), design=object())


def test_the_emitted_verilog_is_exact_and_takes_the_cycles_of_the_model():
    config = SmtSaConfig(rows=2, cols=2, queue=2)
    compare(config)
    compare(config, stalls=(0.4, 0.3, 0.5))


@pytest.mark.regress
@pytest.mark.parametrize(("threads", "queue"), list(product((1, 2, 4), (1, 2, 3, 4, 8))))
def test_emitted_arrays_of_all_queues(threads, queue):
    config = SmtSaConfig(rows=3, cols=4, threads=threads, queue=queue)
    compare(config)
    compare(config, [operands(seed, 7, 40, 9, seed / 10) for seed in range(11)])
    for stalls in ((0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.7), (0.2, 0.3, 0.4)):
        compare(config, stalls=stalls)


@pytest.mark.regress
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (1, 3), (5, 1), (8, 8)])
def test_emitted_arrays_of_other_sizes(rows, cols):
    compare(SmtSaConfig(rows=rows, cols=cols, queue=2))


@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("pe.smt_sa", "SmtSaElement", "~queue.level[-1] | queue.pop", "~queue.level[-1]"),
        ("pe.smt_sa", "SmtSaElement", "ahead & ~self._complete", "ahead & ~ahead"),
        ("pe.smt_sa", "SmtSaElement", "(higher if a > b else ~higher)", "~higher"),
        ("pe.smt_sa", "SmtSaElement", "done & own & vacant", "done & vacant"),
        ("pe.smt_sa", "SmtSaElement", "Mux(some, pairs, queue.level)", "pairs"),
        ("common.short_queue", "ShortQueue", "precedes & ~level[p]", "precedes"),
    ],
)
def test_a_seeded_bug_is_caught(module, component, right, wrong, in_amaranth):
    with seeded_bug(f"sysmt.hdl.{module}", component, right, wrong), pytest.raises(AssertionError):
        compare(SMALL, pairs(SMALL, (0.6,), 9), design=object())


def test_model_and_slow_reference_agree_where_the_gates_are_held_to_them():
    for x, w in pairs(SMALL):
        cycles, sums = reference(x, w, SMALL.rows, SMALL.cols, SMALL.threads, SMALL.queue)
        np.testing.assert_array_equal(sums, exact(x, w))
        assert cycles == smt_sa(x, w, SMALL).cycles


def test_presets():
    assert preset("smtsa4_8") == SmtSaConfig(rows=8, cols=8, threads=4)
    assert preset("smtsa2_16", queue=1) == SmtSaConfig(queue=1)
    assert {name: (config.threads, config.rows) for name, config in SMT_SA.items()} == {
        f"smtsa{threads}_{n}": (threads, n) for threads in (2, 4) for n in (4, 8, 16)
    }


def test_what_would_overflow_or_does_not_fit_is_refused():
    x, w = np.zeros((2, 600), np.uint8), np.zeros((600, 2), np.int8)
    narrow = SmtSaConfig(rows=2, cols=2, acc_width=20)
    with pytest.raises(ConfigError, match=r"^K = 600 could overflow acc_width = 20: at most 16 fit; split K or widen"):
        smt_sa_products([(x, w)], narrow)
    with pytest.raises(ConfigError, match=r"^acc_width must be an integer from 17 to 32, not 33$"):
        SmtSaConfig(acc_width=33)
    with pytest.raises(UserError, match=r"^stalls must be 3 shares of cycles from 0 to less than 1, not \(1, 0, 0\)$"):
        smt_sa_products([(x, w)], SmtSaConfig(), stalls=(1, 0, 0))
    with pytest.raises(UserError, match=r"^pairs must hold at least one product, not none$"):
        smt_sa_products([], SmtSaConfig())


def test_emission_says_what_it_is(tmp_path, capsys):
    assert main(["generate", "smtsa2_4", "--set", "queue=1", "-o", str(tmp_path), "--name", "x"]) == 0
    manifest = json.loads((tmp_path / "x.json").read_text())
    assert manifest["kind"] == "smt-sa"
    assert manifest["config"] == preset("smtsa2_4", queue=1).as_dict()
    assert {port["name"] for port in manifest["ports"]} >= {"i_x__3__1__payload", "i_w__0__0__ready", "o__3__valid"}
    capsys.readouterr()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """X.npy and W.npy in the current folder, and the operands."""
    monkeypatch.chdir(tmp_path)
    x, w = operands(3, 5, 11, 3, 0.5)
    np.save("X.npy", x)
    np.save("W.npy", w)
    return x, w


@pytest.mark.parametrize("on", ["golden", "rtl"])
def test_matmul_on_either_gives_sums_and_cycles(on, files, capsys):
    x, w = files
    fields = ("--preset", "smtsa2_4", "--rows", "2", "--cols", "2", "--set", "queue=2")
    assert main(["matmul", "X.npy", "W.npy", "-o", "O.npy", *fields, "--on", on, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    cycles = smt_sa(x, w, SmtSaConfig(rows=2, cols=2, queue=2)).cycles
    assert {name: facts[name] for name in ("m", "k", "n", "tiles", "cycles")} == {
        "m": 5, "k": 11, "n": 3, "tiles": 6, "cycles": cycles
    }  # fmt: skip
    assert facts.get("active", 0) in (0, np.count_nonzero(x, axis=0) @ np.count_nonzero(w, axis=1))
    np.testing.assert_array_equal(np.load("O.npy"), exact(x, w))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--policy", "S"], "--policy must come without --preset smtsa2_4, whose products are exact"),
        (["--zero", "3"], "zero = 3 needs PEs that take it off .*"),
        (
            ["--on", "/dev/ttyUSB0"],
            "--on '/dev/ttyUSB0' needs an array that boards have, not --preset smtsa2_4: golden or rtl",
        ),
        (["--threads", "3"], "threads must be one of 1, 2, 4, not 3"),
        (["--set", "queue=65"], "queue must be an integer from 1 to 64, not 65"),
        (
            ["--set", "policy=S"],
            "setting must be field=value with field one of acc_width, cols, queue, .*",
        ),
        (["--set", "acc_width=17"], "K = 11 could overflow acc_width = 17: at most 2 fit; .*"),
    ],
)
def test_options_that_do_not_go_together(options, message, files, capsys):
    assert main(["matmul", "X.npy", "W.npy", "--preset", "smtsa2_4", *options]) == 2
    assert re.fullmatch(f"sysmt matmul: error: {message}\n", capsys.readouterr().err)


@pytest.mark.parametrize("words", [("build", "ulx3s", "--preset"), ("estimate",)])
def test_commands_for_arrays_in_lockstep_refuse_it(words, capsys):
    assert main([*words, "smtsa2_4"]) == 2
    assert re.search(r"preset must be .*, not '?smtsa2_4", capsys.readouterr().err)
