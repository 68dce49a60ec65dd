# SPDX-License-Identifier: Apache-2.0
"""The list of chunks in the making, and the words of the SDRAM that it reads."""

from collections.abc import Mapping

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.stream import CHUNK

Source = tuple[int, int, int]
"""First word in the image of a memory, of activations in the network's input; words; the first word of the memory that
they go to."""


class ChunkList:
    """Chunks in the order that they are loaded. What several read is in the SDRAM once.

    Parameters
    ----------
    config : EngineConfig
        With an SDRAM.
    images : mapping of Memory to uint8 [words, bytes of a word]
        What the words of chunks are taken from.
    """

    def __init__(self, config: EngineConfig, images: Mapping[Memory, np.ndarray]):
        assert config.weight_stream is not None
        self._stream, self._images = config.weight_stream, images
        self._word_bytes = config.host_bytes["sdram"]
        self._chunks: list[list[tuple[Memory, int, int, int]]] = []
        self._known: dict[tuple[Memory, int, int], int] = {}
        self._content: list[np.ndarray] = []
        self._end = 0

    def __len__(self) -> int:
        """Chunks."""
        return len(self._chunks)

    @property
    def entries(self) -> int:
        """Entries of the list."""
        return sum(map(len, self._chunks))

    def append(self, sources: Mapping[Memory, Source]) -> None:
        """Append a chunk: what comes for each memory, in this order."""
        entries: list[tuple[Memory, int, int, int]] = []
        for memory, (start, count, first) in sources.items():
            if memory == Memory.ACTIVATIONS:
                entries.append((memory, start * self._stream.words_per_word(memory), first, count))
                continue
            key = memory, start, count
            if key not in self._known:
                self._known[key] = self._store(memory, self._images[memory][start : start + count])
            entries.append((memory, self._known[key], first, count))
        self._chunks.append(entries)

    @property
    def input_address(self) -> int:
        """Address of the network's input, behind everything else."""
        return self._end

    def _store(self, memory: Memory, words: np.ndarray) -> int:
        """Put words behind the others; returns their address."""
        address, size = self._end, self._stream.words_per_word(memory) * self._word_bytes
        self._content.append(np.pad(words, ((0, 0), (0, size - words.shape[1]))).reshape(-1, self._word_bytes))
        self._end += len(self._content[-1])
        return address

    def images(self) -> dict[Memory, np.ndarray]:
        """The list, and the words of the SDRAM."""
        content = []
        for i, chunk in enumerate(self._chunks):
            for j, (memory, address, first, length) in enumerate(chunk):
                more = j < len(chunk) - 1
                entry = self._stream.chunk(
                    address=address + (self._end if memory == Memory.ACTIVATIONS else 0),
                    first=first,
                    length=length,
                    # Behind an odd number of chunks the first one follows a chunk in the same halves; and rows of the
                    # input take a place that the last layers of the run before have used.
                    alone=i == 0 and (len(self._chunks) % 2 == 1 or chunk[0][0] == Memory.ACTIVATIONS),
                    last=i == len(self._chunks) - 1 and not more,
                    memory=memory,
                    more=more,
                )
                content.append(entry.to_bytes(CHUNK.size, "little"))
        none = np.zeros((0, self._word_bytes), np.uint8)
        return {
            Memory.CHUNKS: np.frombuffer(b"".join(content), np.uint8).reshape(-1, CHUNK.size),
            Memory.SDRAM: np.concatenate([none, *self._content]),
        }
