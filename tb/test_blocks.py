# SPDX-License-Identifier: Apache-2.0
"""Blocks of area: said where the gates are made, carried by the manifest, and read by the flow for every design."""

import dataclasses
import re

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.base.errors import ConfigError
from sysmt.hdl.designs import design_of
from sysmt.hdl.emit import emit, shared
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.blocks import ATTRIBUTE, BLOCKS, owned_by
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.flow.synthesis import synthesise

from . import needs

needs.pyosys()

ARRAY = {"multiplier", "accumulator", "registers", "drain", "control", "skew", "counters"}
CACHE = {"control", "storage", "write buffer", "zero detector", "null cache", "tcam"}
ACCELERATOR = ARRAY | {"buffers", "requantizer", "link", "host registers"}
DESIGNS = {
    "os2": ARRAY,
    "sysmt2_2": ARRAY,
    "sysmt4_2": ARRAY,
    "tcam32": {"tcam"},
    "tcam32_memory": {"tcam"},
    "tiny": CACHE,
    "accel_sysmt2_2": ACCELERATOR,
}


LARGE = ("tiny", "accel_sysmt2_2")
"""What takes half a minute; `test_synthesise` has a cache and an accelerator in every run."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [pytest.param(*row, marks=[pytest.mark.regress] if row[0] in LARGE else []) for row in DESIGNS.items()],
)
def test_every_cell_has_a_block(name, expected):
    found = synthesise(design_of(preset(name), name), "generic")
    assert sum(found.blocks.values()) == pytest.approx(found.nand2)
    assert found.blocks.get("other", 0) < 0.05 * found.nand2
    assert set(found.blocks) - {"other"} == expected
    assert list(found.blocks) == [block for block in BLOCKS if block in found.blocks], "in the order of reports"


def test_without_a_manifest_every_cell_is_other():
    design = design_of(preset("os2"), "os2")
    found = synthesise(dataclasses.replace(design, manifest={}), "generic")
    assert found.blocks == {"other": pytest.approx(found.nand2)}


def test_registers_and_gates_go_where_the_manifest_says():
    """The drains of an array, called accumulators in its manifest, take their gates along."""
    design = design_of(preset("os2"), "os2")
    modules = {name: dict(entry) for name, entry in design.manifest["modules"].items()}
    right = synthesise(design, "generic").blocks
    registers = modules["os2__pe"]["registers"]
    modules["os2__pe"]["registers"] = registers | {
        r: "accumulator" for r, block in registers.items() if block == "drain"
    }
    wrong = synthesise(dataclasses.replace(design, manifest={"modules": modules}), "generic").blocks
    assert wrong["accumulator"] > right["accumulator"] + 4 * 32 * 4, "more than the flip-flops of four drains"
    assert wrong["drain"] < right["drain"]


def test_a_pe_with_queues_in_modules_of_their_own_has_its_products():
    one, queued = (
        synthesise(design_of(config, "pe"), "generic").blocks
        for config in (
            preset("os2", ArrayConfig, rows=1, cols=1, counters=False),
            SmtSaConfig(rows=1, cols=1, queue=1),
        )
    )
    assert set(queued) == {"multiplier", "accumulator", "registers", "drain", "control"}
    assert one["multiplier"] < queued["multiplier"] < 1.3 * one["multiplier"], "with the choice of the pair"
    assert queued["registers"] > 2 * one["registers"]


def test_a_cluster_has_the_products_of_all_its_pes_and_one_set_of_registers():
    """PEs without registers for their operands: what they multiply with is still told from control."""
    plain, clustered = (
        synthesise(design_of(preset("os2", cluster=cluster), "os2"), "generic").blocks for cluster in (1, 2)
    )
    assert clustered["multiplier"] == pytest.approx(plain["multiplier"], rel=0.05)
    assert clustered["registers"] == pytest.approx(plain["registers"] / 2, rel=0.1)
    assert clustered["control"] < 1.1 * plain["control"]


class Inner(wiring.Component):
    def __init__(self, width=2):
        self.width = width
        super().__init__({"i": In(width), "o": Out(width)})

    @staticmethod
    def module_name(width):
        return f"inner_{width}"

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


class Outer(wiring.Component):
    block = "link"
    parts = {"told": "tcam"}

    def __init__(self):
        super().__init__({"i": In(2), "o": Out(2)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.told, m.submodules.untold = told, untold = Inner(), Inner()
        last = shared(m, "last", Inner, 2, platform)
        own = Signal(2, attrs=owned_by("skew"))
        m.d.sync += own.eq(self.i)
        m.d.comb += [told.i.eq(own), untold.i.eq(told.o), last.i.eq(untold.o), self.o.eq(last.o)]
        return m


def test_a_module_that_says_nothing_belongs_to_what_it_is_used_in():
    design = emit(Outer(), "outer", {})
    assert design.manifest["modules"] == {
        "outer": {"block": "link", "registers": {"own": "skew"}},
        "outer.told": {"block": "tcam"},
    }
    assert ATTRIBUTE not in design.verilog
    blocks = synthesise(design, "generic").blocks
    flip_flop = blocks["tcam"] / 2
    assert blocks["link"] == pytest.approx(4 * flip_flop, abs=1), "the two that say nothing, and an inverter of reset"
    assert blocks["skew"] == pytest.approx(2 * flip_flop, abs=1)
    assert "other" not in blocks


def test_an_unknown_block_is_refused():
    message = f"block must be one of {', '.join(BLOCKS)}, not 'adder'"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        owned_by("adder")
    wrong = type("Wrong", (Outer,), {"block": "adder"})
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        emit(wrong(), "wrong", {})
