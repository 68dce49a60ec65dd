# SPDX-License-Identifier: Apache-2.0
"""Frames of the link as bytes, and back; `sysmt.hdl.params.protocol` describes them."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from sysmt.hdl.params.protocol import CRC, END, ESC, ESC_END, ESC_ESC, HEADER

_END, _ESC = bytes([END]), bytes([ESC])
_ESCAPED_END, _ESCAPED_ESC = bytes([ESC, ESC_END]), bytes([ESC, ESC_ESC])
LONGEST = 1 << 17
"""Bytes between two delimiters beyond which nothing is a frame."""


@dataclass(frozen=True)
class Frame:
    """A good frame."""

    kind: int
    sequence: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """The bytes that are sent for `frame`."""
    body = HEADER.pack(type=frame.kind, sequence=frame.sequence, length=len(frame.payload)) + frame.payload
    body += CRC.pack(crc=zlib.crc32(body))
    return _END + body.replace(_ESC, _ESCAPED_ESC).replace(_END, _ESCAPED_END) + _END


def decode(escaped: bytes) -> Frame | None:
    """The frame between two delimiters, None when it is not a good one."""
    parts = escaped.split(_ESC)
    body = parts[0]
    for part in parts[1:]:
        if part[:1] not in (bytes([ESC_END]), bytes([ESC_ESC])):
            return None
        body += (_END if part[0] == ESC_END else _ESC) + part[1:]
    if len(body) < HEADER.size + CRC.size:
        return None
    header = HEADER.unpack(body)
    payload = body[HEADER.size : -CRC.size]
    if len(payload) != header["length"] or zlib.crc32(body[: -CRC.size]) != CRC.unpack(body[-CRC.size :])["crc"]:
        return None
    return Frame(header["type"], header["sequence"], payload)


class Decoder:
    """Good frames out of a byte stream; everything else is dropped.

    Members
    -------
    dropped : int
        Runs of bytes between delimiters that were no frame.
    """

    def __init__(self):
        self._bytes = bytearray()
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes."""
        self._bytes += data
        *whole, rest = bytes(self._bytes).split(_END)
        self._bytes = bytearray(rest if len(rest) <= LONGEST else b"")
        for piece in filter(None, whole):
            frame = decode(piece)
            self.dropped += frame is None
            if frame is not None:
                yield frame
