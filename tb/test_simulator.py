# SPDX-License-Identifier: Apache-2.0
"""Simulators get their environment with them; a simulation that fails says why."""

import os
import sys

import numpy as np
import pytest

from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cosim import simulator, verilator
from sysmt.sim.cosim.rtl import products
from sysmt.sim.cosim.verilator import SimulationError, environment, execute
from sysmt.sim.golden.matmul import matmul


def test_a_simulation_leaves_the_environment_of_this_process_alone(monkeypatch):
    ones = np.ones((2, 3), np.uint8), np.ones((3, 2), np.int8)
    # Libraries that the golden model imports on first use set variables of their own.
    matmul(*ones, ArrayConfig(rows=2, cols=2).pe)
    before, ran = dict(os.environ), []

    def watched(command, directory, env, log):
        assert dict(os.environ) == before
        ran.append(env)
        execute(command, directory, env, log)
        assert dict(os.environ) == before

    monkeypatch.setattr(simulator, "execute", watched)
    monkeypatch.setattr(verilator, "execute", watched)
    assert products([(*ones, None)], ArrayConfig(rows=2, cols=2)).sums[0].tolist() == [[3, 3], [3, 3]]
    assert ran[-1]["COCOTB_TEST_MODULES"] == "sysmt.sim.cosim.tb_array"
    assert dict(os.environ) == before


def test_the_environment_has_the_simulator_first(monkeypatch):
    monkeypatch.setenv("PATH", "/elsewhere")
    env = environment(MAKEFLAGS="x")
    assert env["PATH"].endswith("/elsewhere")
    assert env["MAKEFLAGS"] == "x"
    assert "MAKEFLAGS" not in os.environ or os.environ["MAKEFLAGS"] != "x"


def test_a_failing_command_shows_the_end_of_its_log(tmp_path):
    command = [sys.executable, "-c", "print('first'); print('last'); raise SystemExit(3)"]
    with pytest.raises(SimulationError, match=r"failed \(3\)\nfirst\nlast$"):
        execute(command, tmp_path, os.environ, tmp_path / "log")


def test_tests_that_do_not_exist_are_a_failure(monkeypatch, tmp_path):
    """A program that ends without results: what crashed simulators do."""
    monkeypatch.setattr(simulator, "build", lambda *_: tmp_path)
    monkeypatch.setattr(simulator, "_program", lambda *_: [sys.executable, "-c", "print('crashed')"])
    with pytest.raises(SimulationError, match=r"^tests left no results on top\ncrashed$"):
        simulator.run(Design("top", "", {}), "tests", {})
