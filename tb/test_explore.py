# SPDX-License-Identifier: Apache-2.0
"""`sysmt explore`: cycles and accuracy of the other commands, a front that is one, nothing computed twice."""

import json
import random
import shlex

import numpy as np
import pytest

from bench.boards import RECORD
from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.boards.definitions import BOARDS
from sysmt.boards.definitions import board as board_of
from sysmt.cli.arguments import settings
from sysmt.cli.main import main, parser_of
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.cost import evaluate
from sysmt.sim.cost.silicon import predict
from sysmt.sim.explore.commands import command_of
from sysmt.sim.explore.points import front
from sysmt.sim.explore.routing import fullest
from sysmt.sim.explore.silicon import Abstract
from sysmt.sim.explore.space import chosen, space_of
from sysmt.sim.flow.synthesis import synthesise
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.readers import read_network
from sysmt.sim.quant.infer import infer
from sysmt.sim.quant.options import Options

from .explorations import SMALL, run


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Inputs of the digits, and others to calibrate with."""
    folder = tmp_path_factory.mktemp("inputs")
    shape, numbers = read_model("digits").inputs[0].shape[1:], np.random.default_rng(1)
    for name in ("tested", "calibration"):
        images = numbers.integers(0, 17, (40, *shape)).astype(np.uint8)
        np.savez(folder / f"{name}.npz", images=images, labels=numbers.integers(0, 10, 40))
    return folder


def test_cycles_are_those_of_the_command(tmp_path):
    found = run(tmp_path / "r.sqlite", "mobilenet_v2", "digits", settings=SMALL, points=200)
    assert len(found.points) == 200
    for point in random.Random(1).sample(found.points, 12):
        for name, cycles in zip(("mobilenet_v2", "digits"), point.cycles, strict=True):
            assert cycles == evaluate(read_network(name), point.config).total
        assert point.latency == sum(point.cycles)


def test_accuracy_and_cycles_are_those_of_infer(tmp_path, inputs):
    files = [inputs / f"{name}.npz" for name in ("tested", "calibration")]
    found = run(
        tmp_path / "r.sqlite",
        "digits",
        inputs=[str(files[0])],
        calibrations=[str(files[1])],
        budget=0.02,
        settings=("rows=16", "cols=16", "kind=nbsmt", "policy=S+aW", "pipeline=0,1", "cluster=1", "drain=overlap"),
    )
    assert found.computed["accuracy"] == 3  # a PE per number of threads, however it is built
    model = read_model("digits").optimised()
    tested, calibration = (load(file, model.network) for file in files)
    reports = {}
    for point in found.points:
        pe = point.config.pe
        if pe.pipeline:  # the other one's, later
            assert point.loss == reports[pe.threads]["accuracy_drop"]["drop"]
            continue
        report = reports[pe.threads] = infer(
            model, tested, point.config, Options(budget=0.02), calibration=calibration
        ).report
        assert point.cycles == (report["cycles"],)
        assert point.loss == report["accuracy_drop"]["drop"] <= 0.02
        assert point.accuracy[0]["top1"] == report["top1"]
    kept = len(found.points) + sum(found.left_out.values())
    assert kept == 6


def test_what_loses_more_than_the_budget_is_left_out(tmp_path, inputs):
    with np.load(inputs / "tested.npz") as file:
        np.savez(tmp_path / "unlabelled.npz", images=file["images"])
    settings = (*SMALL, "kind=sparq", "threads=2", "window=7opt")
    options = {"settings": settings, "inputs": [str(tmp_path / "unlabelled.npz")]}
    loose = run(tmp_path / "r.sqlite", "digits", **options)
    (loss,) = {point.loss for point in loose.points}
    assert loss == 1 - loose.points[0].accuracy[0]["agree"] > 0
    assert loose.computed["accuracy"] == 1
    same = run(tmp_path / "r.sqlite", "digits", budget=loss, **options)
    assert same.points == loose.points
    assert same.computed["accuracy"] == 0
    with pytest.raises(UserError, match=r"^space must have a configuration within the limits, and of 72 72 lose more"):
        run(tmp_path / "r.sqlite", "digits", budget=loss / 2, **options)


def test_the_front_is_what_no_other_point_beats(tmp_path):
    found = run(tmp_path / "r.sqlite", "mobilenet_v1", settings=SMALL)
    points = found.points
    expected = [
        i
        for i, point in enumerate(points)
        if not any(
            (other.area, other.latency) != (point.area, point.latency)
            and other.area <= point.area
            and other.latency <= point.latency
            for other in points
        )
    ]
    values = [(points[i].area, points[i].latency) for i in found.front]
    assert values == sorted({(points[i].area, points[i].latency) for i in expected})
    assert found.best()[0].latency == min(point.latency for point in points)
    smallest = run(tmp_path / "r.sqlite", "mobilenet_v1", settings=SMALL, objective="area")
    assert smallest.best()[0].area == min(point.area for point in points)
    ratio = run(tmp_path / "r.sqlite", "mobilenet_v1", settings=SMALL, objective="throughput/area")
    assert ratio.best()[0].latency * ratio.best()[0].area == min(point.latency * point.area for point in points)
    assert front([], "latency") == []


def test_silicon_is_what_the_model_predicts(tmp_path):
    found = run(tmp_path / "r.sqlite", "digits", settings=SMALL, points=40, liberty="sky130hd", objective="energy")
    for point in found.points[::10]:
        silicon = predict(point.config, "sky130hd")
        assert point.area == pytest.approx(silicon.area.value, rel=1e-5)
        mhz = [silicon.mhz.value, silicon.mhz.low, silicon.mhz.high]
        assert point.facts["mhz"] == pytest.approx(mhz, rel=1e-5)
        assert point.latency == pytest.approx(sum(point.cycles) / silicon.mhz.value, rel=1e-5)
        macs = sum(layer.macs for layer in read_network("digits"))
        assert point.energy == pytest.approx(macs * silicon.femtojoules.value * 1e-9, rel=1e-5)
    assert found.best()[0].energy == min(point.energy for point in found.points)


@pytest.mark.regress
def test_the_best_are_synthesised_and_their_errors_shown(tmp_path, capsys):
    library = data_folder() / "data" / "liberty" / "sky130hd" / "sky130hd_tt.lib.gz"
    if not library.exists():
        pytest.skip(f"{library.name} is not at hand: set SYSMT_DATA")
    words = ["explore", "digits", "--liberty", str(library), "--synthesise", "1", "--objective", "area", "--json"]
    small = [word for text in ("rows=2", "cols=2", "kind=nbsmt", "threads=2") for word in ("--set", text)]
    assert main([*words, *small, "--store", str(tmp_path / "r.sqlite")]) == 0
    data = json.loads(capsys.readouterr().out)
    (row,) = data["synthesised"]
    assert row["command"] == data["best"]["command"]
    config = ArrayConfig().with_fields(**data["best"]["config"])
    real = synthesise(design_of(config, "explored"), str(library))
    assert (row["area"]["measured"], row["mhz"]["measured"]) == (real.area, real.fmax_mhz)
    assert row["area"]["predicted"] == data["best"]["area"]
    assert row["area"]["error_percent"] == pytest.approx(100 * (data["best"]["area"] / real.area - 1))


def test_a_board_holds_what_fits_and_runs_at_its_clock(tmp_path):
    found = run(tmp_path / "r.sqlite", "digits", settings=("rows=4,16,64", "cols=4,64", "kind=nbsmt"), board="ulx3s")
    assert found.left_out["do not fit"] > 0
    assert {(point.config.rows, point.config.cols) for point in found.points} >= {(4, 4), (16, 4)}
    assert all(point.config.rows * point.config.cols < 4096 for point in found.points)
    board = board_of("ulx3s")
    for point in found.points:
        assert point.area <= found.request.fullest * board.part.luts
        assert point.facts["mhz"][1] >= board.clock_hz / 1e6
        silicon = predict(board.around(point.config), "ecp5")
        assert point.area == pytest.approx(silicon.luts.value, rel=1e-5)
        assert point.latency == pytest.approx(sum(point.cycles) / (board.clock_hz / 1e6))
    words = shlex.split(found.command(found.points[-1]))[1:]
    args = parser_of(words).parse_args(words)
    assert board.accelerator(args.preset, **settings(args)).array == found.points[-1].config


def test_no_configuration_fills_a_board_more_than_what_was_routed(tmp_path, capsys):
    """The limit is the fullest of the designs that were placed; another one is asked for."""
    board, store = board_of("tang_nano_9k"), tmp_path / "r.sqlite"
    recorded = json.loads(RECORD.read_text())
    rows = [row for name, row in recorded.items() if BOARDS[name.split()[0]].part.family is board.part.family]
    shares = [int(used) / int(there) for used, _, there in (row["LUT"].split() for row in rows)]
    settings = ("rows=2,3,4", "cols=2,4", "kind=nbsmt", "drain=overlap")
    found = run(store, "digits", board=board.name, settings=settings)
    assert found.request.fullest >= max(shares)
    full = [point.area / board.part.luts for point in found.points]
    assert max(full) <= found.request.fullest < 1
    assert found.left_out["take too large a share of the LUTs to be routed"] > 0
    assert found.request.fullest == fullest("gowin")
    more = run(store, "digits", board=board.name, settings=settings, fill=1)
    assert found.request.fullest < max(point.area / board.part.luts for point in more.points) <= 1
    assert more.left_out["do not fit"] == found.left_out["do not fit"]
    words = ["explore", "digits", "--board", board.name, "--store", str(store), "--fill", "60"]
    assert main([*words, *(word for text in settings for word in ("--set", text))]) == 0
    assert "LUTs: at most 60 % (--fill)" in capsys.readouterr().out


def test_no_clock_is_told_of_a_part_that_none_was_measured_on(tmp_path):
    found = run(tmp_path / "r.sqlite", "digits", board="icebreaker", settings=("rows=2", "cols=2", "kind=nbsmt"))
    assert {"mhz" in point.facts for point in found.points} == {False}
    assert {point.clock_mhz for point in found.points} == {board_of("icebreaker").clock_hz / 1e6}


def test_commands_make_the_points():
    arrays = space_of(["rows=4,8", "cols=8,12"], "asic", True).arrays()
    for config in random.Random(2).sample(arrays, 20):
        words = shlex.split(command_of(config, Abstract()))[1:]
        args = parser_of(words).parse_args(words)
        assert with_settings(preset(args.preset, ArrayConfig), args.settings) == config


def test_a_space_has_every_configuration_once():
    arrays = space_of(["rows=4", "cols=4"], "asic", True).arrays()
    assert len(set(arrays)) == len(arrays)
    assert {config.pe.kind for config in arrays} == {"nbsmt", "sparq"}
    assert sum(config.pe == PEConfig() and config.drain == "overlap" and config.cluster == 1 for config in arrays) == 1
    few = chosen(arrays, 10)
    assert len(few) == 10
    assert few == [config for config in chosen(arrays, 20) if config in few]
