# SPDX-License-Identifier: Apache-2.0
"""`sysmt cycles` and `sysmt fuseconv`: what they print, draw and refuse."""

import json
import re

import pytest

from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.nn.networks import network

RUN = ["cycles", "--array", "8x4"]


def test_json_has_the_promised_keys(capsys):
    assert main([*RUN, "--network", "mobilenet_v2", "--variant", "half", "--method", "fuseconv", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    layers = network("mobilenet_v2", "half")
    assert set(data) == {"total", "layers"}
    assert all(set(row) == {"name", "kind", "shape", "macs", "cycles", "utilisation"} for row in data["layers"])
    assert [(row["name"], row["kind"], row["macs"]) for row in data["layers"]] == [
        (layer.name, layer.kind, layer.macs) for layer in layers
    ]
    assert data["total"] == sum(row["cycles"] for row in data["layers"])
    assert data["layers"][1]["shape"] == {
        "input": [112, 112, 16],
        "kernel": [1, 3],
        "stride": [1, 1],
        "dilation": [1, 1],
        "padding": [[0, 0], [1, 1]],
        "output": [112, 112, 16],
    }


def test_text_has_a_line_per_layer_and_the_total(capsys):
    assert main(["cycles", "--gemm", "5,3,2", "--array", "2x2", "--method", "scalesim", "--dataflow", "ws"]) == 0
    heading, row, _, total = capsys.readouterr().out.splitlines()
    assert heading.split() == ["layer", "kind", "shape", "macs", "cycles", "utilisation"]
    assert row.split() == ["gemm", "gemm", "5x1x3", "1x1", "->", "5x1x2", "30", "17", "0.4412"]
    assert total == "total 17 cycles"


def test_threads_shorten_a_long_product(capsys):
    totals = []
    for threads in ("1", "2", "4"):
        assert main([*RUN, "--gemm", "8,400,4", "--threads", threads, "--json"]) == 0
        totals.append(json.loads(capsys.readouterr().out)["total"])
    assert [totals[0] - totals[1], totals[1] - totals[2]] == [200, 100]


def test_topology_files_are_read(tmp_path, capsys):
    path = tmp_path / "net.csv"
    path.write_text("Layer, M, N, K,\nA, 8, 4, 100,\nB, 8, 4, 50,\n")
    assert main([*RUN, "--topology", str(path), "--method", "scalesim", "--json"]) == 0
    assert [row["cycles"] for row in json.loads(capsys.readouterr().out)["layers"]] == [109, 59]


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.PDF", b"%PDF")])
def test_plots_are_drawn_the_same_every_time(tmp_path, name, start):
    arguments = [*RUN, "--network", "mobilenet_v1", "--plot", str(tmp_path / name)]
    assert main(arguments) == 0
    first = (tmp_path / name).read_bytes()
    assert first.startswith(start)
    assert main(arguments) == 0
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("words", "config"),
    [
        (["--preset", "sparq2_16", "--set", "window=7opt"], preset("sparq2_16", ArrayConfig, window="7opt")),
        (["--preset", "sparq_8", "--set", "pairs=4"], preset("sparq_8", ArrayConfig, pairs=4)),
        (["--preset", "sysmt4_8", "--set", "drain=in_place"], preset("sysmt4_8", ArrayConfig, drain="in_place")),
        (["--array", "8x8", "--set", "kind=sparq", "--set", "pairs=2"], preset("sparq2_8", ArrayConfig)),
    ],
)
def test_cycles_of_any_kind_of_pe(words, config, capsys):
    """The formula that the tests of the arrays hold to simulated cycles."""
    assert main(["cycles", "--gemm", "40,77,33", "--json", *words]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == matmul_cycles(40, 77, 33, config)


def test_threads_go_with_an_array(capsys):
    assert main(["cycles", "--gemm", "1,2,3", "--preset", "os8", "--threads", "2"]) == 2
    said = "threads 2 is for --array: of a preset say --set threads=2"
    assert capsys.readouterr().err == f"sysmt cycles: error: {said}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "mobilenet_v2", "--variant", "third"], "variant must be one of baseline, .*, not 'third'"),
        (["--network", "resnet"], "network must be one of .*, not 'resnet'"),
        (["--gemm", "1,2,3", "--variant", "half"], "variant must go with the name of a network, not 'half' alone"),
        (["--gemm", "1,2"], "gemm must be M,K,N, whole numbers, not '1,2'"),
        (["--gemm", "1,2,x"], "gemm must be M,K,N, whole numbers, not '1,2,x'"),
        (["--gemm", "0,2,3"], "gemm must be M,K,N of at least 1 each, not '0,2,3'"),
        (["--gemm", "1,70000,1"], "layer gemm: K = 70000 could overflow acc_width = 32: .*"),
        (["--gemm", "1,2,3", "--array", "8"], "array must be RxC, whole numbers, not '8'"),
        (["--gemm", "1,2,3", "--array", "8x0"], "cols must be an integer from 1 to 256, not 0"),
        (["--gemm", "1,2,3", "--threads", "3"], "threads must be one of 1, 2, 4, not 3"),
        (["--gemm", "1,2,3", "--method", "x"], "method must be one of rtl, fuseconv, scalesim, not 'x'"),
        (["--gemm", "1,2,3", "--set", "kind=sparq", "--set", "trim=up"], "trim must be one of round, raw, not 'up'"),
        (["--gemm", "1,2,4", "--set", "kind=sparq", "--set", "stc=true"], "stc = True needs 2:4 weights, .*"),
        (["--topology", "none.csv"], "topology 'none.csv' cannot be read: No such file or directory"),
        (["--gemm", "1,2,3", "--plot", "a.txt"], r"plot must end in \.png, \.svg, \.pdf, not 'a.txt'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plot = [] if "--plot" in arguments else ["--plot", "a.png"]
    assert main([*RUN, *arguments, *plot]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(f"sysmt cycles: error: {message}\n", err)
    assert list(tmp_path.iterdir()) == []


def test_a_plot_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([*RUN, "--gemm", "1,2,3", "--plot", str(tmp_path / "file" / "a.png")]) == 2
    assert re.fullmatch(r"sysmt cycles: error: output '.*file' cannot be written: .*\n", capsys.readouterr().err)


def test_fuseconv_prints_the_table_and_draws_two_pictures(tmp_path, capsys):
    assert main(["fuseconv", "--out", str(tmp_path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    by_name = {(row["network"], row["variant"]): row for row in data["speedups"]}
    assert len(by_name) == 20
    assert by_name["mobilenet_v2", "half"]["published"] == 7.23
    assert by_name["mobilenet_v2", "half"]["fuseconv"] == pytest.approx(2979156 / 411910)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fuseconv_layers.png", "fuseconv_sizes.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_networks_are_listed_with_their_totals(capsys):
    assert main(["networks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["networks"]
    assert len(rows) == 25
    assert rows[0] == {
        "network": "mobilenet_v1",
        "variant": "baseline",
        "layers": 28,
        "macs": 568740352,
        "params": 4231976,
    }


def test_layers_of_a_network_add_up_to_its_totals(capsys):
    assert main(["networks", "mobilenet_v2", "--variant", "full", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["network"], data["variant"], len(data["layers"])) == ("mobilenet_v2", "full", 70)
    assert sum(row["params"] for row in data["layers"]) == 4460936
    assert main(["networks", "mobilenet_v2", "--variant", "full"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "kind", "shape", "macs", "params"]
    assert rows[0].split() == ["stem", "conv", "224x224x3", "3x3/2", "->", "112x112x32", "10838016", "928"]


def test_a_variant_without_a_network_is_refused(capsys):
    assert main(["networks", "--variant", "full"]) == 2
    message = "sysmt networks: error: variant must go with the name of a network, not 'full' alone\n"
    assert capsys.readouterr().err == message
