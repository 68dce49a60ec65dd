# SPDX-License-Identifier: Apache-2.0
"""The link protocol, version 1: its numbers and fields, for hardware and host alike. Plain Python.

Below it is any pair of byte streams that keep bytes in order and may damage them: a UART, SPI, USB, a TCP connection.

Frame::

    END  type  sequence(2)  length(2)  payload(length)  crc(4)  END        numbers little end first

END = 0xC0. Inside, 0xC0 is sent as 0xDB 0xDC and 0xDB as 0xDB 0xDD (SLIP, RFC 1055). The checksum is CRC-32 (ISO-
HDLC, as in zlib) over type to payload. A receiver drops a frame with another checksum, another length than it says,
an escape that is none, or more bytes than it has room for, says nothing, and finds its place again at the next END;
two END in a row are no frame. A frame has an END on either side, so that one that was cut off spoils no other.

Requests and responses. The host numbers its requests, and has at most as many of them unanswered as the device has
slots for frames (register `frames`): that is the flow control; no wire is needed for it. The device does them in
order and answers each with type + 0x80, the same sequence number, and a payload that begins with a status. A request
without an answer, or whose successor is answered first, was lost on the way out or back, and is sent again as it was.

Nothing goes wrong when a request is done that had been done before:

- SYNC answers its nonce: everything the host receives before that answer is left over from earlier, and is dropped.
- REGISTERS and READ change nothing.
- Runs are numbered, 16 bits, without gaps; the lowest bit says which half of every double-buffered memory a run uses.
  `issued` is the last run the device took, `finished` the last one whose results are complete (register `runs`).
  WRITE names the run it is for, `issued` + 1 or + 2, and waits until that half is free; RUN is `issued` + 1, and
  waits until at most one run is unfinished. For a number that was issued already both are answered OK and not done
  again. READ waits until its run is finished, and is STALE when run + 2 was issued, which writes over its results.
- Words of a WRITE that are not in their memory are not written, and it is REFUSED. A run with tiles for which the
  memories have no room ends early, and nothing can be read of it: READ of more rows than its run has made is REFUSED.

So the host may write operands for run r + 1 while r computes, must have the results of r before it orders r + 2, and
orders a run when all its writes are answered.
"""

import enum

from .fields import Field, PackedRecord
from .pe import PEConfig

VERSION = 1
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
RESPONSE = 0x80
RUN_WIDTH = 16
"""Bits of a run's number."""
MAX_READ = 2**16 - 2
"""Most bytes of a READ: the length of its response counts the status, too."""
HEADER = PackedRecord(
    Field("type", 8, "The command (`Opcode`); of a response, that of its request + 0x80."),
    Field("sequence", 16, "Number of the request, chosen by the host."),
    Field("length", 16, "Bytes of the payload."),
)
CRC = PackedRecord(Field("crc", 32, "CRC-32 (ISO-HDLC) over type to payload."))


class Opcode(enum.IntEnum):
    """Type of a request."""

    SYNC = 1
    REGISTERS = 2
    WRITE = 3
    RUN = 4
    READ = 5


class Status(enum.IntEnum):
    """First byte of a response."""

    OK = 0
    MALFORMED = 1
    """Unknown type, wrong length, or part of a word."""
    REFUSED = 2
    """An argument that this device, or its state, does not allow."""
    STALE = 3
    """The results may have been written over."""


class Target(enum.IntEnum):
    """Memory of a WRITE: steps of activations, steps of weights, channels of the requantiser."""

    X = 0
    W = 1
    TABLE = 2


ARGUMENTS = {
    Opcode.SYNC: PackedRecord(Field("nonce", 32, "Any number; the response repeats it.")),
    Opcode.REGISTERS: PackedRecord(
        Field("first", 8, "Number of the first register."),
        Field("count", 8, "How many registers; the response holds 32 bits of each."),
    ),
    Opcode.WRITE: PackedRecord(
        Field("run", RUN_WIDTH, "The run whose half of the memory is written."),
        Field("target", 8, "The memory (`Target`)."),
        Field("address", 16, "First word; the words follow the arguments, whole and in order."),
    ),
    Opcode.RUN: PackedRecord(
        Field("run", RUN_WIDTH, "Number of the run: a product over `m_tiles` x `n_tiles` tiles of resident operands."),
        Field("steps", 16, "Steps of each tile."),
        Field("m_tiles", 16, "Rows of tiles."),
        Field("n_tiles", 16, "Columns of tiles; tiles are computed one row of tiles after the other."),
        Field("rows", 16, "Outputs that count in each tile of the last row of tiles."),
        Field("cols", 16, "Outputs that count in each tile of the last column of tiles."),
        Field("threads", 8, "Threads to run on, as a power of two: 0 for one thread, 1 for two, 2 for four."),
    ),
    Opcode.READ: PackedRecord(
        Field("run", RUN_WIDTH, "The run whose results are read."),
        Field("first", 16, "First row of results; the rows of one tile follow those of the tile before."),
        Field("rows", 16, "How many rows: those of the memory, in `MAX_READ` bytes at most."),
        Field("channel", 16, "Entry of the requantiser's table for the first column."),
        Field("zero_point", 16, "Added after scaling.", signed=True),
        Field("low", 16, "Smallest requantised value.", signed=True),
        Field("high", 16, "Largest requantised value.", signed=True),
        Field("requantize", 1, "1: one byte per result. 0: the sum, 4 bytes.", group="flags"),
        Field("double", 1, "1: the requantiser's variant that rounds twice. 0: once.", group="flags"),
        Field("unused", 6, "Zero.", group="flags", reserved=True),
    ),
}
"""The arguments that open the payload of a request."""
ZERO = Field("zero", 8, "Zero point that is taken off the activations of all tiles (docs/numerics.md, SPARQ).")
"""The last argument of RUN where PEs take a zero point off (`PEConfig.zero_width`), and there alone."""
CHANNEL = PackedRecord(
    Field("bias", 32, "Added to the sum.", signed=True),
    Field("multiplier", 32, "Scale as a 31-bit fraction."),
    Field("shift", 8, "Power of two of the scale: positive to the left, -31 to 30.", signed=True),
)
"""A word of the requantiser's table."""


def arguments_of(pe: PEConfig) -> dict[Opcode, PackedRecord]:
    """`ARGUMENTS` of an accelerator with these PEs."""
    if not pe.zero_width:
        return ARGUMENTS
    return ARGUMENTS | {Opcode.RUN: PackedRecord(*ARGUMENTS[Opcode.RUN].fields.values(), ZERO)}


def pack(command: Opcode, /, **arguments: int) -> bytes:
    """The arguments of a request as bytes; all of them, by name. Raises as `PackedRecord.to_int`."""
    return ARGUMENTS[command].pack(**arguments)
