# SPDX-License-Identifier: Apache-2.0
"""`--ports axis`: the layout that Verilog and manifest tell, the command, and what is refused."""

import json
import re

import pytest
from amaranth.hdl import signed
from amaranth.lib import data

import sysmt
from sysmt.base.errors import ConfigError
from sysmt.cli.main import main
from sysmt.hdl.bus.axi_stream import AXIStream
from sysmt.hdl.designs import axi_stream_design, design_of
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset


def test_the_verilog_and_the_manifest_tell_the_layout():
    design = axi_stream_design(preset("sysmt2_2", ArrayConfig, rows=3, acc_width=20), "told")
    assert design.verilog.split("\n\n")[0].splitlines()[1:] == [
        "// AXI4-Stream, fields of tdata from its lowest byte on:",
        "// s_axis_tile: 4 bytes, no tlast: a beat is a packet",
        "//   byte 0: steps uint8, 5 bits count",
        "//   byte 1: threads uint8, 2 bits count",
        "//   byte 2: rows uint8, 2 bits count",
        "//   byte 3: cols uint8, 2 bits count",
        "// s_axis_x: 6 bytes, tlast: the last step of a tile",
        "//   bytes 0 to 5: [3][2] uint8",
        "// s_axis_w: 4 bytes, tlast: the last step of a tile",
        "//   bytes 0 to 3: [2][2] int8",
        "// m_axis_sums: 8 bytes, tlast: the last row of a tile",
        "//   bytes 0 to 7: [2] int32, 20 bits count",
    ]
    widths = {port["name"]: port["width"] for port in design.manifest["ports"]}
    for name, stream in design.manifest["streams"].items():
        assert widths[f"{name}_tdata"] == 8 * stream["bytes"]
        assert widths[f"{name}_tvalid"] == widths[f"{name}_tready"] == 1
        assert widths.get(f"{name}_tlast") == (None if stream["tlast"] is None else 1)
    assert "\nmodule told (" in design.verilog or "\nmodule told(" in design.verilog
    assert "__payload" not in "".join(widths)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "tiny",
            [
                "s_axis_request: 10 bytes, no tlast: a beat is a packet",
                "  byte 0: write uint8, 1 bits count",
                "  bytes 1 to 4: addr uint32",
                "  byte 5: strobe uint8, 4 bits count",
                "  bytes 6 to 9: data uint32",
                "m_axis_response: 5 bytes, tlast: every beat",
                "  bytes 0 to 3: data uint32",
                "  byte 4: error uint8, 1 bits count",
                "m_axis_stored: 1 bytes, tlast: every beat",
                "  byte 0: error uint8, 1 bits count",
            ],
        ),
        (
            "tcam32",
            [
                "s_axis_write: 14 bytes, no tlast: a beat is a packet",
                "  bytes 0 to 3: value uint32",
                "  bytes 4 to 7: mask uint32",
                "  bytes 8 to 11: clear uint32",
                "  byte 12: entry uint8, 5 bits count",
                "  byte 13: write uint8, 1 bits count",
                "s_axis_key: 4 bytes, no tlast: a beat is a packet",
                "  bytes 0 to 3: key uint32",
                "m_axis_match: 6 bytes, tlast: every beat",
                "  bytes 0 to 3: match uint32",
                "  byte 4: index uint8, 5 bits count",
                "  byte 5: hit uint8, 1 bits count",
            ],
        ),
    ],
)
def test_caches_and_tcams_tell_theirs(name, told):
    design = axi_stream_design(preset(name), "told")
    assert design.verilog.split("\n\n")[0].splitlines()[2:] == [f"// {line}" for line in told]
    for stream in design.manifest["streams"].values():
        fields = list(stream["layout"].values())
        ends = [0, *(field["offset"] + field["bytes"] for field in fields)]
        assert ends == [*(field["offset"] for field in fields), stream["bytes"]]


def test_a_field_without_bits_has_no_bytes():
    stream = AXIStream("s_axis_a", data.StructLayout({"first": 8, "none": 0, "last": signed(9)}))
    assert stream.facts()["layout"] == {
        "first": {"offset": 0, "bytes": 1, "width": 8, "signed": False},
        "none": {"offset": 1, "bytes": 0, "width": 0, "signed": False},
        "last": {"offset": 1, "bytes": 2, "width": 9, "signed": True},
    }
    assert stream.lines()[1:] == ["  byte 0: first uint8", "  bytes 1 to 2: last int16, 9 bits count"]


def test_the_command_writes_it(tmp_path, capsys):
    words = ["generate", "os2", "--ports", "axis", "--package", "-o", str(tmp_path), "--json"]
    assert main(words) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "os2_axis"
    assert facts["latency"] == preset("os2", ArrayConfig).latency + 2
    constraints = (tmp_path / "os2_axis.sdc").read_text()
    assert re.search(r"^create_clock -name aclk .*get_ports \{aclk\}", constraints, re.MULTILINE)
    assert "s_axis_x_tdata" in (tmp_path / "os2_axis_inst.v").read_text()


NOT_FOR = "--ports axis is for arrays (os, sysmt, sparq), caches and TCAMs, not"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["accel_os2"], f"{NOT_FOR} accel_os2: take --link axi-stream"),
        (["smtsa2_4"], f"{NOT_FOR} smtsa2_4: leave it out"),
        (["os2", "--testbench"], "--testbench is for native ports, not --ports axis: leave one of them out"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words, error, capsys):
    assert main(["generate", *words, "--ports", "axis"]) == 2
    assert capsys.readouterr().err == f"sysmt generate: error: {error}\n"


def test_other_designs_and_kinds_of_ports_are_refused():
    with pytest.raises(
        ConfigError, match=r"^ports must be 'native' for AccelConfig, not 'axis', which is for arrays, "
    ):
        sysmt.generate("accel_os2", ports="axis")
    with pytest.raises(ConfigError, match=r"^ports must be .*native.*axis.*, not 'axi'"):
        design_of(preset("os2"), "small", ports="axi")
