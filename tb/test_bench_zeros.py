# SPDX-License-Identifier: Apache-2.0
"""What `python -m bench zeros` says of a small network, is recorded as, and writes into the figures."""

import numpy as np

import bench.zeros
from bench import record
from bench.__main__ import main
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model

from .int8_networks import small_images, small_network


def subjects(root):
    inputs = Inputs((small_images(24, 5) ^ np.uint8(128)).view(np.int8), np.arange(24) % 5)
    yield "small", Model(small_network()), inputs[:16], inputs[16:]


def test_a_run_is_recorded_and_becomes_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(bench.zeros, "subjects", subjects)
    monkeypatch.setattr(
        bench.zeros,
        "_photographs",
        lambda root, points: [{"network": "other", "method": "zap", "point": 1, "macs saved": 0.5, "loss": 0.25}],
    )
    assert main(["zeros", "--record"]) == 0
    assert "zeros: recorded" in capsys.readouterr().err
    found = {tuple(figure.key.values()) for figure in record.load()["zeros"]}
    assert {("small", method) for method in bench.zeros.METHODS} <= found
    assert ("other", "zap", 1) in found
    lines = bench.zeros.markdown().splitlines()
    assert "| other | zap | 1 | 0.250 | 50.0 % | - | - |" in lines
    assert sum(line.startswith("| small | perfect |") for line in lines) == 2
