# SPDX-License-Identifier: Apache-2.0
"""What the weight memory holds while a program runs."""

import numpy as np

from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.stream import CHUNK

from .program import Program
from .table import OutOfRangeError


class WeightMemory:
    """The weight memory from the first layer on: what the host wrote, and over it chunk after chunk of the SDRAM.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program):
        self._stream = program.config.weight_stream
        self._words = program.images[Memory.WEIGHTS]
        self._used = 0
        if self._stream is None:
            return
        self._chunks = [CHUNK.unpack(entry.tobytes()) for entry in program.images[Memory.CHUNKS]]
        size, each = program.config.weight_bytes, program.config.host_bytes["sdram"]
        self._sdram = program.images[Memory.SDRAM].reshape(-1, each * self._stream.words_per_weight)[:, :size]
        missing = self._stream.weight_words - len(self._words)
        self._words = np.concatenate([self._words, np.zeros((missing, size), np.uint8)])

    def at(self, layer: dict[str, int]) -> np.ndarray:
        """The words while the next layer runs: uint8 [words, bytes of a word]."""
        if not (layer["waits_chunk"] or layer["frees_chunk"]):
            return self._words
        if self._stream is None or self._used == len(self._chunks):
            raise OutOfRangeError("have a chunk of weights in the list")
        chunk, number = self._chunks[self._used], self._stream.words_per_weight
        first, count = chunk["address"] // number, chunk["words"] // number
        words = self._sdram[first : first + count]
        if len(words) != count or chunk["first"] + count > len(self._words):
            raise OutOfRangeError("have its chunk of weights inside both memories")
        self._words[chunk["first"] : chunk["first"] + count] = words
        self._used += layer["frees_chunk"]
        return self._words
