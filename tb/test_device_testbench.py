# SPDX-License-Identifier: Apache-2.0
"""`sysmt generate --testbench` of caches, TCAMs and devices passes from the folder alone, in both simulators."""

import re

import pytest

from sysmt.cli.main import main

from .icarus import needs_icarus, simulate
from .test_testbench import needs_verilator, simulated, written

AXI, WISHBONE = ("--link", "axi"), ("--link", "wishbone")
WIDE, TWO_CLOCKS = ("--set", "data_width=64"), ("--set", "bus_clock=true")
SIGNED = ("--set", "kind=sparq", "--set", "signed_window=true")
SPARSE = ("--set", "kind=sparq", "--set", "stc=true")
DEFAULT = (("tcam32", "--set", "entries=4"), ("accel_os2", *WISHBONE))
MORE = (
    ("tiny",),
    ("tiny", "--set", "null=off", "--set", "line=32"),
    ("tcam32", "--set", "ports=2", "--set", "latency=1", "--set", "entries=5", "--set", "width=9"),
    ("tcam32_memory",),
    ("accel_os2",),
    ("accel_os2", *AXI),
    ("accel_sysmt4_2", *AXI, *WIDE),
    ("accel_os2", *WISHBONE, *TWO_CLOCKS),
    ("accel_os2", *AXI, *TWO_CLOCKS),
    ("accel_sysmt2_8", *WISHBONE, *WIDE),
    ("accel_os2", *SIGNED),
    ("accel_os2", *SIGNED, *WISHBONE),
    ("accel_os2", *SPARSE),
    ("accel_os2", *SPARSE, *AXI),
    ("engine_os2",),
    ("engine_os2", *WISHBONE),
    ("engine_sysmt2_2", *AXI, *WIDE),
    ("engine_sysmt4_2", *AXI),
    ("engine_sysmt2_2", *SPARSE),
)
BUILT = (
    ("tiny",),
    ("tcam32_memory",),
    ("accel_os2",),
    ("accel_os2", *AXI),
    ("accel_os2", *SPARSE),
    ("engine_sysmt2_2", *WISHBONE),
    ("engine_sysmt2_2", *SPARSE),
)


def printed(folder, standard: str, damage=lambda text: text) -> str:
    texts = {file.name: file.read_text() for file in folder.glob("*.v")}
    texts["a_tb.v"] = damage(texts["a_tb.v"])
    return simulate(folder, "a_tb", texts, standard)


@needs_icarus
@pytest.mark.parametrize(
    ("words", "standard"),
    [
        *((words, "2001") for words in DEFAULT),
        *(pytest.param(words, standard, marks=pytest.mark.regress) for words in MORE for standard in ("2001", "2012")),
    ],
)
def test_passes_in_icarus(words, standard, tmp_path):
    written(tmp_path, *words)
    assert re.match(r"PASS: [1-9]", printed(tmp_path, standard))


@needs_verilator
@pytest.mark.regress
@pytest.mark.parametrize("words", BUILT)
def test_passes_in_verilator(words, tmp_path):
    written(tmp_path, *words)
    run = simulated(tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.match(r"PASS: [1-9]", run.stdout)


@needs_icarus
@pytest.mark.regress
@pytest.mark.parametrize("words", [("tiny",), ("tcam32", "--set", "entries=4"), ("accel_os2",), ("accel_os2", *AXI)])
def test_another_value_is_found(words, tmp_path):
    """In the last one that is expected, at its lowest bit."""
    written(tmp_path, *words)

    def damage(text: str) -> str:
        last = list(re.finditer(r"(?:loaded|expected)\[\d+\] = \d+'h(\w+);", text))[-1]
        digits = f"{int(last[1], 16) ^ 1:x}"
        return text[: last.start(1)] + digits + text[last.end(1) :]

    text = printed(tmp_path, "2005", damage)
    assert "\nFAIL: " in text
    assert "PASS" not in text


@pytest.mark.regress
def test_the_same_bytes(tmp_path):
    for words in (("tiny",), ("accel_os2", *AXI), ("accel_os2",)):
        texts = [written(tmp_path / folder, *words) for folder in ("1", "2")]
        assert texts[0] == texts[1]


def test_a_packaged_device_lists_no_testbench(tmp_path):
    """Its filelist is what is synthesised."""
    assert main(["generate", "tcam32", "--name", "a", "--package", "--testbench", "-o", str(tmp_path)]) == 0
    assert "a_tb.v" not in (tmp_path / "a.f").read_text()
    assert (tmp_path / "a_tb.v").exists()
