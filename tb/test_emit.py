# SPDX-License-Identifier: Apache-2.0
"""What `generate` writes: the same bytes every time, equal modules once, a manifest that describes the Verilog."""

import json
import re
import subprocess
import sys

import pytest
from amaranth._toolchain.yosys import find_yosys
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.designs import array_design, check_name
from sysmt.hdl.emit import UNINITIALISED, emit
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim.rtl import emitted_array

EMIT = """
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.presets import preset
print(design_of(preset("sysmt4_4"), "again").verilog)
"""


def test_the_same_configuration_gives_the_same_bytes():
    """In processes of their own, with other hashes: nothing of the host or of an order of sets enters the text."""
    texts = [
        subprocess.run(
            [sys.executable, "-c", EMIT], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) > 10_000
    assert "/" not in re.sub(r"//.*", "", texts[0]).replace("*/", "").replace("/*", "")


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_modules_do_not_grow_with_the_array(threads):
    """A PE is one module, instantiated `rows` times in the one column, which is instantiated `cols` times.

    Delay lines of operands and sums are made of lines of 1, 2, 4, ... registers: 1 in the small array, 1 to 8 in the
    large one.
    """
    small = array_design(ArrayConfig().with_fields(rows=2, cols=2, threads=threads), "a")
    large = array_design(ArrayConfig().with_fields(rows=12, cols=12, threads=threads), "a")
    kinds = [{re.sub(r"_\d.*", "", module) for module in array.modules} for array in (small, large)]
    assert kinds[0] == kinds[1]
    assert len(large.modules) == len(small.modules) + 3 * 2
    assert len(re.findall(r"^  a__pe \S+ \($", large.verilog, re.MULTILINE)) == 12
    assert len(re.findall(r"^  a__column \S+ \($", large.verilog, re.MULTILINE)) == 12


def test_manifest_describes_the_ports_of_the_verilog():
    design = emitted_array(preset("sysmt2_4"))
    top = design.verilog[design.verilog.index(f"\nmodule {design.name}(") :]
    for port in design.manifest["ports"]:
        bits = "" if port["width"] == 1 else rf"\[{port['width'] - 1}:0\] "
        assert re.search(rf"^  {port['direction']} {bits}{port['name']};$", top, re.MULTILINE), port["name"]
    by_name = {port["name"]: port for port in design.manifest["ports"]}
    assert by_name["i_w__payload"]["layout"]["of"]["of"] == {"width": 8, "signed": True}
    assert by_name["i_x__payload"]["layout"]["of"]["of"] == {"width": 8, "signed": False}
    assert by_name["o__payload"]["layout"]["sums"]["of"] == {"width": 32, "signed": True}
    assert design.manifest["config"]["threads"] == 2
    json.dumps(design.manifest)


def test_files_are_written_together_or_not_at_all(tmp_path):
    design = array_design(ArrayConfig(rows=1, cols=1), "tiny")
    written = design.write(tmp_path / "new")
    assert sorted(p.name for p in written) == ["tiny.json", "tiny.v"]
    assert json.loads((tmp_path / "new" / "tiny.json").read_text()) == design.manifest
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match=r"^output '.*' cannot be written: "):
        design.write(blocked)
    (tmp_path / "taken" / "tiny.json").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written"):
        design.write(tmp_path / "taken")
    assert [p.name for p in (tmp_path / "taken").iterdir()] == ["tiny.json"]


@pytest.mark.parametrize("name", ["", "8x8", "a b", "a/b", "x" * 65, "é"])
def test_a_name_that_is_no_identifier_is_refused(name):
    with pytest.raises(ConfigError, match=r"^name must be letters, digits and _"):
        check_name(name)


@pytest.mark.parametrize("name", ["small", "module", "logic"])
def test_a_keyword_of_verilog_is_no_name(name):
    with pytest.raises(
        ConfigError, match=f"^name must not be a keyword of Verilog or SystemVerilog, not '{name}'; choose another$"
    ):
        check_name(name)


def test_the_yosys_of_amaranth_is_found_as_before():
    """`find_yosys` is not public. When this fails, see how `amaranth.back.verilog` runs Yosys now, and do the same."""
    tool = find_yosys(lambda version: version >= (0, 40))
    assert (
        tool.run(["-q", "-"], "read_rtlil <<rtlil\nmodule \\top\nend\nrtlil\nwrite_verilog -norename").count("module")
        == 2
    )


def test_uninitialised_memories_are_emitted_without_contents():
    """And without the attribute; another memory in the same module keeps its own."""

    class Two(wiring.Component):
        def __init__(self):
            ports = {"address": In(2), "word": In(8), "a": Out(8), "b": Out(8)}
            super().__init__(ports)

        def elaborate(self, platform):
            m = Module()
            for name, attrs in (("a", UNINITIALISED), ("b", {})):
                m.submodules[f"memory_{name}"] = memory = Memory(shape=8, depth=4, init=[], attrs=attrs)
                write, read = memory.write_port(), memory.read_port()
                m.d.comb += [write.en.eq(1), write.addr.eq(self.address), write.data.eq(self.word)]
                m.d.comb += [read.addr.eq(self.address), getattr(self, name).eq(read.data)]
            return m

    verilog = emit(Two(), "two", {}).verilog
    assert re.findall(r"^  reg \[7:0\] (memory_\w+) ", verilog, re.MULTILINE) == ["memory_a", "memory_b"]
    assert "memory_a[0] = " not in verilog
    assert "memory_b[0] = 8'h00" in verilog
    assert not any(name in verilog for name in UNINITIALISED)
