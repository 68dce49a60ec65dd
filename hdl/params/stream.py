# SPDX-License-Identifier: Apache-2.0
"""Weights that are read ahead from an SDRAM while layers run: the list of chunks, for hardware, compiler and host.

A chunk is what one or more layers read of the weight memory. Chunks are loaded in the order of the list, again and
again: behind the last comes the first, for the next run. A chunk is loaded while the one before it is in use, so two
chunks that follow each other lie in different parts of the weight memory.
"""

from dataclasses import dataclass, field

from sysmt.base.errors import ConfigError

from .checks import in_range
from .config import Config
from .fields import Field, PackedRecord
from .sdram import SdramConfig

AHEAD = 2
"""Chunks in the weight memory at a time: the one in use and the next."""

CHUNK = PackedRecord(
    Field("address", 32, "First word of the SDRAM."),
    Field("words", 32, "Words of the SDRAM: those of a word of weights times the words of weights."),
    Field("first", 24, "First word of the weight memory."),
    Field("alone", 1, "Loaded when all chunks before it have been freed: it lies where one of them lay."),
    Field("last", 1, "The first chunk of the list follows."),
    Field("unused", 6, "Zero.", reserved=True),
)
"""One chunk of weights."""


@dataclass(frozen=True, kw_only=True)
class WeightStreamConfig(Config):
    """Weights from an SDRAM.

    Parameters
    ----------
    sdram : SdramConfig
    weight_bytes, weight_words : int
        Of the weight memory: bytes of a word, and words.
    chunks : int
        Chunks that the list holds, 1 to 4096.
    """

    sdram: SdramConfig = field(default_factory=SdramConfig)
    weight_bytes: int = 16
    weight_words: int = 4096
    chunks: int = 64

    def __post_init__(self) -> None:
        if not isinstance(self.sdram, SdramConfig):
            raise ConfigError(f"sdram must be an SdramConfig, not {self.sdram!r}")
        in_range("weight_bytes", self.weight_bytes, 1, 1 << 12)
        in_range("weight_words", self.weight_words, 2, 1 << 20)
        in_range("chunks", self.chunks, 1, 1 << 12)

    @property
    def words_per_weight(self) -> int:
        """Words of the SDRAM that hold one word of weights, the lowest bytes first, the last one filled up."""
        return -(-self.weight_bytes * 8 // self.sdram.chip.width)

    def chunk(self, *, address: int, first: int, length: int, alone: bool = False, last: bool = False) -> int:
        """An entry of the list.

        Parameters
        ----------
        address : int
            First word of the SDRAM.
        first, length : int
            First word of the weight memory, and words of weights.
        alone, last : bool
            As in `CHUNK`.

        Raises
        ------
        ConfigError
            The chunk is not within the SDRAM or the weight memory.
        """
        words = length * self.words_per_weight
        if length:
            in_range("length", length, 0, self.weight_words)
            in_range("first", first, 0, self.weight_words - length)
            self.sdram.check_burst(address, words)
        fields = {"address": address, "words": words, "first": first, "alone": int(alone), "last": int(last)}
        return CHUNK.to_int(fields)
