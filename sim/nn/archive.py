# SPDX-License-Identifier: Apache-2.0
"""Reads the arrays of .npz and .npy files from anywhere: nothing is executed, nothing larger than it says."""

import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from sysmt.base.errors import UserError

BYTES = 2**32
"""Largest array read: bounds the memory whatever a compressed file unfolds to."""
ARCHIVE = b"PK"
"""How a .npz file begins."""
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


def read_matrix(path: str, what: str) -> np.ndarray:
    """The array of a .npy file, checked as those of `read_archive`.

    Raises
    ------
    UserError
        The file cannot be read, is damaged or an archive, or its array is of Python objects or larger than `BYTES`.
    """
    try:
        with open(path, "rb") as file:
            if file.read(len(ARCHIVE)) == ARCHIVE:
                raise UserError(f"{what} file {path!r} must hold one array (.npy), not an archive")
            return _checked(file, file.seek(0, os.SEEK_END), "the array", f"{what} file {path!r}")
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{what} file {path!r} cannot be read: {error.strerror}") from error
    except DAMAGE as error:
        raise UserError(f"{what} file {path!r} must be an array saved by numpy.save (.npy)") from error


def _array(archive: zipfile.ZipFile, member: str, what: str) -> np.ndarray:
    with archive.open(member) as file:
        return _checked(file, archive.getinfo(member).file_size, member, what)


def _checked(file: IO[bytes], size: int, name: str, what: str) -> np.ndarray:
    """The array of a file of `size` bytes, in C order and this machine's byte order."""
    if size > BYTES:
        raise UserError(f"{what} must hold at most {BYTES} bytes of {name}, not {size}; split the file")
    file.seek(0)
    shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    rest = size - file.tell()
    if prod(shape) * dtype.itemsize > rest or min(shape, default=0) < 0:
        raise UserError(f"{what} must hold all of {name} {shape} {dtype}, not {rest} bytes; the file is damaged")
    file.seek(0)
    found = np.lib.format.read_array(file, allow_pickle=False)
    return np.asarray(found, found.dtype.newbyteorder("="), order="C")
