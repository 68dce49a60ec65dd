# SPDX-License-Identifier: Apache-2.0
"""The boards: one file each. A new board is a new file and a line here."""

from importlib import import_module

from sysmt.base.choice import choose
from sysmt.base.extras import require
from sysmt.boards.flow.board import BoardDefinition

NAMES = (
    "ulx3s",
    "ecpix5",
    "icesugar_pro",
    "colorlight_5a75b",
    "icebreaker",
    "icesugar",
    "ice40_hx8k",
    "tang_nano_9k",
)
"""The files, each of which has a `BOARD` of the same name."""

require("amaranth_boards", "boards")
BOARDS: dict[str, BoardDefinition] = {name: import_module(f"{__name__}.{name}").BOARD for name in NAMES}


def board(name: str) -> BoardDefinition:
    """The board called `name`; an unknown name is refused with the nearest known one."""
    return choose("board", name, BOARDS)
