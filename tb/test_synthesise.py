# SPDX-License-Identifier: Apache-2.0
"""Every design is synthesised by one function: caches, TCAMs, accelerators, Verilog of others; and by the command."""

import json

import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.designs import array_design, design_of
from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.flow import harness, mapping, structural
from sysmt.sim.flow.memories import SMALLEST_SRAM
from sysmt.sim.flow.netlist import Instance, Module, Netlist
from sysmt.sim.flow.synthesis import read_verilog, synthesise

from . import needs
from .tiny_library import tiny_library

needs.pyosys()


@pytest.fixture(scope="module")
def tiny_lib(tmp_path_factory):
    """The tiny library as a file's name."""
    path = tmp_path_factory.mktemp("library") / "tiny.lib"
    path.write_text(tiny_library())
    return str(path)


def memory(depth: int, style: str = "clocked") -> str:
    """A memory of bytes, read at a clock edge or at once."""
    read = "always @(posedge clk) o <= m[a];" if style == "clocked" else "always @* o = m[a];"
    return f"""
    module store (input clk, input [9:0] a, input [7:0] d, input w, output reg [7:0] o);
      reg [7:0] m [{depth - 1}:0];
      always @(posedge clk) if (w) m[a] <= d;
      {read}
    endmodule
    """


def test_modules_without_registers_are_flattened_into_their_parents():
    small = array_design(ArrayConfig(rows=2, cols=2), "small")
    assert "small__multiplier" in mapping.flattened(small)
    assert "small__pe" not in mapping.flattened(small)
    assert "small" not in mapping.flattened(small)
    nested = Design(
        "top",
        "module leaf (clk, o);\n  always @(posedge clk) o <= 1;\nendmodule\n"
        "module middle (clk, o);\n  leaf one (\n    .clk(clk)\n  );\nendmodule\n"
        "module gates (a, o);\n  assign o = ~a;\nendmodule\n"
        "module top (clk, o);\n  middle m (\n  );\n  gates g (\n  );\nendmodule\n",
        {},
    )
    assert mapping.flattened(nested) == ["gates"]


def test_large_memories_are_counted_in_bits_and_small_ones_become_flip_flops():
    large = synthesise(read_verilog(memory(1024), "store"), "generic")
    assert (large.ram_bits, large.ffs) == (8192, 0)
    small = synthesise(read_verilog(memory(SMALLEST_SRAM // 16), "store"), "generic")
    assert (small.ram_bits, small.ffs) == (0, SMALLEST_SRAM // 2 + 8)


def test_a_memory_that_is_read_at_once_becomes_flip_flops():
    found = synthesise(read_verilog(memory(SMALLEST_SRAM // 8, "at once"), "store"), "generic")
    assert (found.ram_bits, found.ffs) == (0, SMALLEST_SRAM)


def test_memories_have_no_part_in_the_timing(tiny_lib):
    inverting = memory(1024).replace("m[a] <= d", "m[a] <= ~d")
    found = synthesise(read_verilog(inverting, "store"), tiny_lib)
    assert (found.ram_bits, found.cells, found.period_ps) == (8192, 8, None)
    assert synthesise(read_verilog(memory(1024), "store"), tiny_lib).cells == 0
    delayed = memory(1024).replace("o <= m[a];", "r <= m[a]; always @(posedge clk) o <= ~r; reg [7:0] r;")
    found = synthesise(read_verilog(delayed, "store"), tiny_lib)
    assert (found.ram_bits, found.ffs) == (8192, 8)
    assert found.period_ps > 0
    assert found.timing_assumptions.endswith("; no access times of memories")


@pytest.mark.parametrize("target", ["generic", "ecp5", "ice40", "gowin"])
def test_a_tcam_is_synthesised(target, capsys):
    assert main(["synth", "tcam32", "--set", "entries=4", "--target", target, "--seeds", "0", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ffs"] > 4 * 64
    assert (facts["nand2"] if target == "generic" else facts["luts"]) > 100


def test_a_cache_is_synthesised(tiny_lib, capsys):
    small = ("size=256", "line=16", "addr_width=12", "write_buffer=1", "null.entries=2")
    command = ["synth", "tiny", *(f"--set={field}" for field in small), "--seeds", "0"]
    for target in ("generic", tiny_lib):
        assert main([*command, "--target", target, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["ram_bits"] >= 8 * 256, target
    assert main(command) == 0
    assert "bits of SRAM, not in the area" in capsys.readouterr().out


def test_an_accelerator_is_synthesised():
    config = preset("accel_os2").with_fields(depth=64, requantize=False)
    design = design_of(config, "accel_os2")
    cells = synthesise(design, "generic")
    assert 0 < cells.ram_bits <= config.memory_bits
    assert cells.nand2 > synthesise(design_of(config.array, "os2"), "generic").nand2


@pytest.mark.regress
def test_an_accelerator_has_its_memories_in_block_ram():
    config = preset("accel_os2")
    placed = synthesise(design_of(config, "accel_os2"), "ecp5", seeds=0)
    assert placed.ram_bits >= 0.9 * config.memory_bits


def test_energy_is_of_arrays_only(capsys):
    assert main(["synth", "tcam32", "--energy"]) == 2
    assert capsys.readouterr().err == (
        "sysmt synth: error: energy is measured on arrays only, not on tcam32: leave --energy out\n"
    )


def test_verilog_of_others_is_read_or_refused_in_one_line():
    found = synthesise(read_verilog("module inv (input a, output o); assign o = ~a; endmodule", "inv"), "generic")
    assert (found.cells, found.nand2) == (1, 0.5)
    for text, top in (("module broken (", "broken"), ("module a (); endmodule", "b")):
        with pytest.raises(UserError, match=r"^yosys failed \(\d+\): .*ERROR"):
            read_verilog(text, top)
    with pytest.raises(UserError, match=r"^top must be a plain name of a module, not 'a; quit'$"):
        read_verilog("", "a; quit")


def test_what_cannot_be_placed_is_refused():
    with pytest.raises(UserError, match=r"^top must have inputs and outputs to be placed, not 1 and 0$"):
        harness.wrap("module top(a);\n  input a;\nendmodule\n", "top")
    with pytest.raises(UserError, match=r"^port 'a' of top cannot be placed: "):
        harness.wrap("module top(a);\n  inout a;\nendmodule\n", "top")
    with pytest.raises(UserError, match=r"^top must name a module of the Verilog, not 'other'$"):
        harness.wrap("module top(a);\n  input a;\nendmodule\n", "other")


def test_names_that_verilog_would_not_take_are_escaped():
    """Modules of a cache have names with dots."""
    parts = [Instance("inside", "top.inner", {"a": [2]})]
    modules = {
        "top": Module("top", {"a": ("input", [2])}, parts, {}),
        "top.inner": Module("top.inner", {"a": ("input", [2])}, [], {}),
    }
    text = structural.verilog(Netlist("top", modules))
    assert "module \\top.inner  (a);" in text
    assert "  \\top.inner  inside (.a(a));" in text
    assert "module top (a);" in text


def test_the_harness_feeds_every_input_and_folds_every_output():
    text = harness.wrap(
        "module top(clk, a, b, o, p);\n  input clk;\n  input a;\n  input [2:0] b;\n"
        "  output [4:0] o;\n  output p;\nendmodule\n",
        "top",
    )
    assert "top design_under_test (.clk(clk), .a(feed[0:0]), .b(feed[3:1]), .o(seen[4:0]), .p(seen[5:5]));" in text
    assert "fold_0[1] <= ^seen[5:4];" in text
