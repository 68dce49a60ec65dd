# SPDX-License-Identifier: Apache-2.0
"""Kinds of processing element: every one has all its parts, and one more needs a file per room and no edit.

The toy kind in `tb/toy_kind` has all that NB-SMT has not: a field and a counter of its own, two operand pairs per
thread, neighbours of K together, a fact of its own. It is found through SYSMT_KINDS, also by the simulator.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sysmt.base import plugins
from sysmt.base.errors import ConfigError, UserError
from sysmt.cli.main import main
from sysmt.hdl.designs import default_style, design_of
from sysmt.hdl.params.accel import accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import array_counters
from sysmt.hdl.params.pe import TARGETS, PEConfig, kind_of, kinds
from sysmt.hdl.params.registers import config_of, identity
from sysmt.hdl.params.settings import parse_settings
from sysmt.hdl.pe.kind import Gates, gates_of
from sysmt.hdl.pe.multiplier import Multiplier
from sysmt.hdl.pe.ports import activations, weights
from sysmt.sim.cosim.rtl import products
from sysmt.sim.cosim.simulator import available
from sysmt.sim.golden.kind import GoldenKind, golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Counters

from .references import product as reference

QUICK = "icarus" if available("icarus") else "verilator"
ROOMS = {
    "params": "sysmt.hdl.params.kinds",
    "gates": "sysmt.hdl.pe.kinds",
    "golden": "sysmt.sim.golden.kinds",
    "reference": "tb.references.kinds",
}
TOY = Path(__file__).parent / "toy_kind"
KINDS = (*kinds(), "toy")


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """The toy kind is there: an environment variable, and nothing else."""
    monkeypatch.setenv("SYSMT_KINDS", str(TOY))


def operands(seed, m, k, n):
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (m, k), np.uint8) * (random.random((m, k)) < 0.7)
    w = random.integers(-128, 128, (k, n), np.int8) * (random.random((k, n)) < 0.7)
    return x.astype(np.uint8), w.astype(np.int8)


def configurations(kind):
    """One per target and number of threads that the kind allows."""
    for target in TARGETS:
        for threads in kind_of(kind).THREADS:
            try:
                yield PEConfig(kind=kind, threads=threads, target=target)
            except ConfigError:
                assert threads != kind_of(kind).THREADS[0]


def test_every_kind_is_in_every_room():
    for part, package in ROOMS.items():
        assert plugins.names(package, part) == tuple(sorted(KINDS)), package


@pytest.mark.parametrize("kind", KINDS)
def test_parameters(kind):
    made = kind_of(kind)
    assert issubclass(made, PEConfig)
    assert made().kind == kind
    assert dataclasses.fields(PEConfig)[0].name == "kind"
    assert 0 <= made.CODE < 16
    assert made.__doc__
    for pe in configurations(kind):
        assert type(pe) is made
        assert PEConfig(**pe.as_dict()) == pe
        assert 0 <= pe.options < 1 << 13
        assert made.options_of(pe.options).items() <= pe.as_dict().items()
        own = set(pe.as_dict()) - {field.name for field in dataclasses.fields(PEConfig)}
        assert set(made.options_of(pe.options)) == own, "a field is not in the identity register"
        assert pe.product_width > (pe.products * pe.max_product).bit_length()


def test_no_two_kinds_have_one_code():
    assert len({kind_of(kind).CODE for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_gates(kind):
    for pe in configurations(kind):
        gates = gates_of(pe)
        assert isinstance(gates, Gates)
        multiplier = gates.multiplier(pe)
        assert issubclass(multiplier, Multiplier)
        assert activations(pe).size == weights(pe).size == 8 * pe.products
        assert tuple(gates.events(pe)) == pe.EVENTS
        assert multiplier.block == "multiplier"


@pytest.mark.parametrize("kind", KINDS)
def test_golden_model_and_slow_reference_agree(kind):
    for seed, pe in enumerate(configurations(kind)):
        golden = golden_of(pe)
        assert isinstance(golden, GoldenKind)
        assert issubclass(golden.counters, Counters)
        assert tuple(field.name for field in dataclasses.fields(golden.counters)) == pe.EVENTS
        for threads in pe.throttles:
            x, w = operands(seed, 3, 13, 4)
            fast, slow = matmul(x, w, pe, threads), reference.matmul(x, w, pe, threads)
            np.testing.assert_array_equal(fast.sums, slow.sums)
            assert fast.counters == slow.counters
            order = golden.k_order(13, pe, threads)
            assert order.shape == (threads * pe.pairs_per_thread, pe.steps(13, threads))
            assert sorted(order.ravel())[:13] == list(range(13))


@pytest.mark.parametrize("kind", KINDS)
def test_a_board_says_its_kind(kind):
    for pe in configurations(kind):
        config = accel_config(ArrayConfig(rows=2, cols=2, pe=pe).with_fields(target="fpga"))
        words = identity(config, "1.2.3")
        assert words["element"] < 1 << 32
        assert config_of(words) == config


def test_a_kind_is_chosen_by_a_setting():
    settings = parse_settings(ArrayConfig(), ["kind=toy", "dropped=3", "rows=2"])
    assert settings == {"kind": "toy", "dropped": 3, "rows": 2}
    config = ArrayConfig().with_fields(**settings, threads=2)
    assert config.pe == PEConfig(kind="toy", dropped=3, threads=2)
    assert config.with_fields(kind="nbsmt").pe == PEConfig(threads=2)
    with pytest.raises(ConfigError, match=r"dropped, .*, not 'policy=S' \(policy is a field of kind nbsmt: "):
        parse_settings(config, ["policy=S"])
    with pytest.raises(ConfigError, match=r"^kind must be one of nbsmt, sparq, toy, not 'toi' \(did you mean toy\?\)$"):
        parse_settings(config, ["kind=toi"])


@pytest.mark.parametrize(("threads", "fields"), [(2, {"dropped": 3}), (1, {"target": "fpga", "pipeline": 1})])
def test_the_toy_goes_all_the_way_to_the_simulated_array(threads, fields):
    config = ArrayConfig(rows=2, cols=3).with_fields(kind="toy", threads=threads, **fields)
    pairs = [(*operands(7, 3, 11, 4), t) for t in range(1, threads + 1)]
    run = products(pairs, config, QUICK)
    counted = golden_of(config.pe).counters()
    for (x, w, throttle), sums in zip(pairs, run.sums, strict=True):
        golden = matmul(x, w, config.pe, throttle)
        np.testing.assert_array_equal(sums, golden.sums)
        counted += golden.counters
    assert {name: run.counters[name] for name in config.pe.EVENTS} == dataclasses.asdict(counted)
    assert counted.neighbours > 0
    assert 0 < counted.reduced < counted.active


def test_the_toy_is_generated_by_the_command_line(tmp_path):
    assert (
        main(["generate", "os2", "--set", "kind=toy", "--set", "dropped=2", "--name", "os2", "-o", str(tmp_path)]) == 0
    )
    config = ArrayConfig(rows=2, cols=2, pe=PEConfig(kind="toy", dropped=2))
    design = design_of(config, "os2", default_style(config))
    assert (tmp_path / "os2.v").read_text() == design.verilog
    assert design.manifest["config"]["dropped"] == 2
    assert design.manifest["counters"]["names"] == list(array_counters(kind_of("toy")()))


def test_a_kind_with_a_part_missing_is_told(monkeypatch, tmp_path):
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "half.py").write_text(
        (TOY / "params" / "toy.py").read_text().replace('"toy"', '"half"').replace("Toy", "Half")
    )
    monkeypatch.setenv("SYSMT_KINDS", str(tmp_path))
    pe = PEConfig(kind="half")
    with pytest.raises(UserError, match=r"^kind 'half' has no module sysmt\.hdl\.pe\.kinds\.half: add gates/half\.py$"):
        gates_of(pe)
