# SPDX-License-Identifier: Apache-2.0
"""Boards with an SDRAM: its pins, and the bitstream that tests it."""

import re

import pytest

from sysmt.base.errors import UserError
from sysmt.boards.definitions import BOARDS
from sysmt.boards.flow.memory_test import MemoryTestTop, memory_test

WITH_SDRAM = ("ulx3s", "icesugar_pro")
CLOCK_PINS = {"ulx3s": "F19", "icesugar_pro": "R15"}
"""The chip's clock as the boards' makers document it."""


def test_these_boards_have_an_sdram():
    assert tuple(name for name, board in BOARDS.items() if board.sdram) == WITH_SDRAM


@pytest.mark.parametrize("name", WITH_SDRAM)
def test_the_chip_is_on_the_pins_of_the_board(name):
    board = BOARDS[name]
    chip = board.memory.chip
    files = board.platform().prepare(MemoryTestTop(board), name="top").files
    sites = dict(re.findall(r'LOCATE COMP "(\w+?)(?:\[\d+\])?" SITE "(\w+)"', str(files["top.lpf"])))
    every = re.findall(r'LOCATE COMP "(sdram_0__\w+)', str(files["top.lpf"]))
    assert sites["sdram_0__clk__io"] == CLOCK_PINS[name]
    counts = {pins: every.count(f"sdram_0__{pins}__io") for pins in ("dq", "ba", "a", "dqm", "ras", "cas", "we", "cs")}
    assert counts == {
        "dq": chip.width,
        "ba": chip.bank_bits,
        "a": 13,
        "dqm": chip.width // 8,
        **dict.fromkeys(("ras", "cas", "we", "cs"), 1),
    }
    top = str(files["top.il"])
    assert top.count("OFS1P3DX") >= 13 + 2 + 2 + 4, "commands and addresses leave from registers at the pins"
    assert "parameter \\CLK_POLARITY 0" in top, "words are taken at the falling edge"


@pytest.mark.parametrize("name", sorted(set(BOARDS) - set(WITH_SDRAM)))
def test_boards_without_one_are_refused(name):
    message = f"board {name} has no SDRAM whose pins are known: take ulx3s or icesugar_pro"
    with pytest.raises(UserError, match=f"^{message}$"):
        memory_test(BOARDS[name])
