# SPDX-License-Identifier: Apache-2.0
"""The link protocol, version 1: its numbers and layouts, for gates and host alike. Plain Python.

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

So the host may write operands for run r + 1 while r computes, must have the results of r before it orders r + 2, and
orders a run when all its writes are answered.
"""

import enum
import struct

VERSION = 1
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
RESPONSE = 0x80
HEADER = struct.Struct("<BHH")
CRC = struct.Struct("<I")


class Command(enum.IntEnum):
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


NONCE_BYTES = 4
ARGUMENTS = {
    Command.SYNC: struct.Struct(f"<{NONCE_BYTES}s"),
    Command.REGISTERS: struct.Struct("<BB"),  # first, count
    Command.WRITE: struct.Struct("<HBH"),  # run, target, address; words follow
    Command.RUN: struct.Struct("<HHHHHHB"),  # run, steps, m_tiles, n_tiles, rows, cols, threads as a power of two
    Command.READ: struct.Struct("<HHHHhhhB"),  # run, first, rows, channel, zero_point, low, high, flags
}
REQUANTIZE, DOUBLE = 1, 2
"""Flags of READ."""
CHANNEL = struct.Struct("<iIb")
"""A word of the requantiser's table: bias, multiplier, shift."""
