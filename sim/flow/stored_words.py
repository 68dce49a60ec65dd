# SPDX-License-Identifier: Apache-2.0
"""Memories in the cell simulator: words of 64 streams in lockstep, and how often they are accessed."""

import numpy as np

from sysmt.base.errors import UserError

from .flat import Memory

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class StoredWords:
    """What a memory holds, one port to read and one to write; a word that is read and written gives what it was.

    The streams have their own data and enables, and the same addresses: where they differ the simulation ends.

    Parameters
    ----------
    memory : Memory

    Members
    -------
    words : uint64 [depth, width]
        Bit j of an entry is that bit in stream j.
    data : int [width]
        Nets of what was read.
    read : uint64 [width]
        Their words behind the last edge.
    reads, writes : int
        Words read and words written while counting, over all streams.
    bits_written : int
        Bits of them that were enabled.
    """

    def __init__(self, memory: Memory):
        sram, pins = memory.sram, memory.pins
        if sram.ports != (1, 1):
            raise UserError(f"memory {memory.name} must have one port to read and one to write, not {sram.ports}")
        if np.any(np.concatenate([pins["RD_ARST"], pins["RD_SRST"]])):
            raise UserError(f"memory {memory.name} must have no reset of what was read to be simulated")
        self.memory, self.data = memory, pins["RD_DATA"]
        self.words = np.zeros((sram.depth, sram.width), np.uint64)
        self.read = np.zeros(sram.width, np.uint64)
        self.reads = self.writes = self.bits_written = 0

    def edge(self, values: np.ndarray, counting: bool) -> None:
        """One rising edge, on which the nets have these values."""
        pins = self.memory.pins
        reading, writing = values[pins["RD_EN"][0]], values[pins["WR_EN"]]
        asked = np.bitwise_or.reduce(writing)
        if reading:
            address = self._address(values, "RD_ADDR")
            found = self.words[address] if address < len(self.words) else np.zeros_like(self.read)
            self.read = (self.read & ~reading) | (found & reading)
        if asked:
            address = self._address(values, "WR_ADDR")
            if address < len(self.words):
                self.words[address] = (self.words[address] & ~writing) | (values[pins["WR_DATA"]] & writing)
        if counting:
            self.reads += int(np.bitwise_count(reading))
            self.writes += int(np.bitwise_count(asked))
            self.bits_written += int(np.bitwise_count(writing).sum())

    def _address(self, values: np.ndarray, pin: str) -> int:
        bits = values[self.memory.pins[pin]]
        if np.any((bits != 0) & (bits != _ALL)):
            raise UserError(f"memory {self.memory.name} must be accessed at one address by all streams")
        return int(bits.astype(bool) @ (1 << np.arange(len(bits))))
