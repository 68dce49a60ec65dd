# SPDX-License-Identifier: Apache-2.0
"""Yosys as a library, in a process of its own: it prints without asking, and holds on to its memory."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sysmt.base.extras import require

from . import tools


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


def _child(commands: list[str]) -> int:
    libyosys = require("pyosys.libyosys", "silicon")
    design = libyosys.Design()
    for command in commands:
        libyosys.run_pass(command, design)
    return 0


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1:]))
