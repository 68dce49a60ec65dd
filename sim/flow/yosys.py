# SPDX-License-Identifier: Apache-2.0
"""Yosys as a library, in a process of its own: it prints without asking, and holds on to its memory."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version

from sysmt.base.errors import UserError


def package(name: str) -> str:
    """Name and version of an installed package."""
    return f"{name} {package_version(name)}"


def version() -> str:
    """Name and version of Yosys, as reports state it; refused when it is not installed."""
    try:
        return package("pyosys")
    except PackageNotFoundError as error:
        raise UserError("pyosys is missing: pip install 'sysmt[silicon]'") from error


def run(commands: list[str]) -> None:
    """Run Yosys commands on one design.

    Raises
    ------
    UserError
        pyosys is not installed.
    RuntimeError
        A command failed; the message ends with what Yosys said.
    """
    done = subprocess.run([sys.executable, "-m", __name__, *commands], capture_output=True, text=True)
    if done.returncode == 3:
        raise UserError("pyosys is missing: pip install 'sysmt[silicon]'")
    if done.returncode:
        raise RuntimeError(f"Yosys failed ({done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _child(commands: list[str]) -> int:
    try:
        from pyosys import libyosys
    except ImportError:
        return 3
    design = libyosys.Design()
    for command in commands:
        libyosys.run_pass(command, design)
    return 0


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1:]))
