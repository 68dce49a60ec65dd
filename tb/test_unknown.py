# SPDX-License-Identifier: Apache-2.0
"""After one clock of reset no bit that tells something is unknown, whatever is at inputs that are not valid.

In simulation of four states, with and without initial values, in every generation of Verilog. Arrays compute, by their
own testbench; everything else is left alone, and has to say so.
"""

import itertools
import re

import pytest

from sysmt.hdl.array import counters
from sysmt.hdl.designs import design_of
from sysmt.hdl.packaging import CLOCKS, ports_of
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.hdl.style import ClockGate, Style
from sysmt.sim.cosim.testbench import testbench as bench_of_array

from .icarus import STANDARDS, needs_icarus, simulate

pytestmark = needs_icarus

ARRAYS = (
    "os2",
    "os2 rows=3 fuse=true counters=false",
    "os2 target=fpga",
    "os2 cluster=2 rows=4 cols=4 pipeline=1",
    "sysmt2_2 rows=3 cols=5",
    "sysmt2_2 fuse=true",
    "sysmt2_2 target=fpga pipeline=2 dsp=true",
    "sysmt2_2 target=fpga pipeline=3",
    "sysmt2_2 clock_gating=true",
    "sysmt4_2",
    "sysmt4_2 drain=in_place acc_width=20",
    "sysmt4_2 fuse=true target=fpga pipeline=3",
    "sparq_8 rows=2 cols=2 target=fpga",
    "sparq2_8 rows=2 cols=3",
)
OTHERS = (
    "tiny",
    "tiny null=off",
    "tiny null.replacement=lru",
    "tcam32 entries=4",
    "tcam32 entries=4 latency=1 ports=2",
    "tcam32_memory entries=8",
    "accel_os2",
    *(f"accel_os2 link={link}" for link in ("axi", "wishbone", "axi-stream", "cfu")),
    "engine_os2",
    "engine_sysmt2_2 link=axi",
    "engine_sysmt2_4 array.target=asic",
    "os2 axis",
    "tiny axis",
    "tcam32 entries=4 ports=2 axis",
    "tcam32_memory entries=8 axis",
)
STYLES = {
    "keep": Style(),
    "none": Style(initial_values="none"),
    "none-async": Style(initial_values="none", reset="async", memories="separate"),
}
DEFAULT = ("sysmt2_2 rows=3 fuse=true target=fpga", "none", "2012")
WIDE = ("os4 target=fpga", "none", "2012")
"""Counts of columns have several bits: 0 times one that is not known is not known."""
FAMILIES = [
    pytest.param(*chosen, marks=pytest.mark.regress)
    for chosen in itertools.product(ARRAYS, STYLES, STANDARDS)
    if chosen[1:] in {("keep", "2012"), ("none", "2001"), ("none", "2005"), ("none-async", "2012")}
]
GATED = (
    "os2 clock_gating=true drain=in_place",
    "sysmt2_2 clock_gating=true",
    "sysmt4_2 clock_gating=true pipeline=1 fuse=true",
    "sparq2_8 rows=2 cols=4 cluster=2 clock_gating=true",
)
CELLS = ("ICG", "ICGX1:CK,E,GCK")
QUIET = """`timescale 1ns / 1ps
module quiet_tb;
  reg clock = 0, reset = 1;
  integer cycle = 0;
{nets}
  quiet dut ({pins});
  always #5 clock = !clock;
  always @(posedge clock) begin
    cycle <= cycle + 1;
    reset <= 0;
    if (!reset) begin
{checks}
      if (cycle == {cycles}) begin
        $display("END");
        $finish;
      end
    end
  end
endmodule
"""
CYCLES = 300
"""More than any of them takes to clear its memories."""
RESETS = {"rst": "reset", "reset": "reset", "aresetn": "!reset"}
SAID = ("valid", "ready", "error", "busy", "irq", "refused", "counters", "tx", "ack", "err", "cyc", "stb", "hit__0")
"""Ends of names of outputs that always tell something. The rest goes with one of them."""
ASKS = ("valid", "ready", "ack", "err", "cyc", "stb", "write", "clear")
"""Ends of names of inputs that are low while nothing happens. Keys of a TCAM, which always searches, are zero."""


