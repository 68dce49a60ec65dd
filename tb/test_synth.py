# SPDX-License-Identifier: Apache-2.0
"""Area and timing of small arrays in a tiny library, in generic gates, and in sky130 where it is at hand."""

import gzip
import json
import re
from collections import Counter

import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.flow import area, buffering, fpga, harness, liberty, mapping, parts, sta, yosys
from sysmt.sim.flow.logic import decisions, truth_table
from sysmt.sim.flow.synthesis import synthesise

from . import needs
from .shared import shared
from .tiny_library import SLEW, tiny_library

needs.pyosys()
CONFIG = ArrayConfig(rows=2, cols=2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny library as a file."""
    path = tmp_path_factory.mktemp("library") / "tiny.lib"
    path.write_text(tiny_library())
    return path


@pytest.fixture(scope="module")
def mapped(tiny):
    """A 2x2 array in its cells."""
    return mapping.to_cells(array_design(CONFIG, "small"), liberty.read(tiny), 10_000)


@pytest.mark.parametrize(
    ("text", "value"),
    [("A & !B", 0b0010), ("A B'", 0b0010), ("(A + B) * (A' | B')", 0b0110), ("A ^ B", 0b0110), ("1", 15), ("!(A)", 5)],
)
def test_functions_are_read(text, value):
    assert truth_table(text, ["A", "B"]) == value


def test_decisions_compute_the_function():
    for table in range(256):
        program = decisions(table, 3)
        for row in range(8):
            known = [0, 1]
            for place, low, high in program:
                known.append(known[high if row >> place & 1 else low])
            assert known[-1] == table >> row & 1


def test_the_library_is_read(tiny):
    library = liberty.read(tiny)
    assert (library.name, library.voltage, library.joules, library.seconds) == ("tiny", 2.0, 1e-12, 1e-9)
    assert library.smallest_nand.name == "NAND2"
    assert library.adder(3) == ("FA", ["A", "B", "C"], "CO", "S")
    assert library.adder(2) is None
    flip_flop = library.cell("DFF")
    assert (flip_flop.next_state, flip_flop.clock, flip_flop.is_register) == ("D", "CK", True)
    assert float(library.cell("XOR2").pins["Y"].arcs[0].slews["rise"](0.3, 5.0)) == pytest.approx(SLEW)


def test_areas_add_up(mapped):
    found = area.measure(mapped)
    pe = next(row for row in found.modules if row["module"] == "small__pe")
    registers = 8 + 8 + 2 + 2 * CONFIG.pe.acc_width
    assert (pe["copies"], pe["ffs"]) == (4, registers)
    assert found.total == pytest.approx(sum(row["copies"] * row["area"] for row in found.modules))
    assert found.total == pytest.approx(sum(found.blocks.values()))
    operands = 4 * (8 + 8 + 2) * mapped.library.cell("DFF").area
    assert operands < found.blocks["registers"] < 2 * operands, "flip-flops of operands and control, and their enables"
    assert {"multiplier", "accumulator", "drain", "control", "skew", "counters"} <= set(found.blocks)
    kinds = mapped.netlist.modules["small__pe"].kinds
    assert kinds["FA"] >= CONFIG.pe.acc_width - 8, "the adders are full adders of the library"


def test_no_net_drives_more_than_the_limit(mapped):
    netlist = mapped.netlist
    assert netlist.cells["BUF"] > 0
    for name in netlist.copies:
        module = netlist.modules[name]
        clocks = {b for p in module.parts for pin, bits in p.pins.items() if pin in ("CK", "clk") for b in bits}
        sinks = Counter(
            bit
            for part in module.parts
            for pin, bits in part.pins.items()
            for bit in bits
            if part.kind in netlist.modules or pin in mapped.library.cell(part.kind).inputs
        )
        assert all(
            count <= buffering.LIMIT for bit, count in sinks.items() if isinstance(bit, int) and bit not in clocks
        )


def test_the_same_design_is_mapped_once(mapped, monkeypatch):
    monkeypatch.setattr(yosys, "run", lambda *_: pytest.fail("mapped again"))
    again = mapping.to_cells(array_design(CONFIG, "small"), mapped.library, 10_000)
    assert again.folder == mapped.folder


def test_generic_gates_need_no_library():
    found = synthesise(array_design(ArrayConfig(rows=1, cols=1, counters=False), "one"), "generic")
    assert (found.area, found.library) == (None, None)
    assert found.nand2 == pytest.approx(sum(found.blocks.values()))
    assert 1500 < found.nand2 < 6000


@pytest.mark.parametrize("tool", ["opensta", "estimate"])
def test_timing_tells_the_period_and_the_path(mapped, tool):
    if tool == "opensta" and not sta.available():
        pytest.skip(f"opensta is not installed: {sta.PACKAGE}")
    found = sta.measure(mapped, mapped.library, 10_000, tool)
    assert found.tool.startswith("OpenSTA" if tool == "opensta" else "own estimate")
    stages = found.period_ps / 100
    assert 20 < stages < 90, "every cell of the tiny library takes 100 ps"
    assert found.period_ps == max(path.period_ps for path in found.paths)
    assert re.fullmatch(r".*total\[\d+\]", next(p.end for p in found.paths if p.module == "small__pe"))


def test_the_estimate_agrees_with_opensta():
    if not sta.available():
        pytest.skip(f"opensta is not installed: {sta.PACKAGE}")
    found = sky130()
    both = [sta.measure(found, found.library, 10_000, tool) for tool in ("opensta", "estimate")]
    ours, theirs = ({path.module: path.period_ps for path in times.paths} for times in both)
    assert set(ours) == set(theirs)
    for module, period in ours.items():
        assert period == pytest.approx(theirs[module], rel=0.02), module


def test_the_command_reports_json_and_misses_clocks_in_one_line(tiny, capsys):
    arguments = ["synth", "os4", "--set", "rows=2", "--set", "cols=2", "--target", str(tiny), "--json"]
    assert main([*arguments, "--clock", "100"]) == 0
    facts = json.loads(capsys.readouterr().out)
    keys = {"area", "cells", "ffs", "period_ps", "fmax_mhz", "luts", "dsps", "ram_bits", "blocks", "tool", "library"}
    assert keys <= set(facts)
    assert facts["area"] > 0
    assert main([*arguments, "--clock", "2000"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"sysmt: clock 2000 MHz cannot be met: slack -\d+ ps on the path \S+ -> \S+; .* MHz", line)


def test_a_clock_is_refused_where_nothing_is_timed(capsys):
    assert main(["synth", "os2", "--target", "generic", "--clock", "100"]) == 2
    reason = "clock must go with a liberty file or an FPGA as target, not 'generic', which has no timing"
    assert capsys.readouterr().err == f"sysmt synth: error: {reason}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"module top; endmodule", r"library \S+ is not a liberty file: .*"),
        (b"library (x) { cell (A) { area : 1; ", r"library \S+: cell A cannot be read: it ends in the middle"),
        (tiny_library("DFF").encode(), r"library \S+ has no flip-flop .*"),
        (tiny_library("NAND2").encode(), r"library \S+ has no NAND of two inputs: .*"),
    ],
)
def test_what_is_no_library_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.lib"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{message}$"):
        liberty.read(path)


def test_a_cut_off_archive_is_refused(tmp_path):
    path = tmp_path / "cut.lib.gz"
    path.write_bytes(gzip.compress(tiny_library().encode())[:200])
    with pytest.raises(UserError, match=r"^library .* cannot be read: it is cut off$"):
        liberty.read(path)


@pytest.mark.parametrize("target", ["ecp5", "ice40", "gowin"])
def test_fpga_resources_need_no_placement(target):
    config = ArrayConfig(rows=1, cols=1, counters=False).with_fields(target="fpga")
    found = synthesise(array_design(config, "one"), target, seeds=0)
    assert found.luts > 50
    assert 80 < found.ffs < 400
    assert found.fmax_mhz is None


def test_gowin_pads_are_those_of_the_test_harness_only():
    config = ArrayConfig(rows=1, cols=1, counters=False).with_fields(target="fpga")
    _, file = fpga.synthesise(array_design(config, "one").verilog, "one", parts.GOWIN)
    modules = json.loads(file.read_text())["modules"]
    pads = {
        name: sum(cell["type"] in ("IBUF", "OBUF") for cell in module["cells"].values())
        for name, module in modules.items()
    }
    assert pads.pop(harness.HARNESS) == 3
    assert not any(pads.values())
    assert len(fpga.constraints(parts.GW1NR_9C).splitlines()) == 3


@pytest.mark.parametrize("target", ["sky130", "xilinx"])
def test_unknown_targets_are_refused(target, capsys):
    assert main(["synth", "os4", "--target", target]) == 2
    assert re.search(r"target must be generic, ecp5, ice40, gowin or a liberty file", capsys.readouterr().err)


def sky130() -> mapping.Mapped:
    """A 2x3 array in sky130hd; skips where the library is not at hand."""
    library = liberty.read(shared("data", "liberty") / "sky130hd" / "sky130hd_tt.lib.gz")
    design = array_design(ArrayConfig(rows=2, cols=3, counters=False), "tiny")
    return mapping.to_cells(design, library, 10_000)


def test_sky130_has_the_area_that_was_measured_before():
    found = area.measure(sky130())
    pe = next(row for row in found.modules if row["module"] == "tiny__pe")
    assert 3000 < pe["area"] < 6000
    assert pe["copies"] == 6
