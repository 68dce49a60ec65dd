# SPDX-License-Identifier: Apache-2.0
"""What the memories hold while a program runs: what the host wrote, and over it chunk after chunk of the SDRAM."""

from collections.abc import Mapping

import numpy as np

from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.stream import AHEAD

from .chunks import Chunk, Entry, chunks_of
from .program import Program
from .table import OutOfRangeError


class StreamedMemory:
    """The memories that layers read, from the first layer on.

    Chunks are loaded as early as the engine may: what a layer before still needs of their place is lost, here too.

    Parameters
    ----------
    program : Program
    activations : uint8 [B, words, bytes of a word]
        The activation memories, that rows of the inputs are written into.
    inputs : uint8 [B, words, bytes of a word]
        As they lie in the SDRAM, for a program that reads them from there.
    """

    def __init__(self, program: Program, activations: np.ndarray, inputs: np.ndarray):
        config = program.config
        self._activations, self._inputs, self._input = activations, inputs, program.input
        self._chunks: list[Chunk] = []
        self._loaded = self._freed = 0
        self._images = {memory: program.images[memory] for memory in (Memory.WEIGHTS, Memory.PARAMETERS)}
        self._stream = config.weight_stream
        if self._stream is None:
            return
        self._chunks = chunks_of(program)
        self._sdram = program.images[Memory.SDRAM]
        for memory, words in self._images.items():
            size, most = self._stream.targets[memory]
            full = np.zeros((most, size), np.uint8)
            full[: len(words)] = words
            self._images[memory] = full
        self._load()

    @property
    def weights(self) -> np.ndarray:
        """Words of the weight memory: uint8 [words, bytes of a word]."""
        return self._images[Memory.WEIGHTS]

    @property
    def parameters(self) -> np.ndarray:
        """Words of the parameter memory: uint8 [words, bytes of a word]."""
        return self._images[Memory.PARAMETERS]

    def begin(self, layer: Mapping[str, int]) -> None:
        """A layer starts."""
        if (layer["waits_chunk"] or layer["frees_chunk"]) and self._freed >= len(self._chunks):
            raise OutOfRangeError("have a chunk in the list")

    def end(self, layer: Mapping[str, int]) -> None:
        """It has ended."""
        self._freed += layer["frees_chunk"]
        self._load()

    def _load(self) -> None:
        """Load chunks as long as there is room; behind the last one those of the next run."""
        while self._chunks and self._loaded - self._freed < AHEAD:
            chunk = self._chunks[self._loaded % len(self._chunks)]
            if chunk[0]["alone"] and self._loaded != self._freed:
                return
            for entry in chunk:
                self._take(entry)
            self._loaded += 1

    def _take(self, entry: Entry) -> None:
        stream = self._stream
        assert stream is not None
        memory = Memory(entry["memory"])
        if memory not in stream.targets:
            raise OutOfRangeError("have chunks for its memories only")
        number = stream.words_per_word(memory)
        count, first = entry["words"] // number, entry["first"]
        if memory == Memory.ACTIVATIONS:
            start = (entry["address"] - self._input.sdram) // number if self._input.sdram is not None else -1
            words, target = self._inputs[:, max(start, 0) : start + count], self._activations
        else:
            raw = self._sdram[entry["address"] : entry["address"] + count * number]
            whole = raw.reshape(-1, raw.shape[1] * number) if len(raw) == count * number else raw[:0]
            start, words, target = 0, whole[None, :, : stream.targets[memory][0]], self._images[memory][None]
        if start < 0 or words.shape[1] != count or first + count > target.shape[1]:
            raise OutOfRangeError("have its chunk inside both memories")
        target[:, first : first + count] = words
