# SPDX-License-Identifier: Apache-2.0
"""The boards: one file each. A new board is a new file and a line here."""

from sysmt.base.choice import choose
from sysmt.boards.flow.board import BoardDefinition

from . import colorlight_5a75b, ecpix5, ice40_hx8k, icebreaker, icesugar, icesugar_pro, tang_nano_9k, ulx3s

BOARDS: dict[str, BoardDefinition] = {
    module.BOARD.name: module.BOARD
    for module in (ulx3s, ecpix5, icesugar_pro, colorlight_5a75b, icebreaker, icesugar, ice40_hx8k, tang_nano_9k)
}


def board(name: str) -> BoardDefinition:
    """The board called `name`; an unknown name is refused with the nearest known one."""
    return choose("board", name, BOARDS)
