# SPDX-License-Identifier: Apache-2.0
"""The list of chunks of a program, chunk by chunk."""

from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.stream import CHUNK

from .program import Program

Entry = dict[str, int]
"""Fields of one entry (`CHUNK`)."""
Chunk = list[Entry]
"""Entries that are loaded together."""


def chunks_of(program: Program) -> list[Chunk]:
    """The chunks of a program, in their order."""
    chunks: list[Chunk] = []
    goes_on = False
    for content in program.images[Memory.CHUNKS]:
        entry = CHUNK.unpack(content.tobytes())
        if goes_on:
            chunks[-1].append(entry)
        else:
            chunks.append([entry])
        goes_on = bool(entry["more"])
    return chunks
