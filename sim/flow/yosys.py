# SPDX-License-Identifier: Apache-2.0
"""Yosys as a library, in a process of its own: it prints without asking, and holds on to its memory."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sysmt.base.errors import UserError
from sysmt.base.extras import require

from . import tools

ENDS = {"write_json": b"\n}\n", "write_verilog": b"\nendmodule\n"}
"""Commands that write a file, their last argument, and how it ends."""


def version() -> str:
    """Name and version of Yosys, as reports state it; refused when it is not installed."""
    return tools.release("yosys")


def run(commands: Sequence[str], folder: Path, progress: tools.Progress = tools.silent) -> None:
    """Run Yosys commands on one design, file names relative to `folder`, which keeps `yosys.log`.

    Raises
    ------
    UserError
        pyosys is not installed, or a command failed: the message is Yosys' own.
    """
    tools.run("yosys", commands, folder, progress)
    for command in commands:
        name, *arguments = command.split()
        if name in ENDS:
            _check_end(folder / arguments[-1], ENDS[name])


def _check_end(written: Path, end: bytes) -> None:
    """Refuse a file of which Yosys wrote less than all: it does not say so, on a full disk for instance."""
    with open(written, "rb") as file:
        file.seek(-min(len(end), written.stat().st_size), os.SEEK_END)
        if file.read() != end:
            raise UserError(f"yosys could not write all of {str(written)!r}: make room there")


def _child(commands: list[str]) -> int:
    libyosys = require("pyosys.libyosys", "silicon")
    design = libyosys.Design()
    for command in commands:
        libyosys.run_pass(command, design)
    return 0


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1:]))
