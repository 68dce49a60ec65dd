# SPDX-License-Identifier: Apache-2.0
"""`sysmt explore` on the command line: what it prints and writes, and its refusals."""

import json
import re

import pytest

from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost import evaluate
from sysmt.sim.explore.space import space_of
from sysmt.sim.nn.readers import read_network

from .explorations import SMALL


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.bin"], "network must be a .tflite, .onnx or .csv file or one of .*, not 'nothing.bin'"),
        (["digits", "--set", "row=8"], r"setting must be field=value with field one of .*\(did you mean rows\?\)"),
        (["digits", "--set", "rows=8,x"], "rows must be an integer, not 'x'"),
        (["digits", "--set", "window=9opt"], r"window must be one of 2opt, .* \(did you mean 7opt\?\)"),
        (["digits", "--set", "pipeline=2"], "pipeline = 2 needs target = fpga, not target = asic"),
        (["digits", "--set", "target=fpga"], "target follows from the board or the library, and cannot be set .*"),
        (["digits", "--objective", "speed"], "objective must be one of latency, .*, not 'speed'"),
        (["digits", "--objective", "energy"], "objective energy is not known of this target: .*"),
        (["digits", "--budget", "1"], "budget 1 must come with inputs .*; add --inputs IN.npz"),
        (["digits", "--budget", "1", "--inputs", "a.npz", "--inputs", "b.npz"], "inputs must be one file per .*"),
        (["digits", "--calibrate", "c.npz"], "calibrate must come with a budget, .*"),
        (["digits", "--points", "0"], "points must be at least 1, not 0"),
        (
            ["digits", "--max-area", "1"],
            r"space must have a configuration within the limits, and of \d+ \d+ do not fit: widen them",
        ),
        (
            ["digits", "--max-area", "1", "--points", "5"],
            "space must have a configuration .*, and of 5 5 do not fit: widen them, or take more points",
        ),
        (["digits", "--fill", "50"], "fill 50 must come with a board, whose LUTs it limits; add --board B"),
        (["digits", "--fill", "101", "--board", "ulx3s"], "fill must be above 0 and at most 100 percent, not 101"),
        (["digits", "--fill", "nan", "--board", "ulx3s"], "fill must be above 0 and at most 100 percent, not nan"),
        (["digits", "--max-area", "-1"], "max_area must be above 0, not -1"),
        (["digits", "--processes", "0"], "processes must be at least 1, not 0"),
        (
            ["digits", "--limit", "3"],
            "limit 3 must come with inputs, of which it takes the first; add --inputs IN.npz",
        ),
        (["digits", "--limit", "0"], "limit must be at least 1, not 0"),
        (["digits", "-o", "a.txt"], "output must end in .*, not 'a.txt'"),
        (["digits", "--store", "/proc/no/such"], "store '/proc/no/such' must be a file of results .*"),
        (["digits", "--board", "no_board"], "board must be one of .*, not 'no_board'"),
        (["digits", "--synthesise", "1"], "synthesise 1 must come with a target: add --board B or --liberty L"),
        (
            ["digits", "--synthesise", "1", "--liberty", "sky130hd"],
            "synthesise 1 must come with the file of sky130hd: .*",
        ),
        (["digits", "--synthesise", "-1"], "synthesise must be at least 0, not -1"),
        (["digits", "--liberty", "sky130"], r"liberty must be one of sky130hd.*, not 'sky130' .*, or a file of .*"),
        (["digits", "--liberty", "sky130hd_no.lib"], "liberty 'sky130hd_no.lib' must be a file, and is none"),
        (["digits", "--inputs", "missing.npz"], "inputs .*missing.npz.*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = [] if "--store" in words else ["--store", "r.sqlite"]
    assert main(["explore", *words, "--set", "cols=4", *store]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("sysmt: ")]
    assert len(lines) == 1, lines
    assert re.fullmatch(f"sysmt explore: error: {message}", lines[0]), lines[0]


def test_the_command_prints_the_front(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["explore", "digits", *(word for text in SMALL for word in ("--set", text)), "--store", "r.sqlite"]
    assert main([*words, "-o", "all.json"]) == 0
    text = capsys.readouterr().out
    written = json.loads((tmp_path / "all.json").read_text())
    assert len(written["points"]) == len(space_of(SMALL, "asic", False).arrays())
    assert text.splitlines()[-1] == f"best latency: {written['best']['command']}"
    assert "accuracy was not looked at" in text
    assert main([*words, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["front"] == written["front"]
    assert data["computed"] == {"cycles": 0, "silicon": 0}
    assert [row["area"] for row in data["front"]] == sorted(row["area"] for row in data["front"])
    best = data["best"]
    cycles = evaluate(read_network("digits"), ArrayConfig().with_fields(**best["config"])).total
    assert (best["cycles"], best["latency"]) == ([cycles], cycles)
