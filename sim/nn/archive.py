# SPDX-License-Identifier: Apache-2.0
"""Reads the arrays of .npz files that may come from anywhere: nothing is executed, nothing larger than it says."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError

BYTES = 2**32
"""Largest array read: bounds the memory whatever a compressed file unfolds to."""
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    AttributeError,
    KeyError,
    MemoryError,
    RuntimeError,
    OverflowError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged archive raises, as found by trying."""


def read_archive(path: Path, what: str, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """The arrays of the file whose names are wanted, none of them believed to be larger than what is in the file.

    Parameters
    ----------
    what : str
        What the file is to the user, for messages.

    Raises
    ------
    UserError
        The file cannot be read or is damaged, or an array is of Python objects or larger than `BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
            return {name: _array(archive, f"{name}.npy", what) for name in sorted(members) if wanted(name)}
    except UserError:
        raise
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or "not a plain .npz archive"
        raise UserError(f"{what} must be a readable .npz file, not {str(path)!r} ({reason})") from None


def _array(archive: zipfile.ZipFile, member: str, what: str) -> np.ndarray:
    size = archive.getinfo(member).file_size
    if size > BYTES:
        raise UserError(f"{what} must hold at most {BYTES} bytes of {member}, not {size}; split the file")
    with archive.open(member) as file:
        shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
        rest = size - file.tell()
        if prod(shape) * dtype.itemsize > rest or min(shape, default=0) < 0:
            raise UserError(f"{what} must hold all of {member} {shape} {dtype}, not {rest} bytes; the file is damaged")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
