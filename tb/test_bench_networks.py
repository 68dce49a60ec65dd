# SPDX-License-Identifier: Apache-2.0
"""The measurement of whole networks beside the interpreter: its form, on a network too small to say anything."""

import numpy as np
import pytest

from bench import networks
from sysmt.base.errors import UserError

from .int8_networks import small_content, small_images


def test_rates_are_to_the_reference_interpreter(tmp_path):
    pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    (tmp_path / "m.tflite").write_bytes(small_content())
    np.savez(tmp_path / "in.npz", images=small_images(6))
    rows = networks.measure(tmp_path, "m.tflite", "in.npz", count=4, rounds=1)
    assert [row["threads"] for row in rows] == ["-", "-", 1, 2, 4]
    assert rows[0]["of the interpreter"] == 1
    for row in rows:
        assert row["of the interpreter"] == row["inputs per second"] / rows[0]["inputs per second"] > 0


def test_what_is_missing_is_named(tmp_path, monkeypatch, capsys):
    with pytest.raises(UserError, match=r"^SYSMT_DATA must name a folder with data/models/resnet8_cifar10_int8.tflite"):
        networks.measure(tmp_path)
    monkeypatch.setenv("SYSMT_DATA", str(tmp_path))
    assert networks.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1