def design(case: str, style: str, name: str):
    preset_name, *settings = (word for word in case.split() if word != "axis")
    config = with_settings(preset(preset_name), settings)
    return config, design_of(config, name, STYLES[style], "axis" if "axis" in case.split() else "native")


def sources(emitted) -> dict[str, str]:
    return {name: text for name, text in emitted.texts.items() if name.endswith(".v")}


def computed(folder, case: str, style: str, standard: str) -> str:
    config, emitted = design(case, style, "a")
    return simulate(folder, "a_tb", sources(emitted) | {"a_tb.v": bench_of_array(config, emitted, "")}, standard)


@pytest.mark.parametrize(("case", "style", "standard"), [DEFAULT, WIDE, *FAMILIES])
def test_arrays_compute_and_count_among_unknown_bits(case, style, standard, tmp_path):
    printed = computed(tmp_path, case, style, standard)
    assert printed.startswith("PASS: "), printed


def gated(folder, case: str, cell: str, damage=lambda model: model) -> str:
    """What the testbench of an array behind clock gates prints, with a model of the cell."""
    words, gate = case.split(), ClockGate.of(cell)
    config = with_settings(preset(words[0]), words[1:])
    emitted = design_of(config, "a", Style(initial_values="none", clock_gate=gate))
    assert f"  {gate.cell} sum_gate (" in emitted.verilog
    return simulate(folder, "a_tb", sources(emitted) | {"a_tb.v": bench_of_array(config, emitted, damage(gate.model))})


@pytest.mark.parametrize(
    ("case", "cell"),
    [(GATED[1], CELLS[1]), *(pytest.param(*c, marks=pytest.mark.regress) for c in itertools.product(GATED, CELLS))],
)
def test_arrays_compute_behind_clock_gates(case, cell, tmp_path):
    printed = gated(tmp_path, case, cell)
    assert printed.startswith("PASS: "), printed


@pytest.mark.regress
@pytest.mark.parametrize("wrong", ["assign Q = CLK", "assign Q = CLK & (held | EN)", "assign Q = 1'b0"])
def test_a_cell_that_gates_wrongly_is_found(wrong, tmp_path):
    """A gate that is always open, one whose enable is not held, one that is never open."""
    printed = gated(tmp_path, GATED[1], "ICG", lambda model: re.sub(r"assign Q = .*;", f"{wrong};", model))
    assert "\nFAIL: " in printed
    assert "PASS" not in printed


def test_a_counter_that_takes_what_is_not_valid_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(counters, "product_of", lambda a, b: a * b)
    printed = computed(tmp_path, *DEFAULT)
    assert printed.startswith("FAIL: 0 errors, ")
    assert "x" in printed.partition("counters")[2]


@pytest.mark.parametrize(
    ("case", "style", "standard"),
    [
        ("tcam32 entries=4", "keep", "2012"),
        *(
            pytest.param(*chosen, marks=pytest.mark.regress)
            for chosen in itertools.product(OTHERS, STYLES, STANDARDS)
            if chosen[2] == "2012" or chosen[1] == "none"
        ),
    ],
)
def test_what_is_left_alone_says_so(case, style, standard, tmp_path):
    _, emitted = design(case, style, "quiet")
    nets, pins, checks = [], [], []
    for name, direction, bits in ports_of(emitted.manifest):
        last = name.rpartition("_")[2]
        if direction == "output":
            nets.append(f"  wire [{bits - 1}:0] {name};")
            pins.append(f".{name}({name})")
            if name.endswith(SAID):
                checks.append(f'      if (^{name} === 1\'bx) $display("{name} is %b in cycle %0d", {name}, cycle);')
        elif name in CLOCKS:
            pins.append(f".{name}(clock)")
        elif name in RESETS:
            pins.append(f".{name}({RESETS[name]})")
        else:
            quiet = "1" if name == "rx" else "0" if last.endswith(ASKS) or name.startswith("key") else "x"
            pins.append(f".{name}({{{bits}{{1'b{quiet}}}}})")
    assert checks
    text = QUIET.format(nets="\n".join(nets), pins=", ".join(pins), checks="\n".join(checks), cycles=CYCLES)
    assert simulate(tmp_path, "quiet_tb", sources(emitted) | {"quiet_tb.v": text}, standard) == "END\n"
