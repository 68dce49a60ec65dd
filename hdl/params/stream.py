# SPDX-License-Identifier: Apache-2.0
"""What is read ahead from an SDRAM while layers run: the list of chunks, for hardware, compiler and host.

A chunk is what one or more layers read: weights, and where those do not fit on chip either, parameters and rows of the
network's input. It is one entry of the list, or several that follow each other, one for each memory. Chunks are loaded
in the order of the list, again and again: behind the last comes the first, for the next run. A chunk is loaded while
the one before it is in use, so two chunks that follow each other lie in different parts of the memories.
"""

from dataclasses import dataclass, field

from sysmt.base.errors import ConfigError

from .checks import in_range, one_of
from .config import Config
from .fields import Field, PackedRecord
from .program import Memory
from .sdram import SdramConfig

STREAM_VERSION = 2
"""Of the entries: part of the fingerprint of engines that read them."""
AHEAD = 2
"""Chunks in the memories at a time: the one in use and the next."""

CHUNK = PackedRecord(
    Field("address", 32, "First word of the SDRAM."),
    Field("words", 32, "Words of the SDRAM: those of a word of the memory times the words of the memory."),
    Field("first", 24, "First word of the memory."),
    Field("alone", 1, "Loaded when all chunks before it have been freed: it lies where one of them lay."),
    Field("last", 1, "The first chunk of the list follows."),
    Field("memory", 3, "Where the words go (`Memory`): weights, parameters or activations."),
    Field("more", 1, "The next entry is of the same chunk; behind activations there is always one."),
    Field("unused", 2, "Zero.", reserved=True),
)
"""One entry of the list of chunks."""


@dataclass(frozen=True, kw_only=True)
class WeightStreamConfig(Config):
    """Weights from an SDRAM, and more.

    Parameters
    ----------
    sdram : SdramConfig
    weight_bytes, weight_words : int
        Of the weight memory: bytes of a word, and words.
    parameter_bytes, parameter_words, activation_bytes, activation_words : int
        The same of the other memories that chunks may go to; no bytes where they may not.
    chunks : int
        Entries that the list holds, 1 to 4096.
    """

    sdram: SdramConfig = field(default_factory=SdramConfig)
    weight_bytes: int = 16
    weight_words: int = 4096
    parameter_bytes: int = 0
    parameter_words: int = 0
    activation_bytes: int = 0
    activation_words: int = 0
    chunks: int = 64

    def __post_init__(self) -> None:
        if not isinstance(self.sdram, SdramConfig):
            raise ConfigError(f"sdram must be an SdramConfig, not {self.sdram!r}")
        in_range("weight_bytes", self.weight_bytes, 1, 1 << 12)
        in_range("weight_words", self.weight_words, 2, 1 << 20)
        for name in ("parameter", "activation"):
            in_range(f"{name}_bytes", getattr(self, f"{name}_bytes"), 0, 1 << 12)
            in_range(f"{name}_words", getattr(self, f"{name}_words"), 0, 1 << 20)
        in_range("chunks", self.chunks, 1, 1 << 12)

    @property
    def targets(self) -> dict[Memory, tuple[int, int]]:
        """Bytes of a word and words of every memory that chunks may go to."""
        memories = {
            Memory.WEIGHTS: (self.weight_bytes, self.weight_words),
            Memory.PARAMETERS: (self.parameter_bytes, self.parameter_words),
            Memory.ACTIVATIONS: (self.activation_bytes, self.activation_words),
        }
        return {memory: size for memory, size in memories.items() if size[0]}

    def words_per_word(self, memory: Memory = Memory.WEIGHTS) -> int:
        """Words of the SDRAM that hold one word of a memory, the lowest bytes first, the last one filled up."""
        return -(-self.targets[memory][0] * 8 // self.sdram.chip.width)

    @property
    def widest(self) -> int:
        """Words of the SDRAM that hold a word of any memory."""
        return max(self.words_per_word(memory) for memory in self.targets)

    @property
    def deepest(self) -> int:
        """Words of the largest memory."""
        return max(words for _, words in self.targets.values())

    def chunk(
        self,
        *,
        address: int,
        first: int,
        length: int,
        alone: bool = False,
        last: bool = False,
        memory: Memory = Memory.WEIGHTS,
        more: bool = False,
    ) -> int:
        """An entry of the list.

        Parameters
        ----------
        address : int
            First word of the SDRAM.
        first, length : int
            First word of the memory, and words of it.
        alone, last, more : bool
            As in `CHUNK`.
        memory : Memory
            One of `targets`.

        Raises
        ------
        ConfigError
            The chunk is not within the SDRAM or the memory.
        """
        one_of("memory", memory, tuple(self.targets))
        words = length * self.words_per_word(memory)
        if length:
            in_range("length", length, 0, self.targets[memory][1])
            in_range("first", first, 0, self.targets[memory][1] - length)
            self.sdram.check_burst(address, words)
        flags = {"alone": int(alone), "last": int(last), "memory": int(memory), "more": int(more)}
        return CHUNK.to_int({"address": address, "words": words, "first": first, **flags})
