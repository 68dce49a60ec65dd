# SPDX-License-Identifier: Apache-2.0
"""What a style changes in Verilog, and the cells that gate clocks by name."""

import re

import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.hdl.style import ClockGate, Style


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("ICG", ClockGate("ICG", "CLK", "EN", "TE", "Q")),
        ("icg_x1:CK,E,GCK", ClockGate("icg_x1", "CK", "E", None, "GCK")),
        ("_4:CK,E,SE,GCK", ClockGate("_4", "CK", "E", "SE", "GCK")),
    ],
)
def test_cells_by_name(text, cell):
    assert ClockGate.of(text) == cell


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ICG:CK,E", "CELL:clock,enable,output"),
        ("ICG:CK,E,SE,GCK,Q", "CELL:clock,enable,output"),
        ("4ICG", "CELL:clock,enable,output"),
        ("ICG:CK,E,é", "CELL:clock,enable,output"),
        ("ICG:", "CELL:clock,enable,output"),
        ("ICG:CK,E,E", "different names"),
    ],
)
def test_cells_without_a_name_are_refused(text, why):
    with pytest.raises(ConfigError, match=why):
        ClockGate.of(text)


def verilog(reset: str, cell: str | None) -> str:
    gate = None if cell is None else ClockGate.of(cell)
    config = with_settings(preset("os2"), ["rows=2", "cols=2", "clock_gating=true"])
    return design_of(config, "a", Style(reset=reset, clock_gate=gate)).verilog


@pytest.mark.parametrize(("cell", "test"), [("ICG", "TE"), ("ICG:CK,E,SE,GCK", "SE"), ("ICG:CK,E,GCK", None)])
def test_gates_have_all_pins_of_their_cell(cell, test):
    """The input for tests is low: a gate that is always open computes the same, with all of its power."""
    gate = ClockGate.of(cell)
    instances = re.findall(rf"^  {gate.cell} \w+ \((.*?)\);", verilog("sync", cell), re.MULTILINE | re.DOTALL)
    assert instances
    for pins in (dict(re.findall(r"\.(\w+)\((.*?)\)", text)) for text in instances):
        assert set(pins) == {gate.clock, gate.enable, gate.output} | ({test} if test else set())
        assert pins[gate.clock] == "clk"
        assert test is None or pins[test] == "1'h0"


@pytest.mark.parametrize("cell", [None, "ICG"])
def test_resets_are_at_the_edge_or_at_once(cell):
    """Registers behind a gate have none: it might come while their clock rests."""
    edges, at_once = (re.findall(r"always @\((.*?)\)", verilog(reset, cell)) for reset in ("sync", "async"))
    assert set(edges) - {"*"} <= {"posedge clk", *(edge for edge in edges if "gated" in edge)}
    assert "posedge clk, posedge rst" in at_once
    assert not [edge for edge in at_once if "gated" in edge and "rst" in edge]
    assert (cell is not None) == any("gated" in edge for edge in edges)
