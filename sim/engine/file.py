# SPDX-License-Identifier: Apache-2.0
"""Program files: a header that says everything about itself, and the words of the memories behind it.

    magic (8 bytes)  version (u32)  size of the header (u32)  SHA-256 of the header (32)  header  sections

Numbers are little end first. The header is JSON: the engine's configuration, the layers, where input and output lie,
what the host computes, and for every section its name, type, shape, place behind the header, and SHA-256. The same
program is the same bytes. Nothing in a file is ever executed.
"""

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.sim.nn.arrays import joined

from .header import header_of, program_of
from .header_host import Sections
from .program import Program

MAGIC = b"SYSMTPRG"
VERSION = 1
"""Of the file; that of the words in it is `sysmt.hdl.params.program.PROGRAM_VERSION`, part of the fingerprint."""
START = struct.Struct("<8sII32s")
LARGEST = 2**30
"""Bytes of the largest file read."""
DTYPES = ("uint8", "int8", "int32", "int64", "float32")
"""Types that a section may have."""
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a header raises that is not what it should be."""


def to_bytes(program: Program) -> bytes:
    """The content of a program's file."""
    sections = Sections()
    header = header_of(program, sections)
    header["sections"] = sections.table()
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    start = START.pack(MAGIC, VERSION, len(text), hashlib.sha256(text).digest())
    return b"".join([start, text, *sections.content])


def from_bytes(content: bytes) -> Program:
    """The program in a file's content.

    Raises
    ------
    UserError
        It is no program, of another version, truncated, edited or otherwise damaged.
    """
    if len(content) < START.size or not content.startswith(MAGIC):
        raise UserError("program must be a file that `sysmt compile` wrote, not something else; compile the network")
    _, version, size, digest = START.unpack_from(content)
    if version != VERSION:
        raise UserError(f"program must be of version {VERSION}, not {version}; compile the network again")
    text = content[START.size : START.size + size]
    if len(text) != size or hashlib.sha256(text).digest() != digest:
        raise UserError("program must have a whole header, not a damaged or truncated one; compile the network again")
    try:
        header: dict[str, Any] = json.loads(text)
        arrays = _sections(header["sections"], content[START.size + size :])
        program = program_of(header, arrays)
        _rehearse(program)
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(
            f"program has a header that cannot be understood ({type(error).__name__}); compile the network again"
        ) from None
    return program


def _rehearse(program: Program) -> None:
    """Take an input of zeros in and an output of zeros out, so that a header whose shapes disagree is found here."""
    program.pack(np.zeros((1, *joined(program.ends.input.shape)), program.ends.input.dtype))
    for each in (program, program.exact):
        if each is not None:
            each.unpack(np.zeros((1, each.output_words, each.config.word_bytes), np.uint8))


def write_program(program: Program, path: str | Path) -> None:
    """Write a program's file."""
    if not isinstance(program, Program):
        raise UserError(f"program must be a Program, not {program!r}; compile one first")
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"path must be where the program's file goes, not {path!r}")
    path = Path(path)
    write_together(path.parent, {path.name: to_bytes(program)})


def read_program(path: str | Path) -> Program:
    """Read a program's file; raises as `from_bytes`."""
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"program must be a Program or the path of its file, not {path!r}")
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"program must be a file of at most {LARGEST} bytes, not {str(path)!r}")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"program must be a readable file, not {str(path)!r} ({error.strerror})") from None
    return from_bytes(content)


def _sections(table: list[dict[str, Any]], content: bytes) -> dict[str, np.ndarray]:
    """The arrays behind the header, each of them checked."""
    arrays, end = {}, 0
    for entry in table:
        name, offset, size = entry["name"], int(entry["offset"]), int(entry["size"])
        if offset != end:
            raise UserError(f"program must have section {name!r} at {end}, not {offset}; compile the network again")
        end = offset + size
        part = content[offset:end]
        if len(part) != size:
            raise UserError(f"program is truncated: section {name!r} has {len(part)} of {size} bytes; copy it again")
        if hashlib.sha256(part).hexdigest() != entry["sha256"]:
            raise UserError(f"program is damaged: section {name!r} is not what was compiled; compile the network again")
        if entry["dtype"] not in DTYPES:
            raise UserError(f"program must have sections of {', '.join(DTYPES)}, not {entry['dtype']!r}")
        arrays[name] = np.frombuffer(part, np.dtype(entry["dtype"])).reshape(entry["shape"])
    if len(content) != end:
        raise UserError(
            f"program must end after {end} bytes of sections, not {len(content)}; compile the network again"
        )
    return arrays
