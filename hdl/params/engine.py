# SPDX-License-Identifier: Apache-2.0
"""Configuration of the engine: an array that runs whole networks from its own memories. Plain Python."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from sysmt.base.errors import ConfigError

from .accel import check_link
from .array import ArrayConfig
from .banks import banks
from .checks import in_range, one_of
from .config import Config
from .link import BUS, check_bus
from .pe import X_WIDTH
from .program import DESCRIPTOR_WORDS, PARAMETER, PROGRAM_VERSION, Memory
from .protocol import CRC, HEADER
from .sdram import SdramConfig
from .stream import CHUNK, STREAM_VERSION, WeightStreamConfig

IN_LUTS = 1024
"""Bits up to which synthesis for an FPGA makes a memory of LUTs, where a part has such."""
PATCHES = (1, 2, 4, 8)
"""Pixels that a patch may have."""
SIZES = (
    "fill",
    "lanes",
    "add_lanes",
    "patch",
    "x_depth",
    "activation_words",
    "weight_words",
    "scatter_words",
    "parameter_words",
    "layers",
    "chunks",
)
"""Fields of what an engine has around its array: widths, and sizes of memories."""
LINK = ("slot", "slots", "divisor", *BUS)
"""Fields of the host link."""
LINK_ADDRESS_BITS = 24
"""Bits of an address that the host writes to: of a larger SDRAM the first words are used."""
PARAMETER_LATENCY, REQUANTIZER_LATENCY, ADDITION_LATENCY = 2, 11, 19
"""Cycles of the requantisers: reading parameters, from a sum to its byte, and on to the sum with a residual."""
RESIDUAL_LATENCY = 5
"""Cycles from a residual's address to its row, about: what it is read ahead for nothing to wait."""
WORD_GROUPS = 8
"""Groups of words in the store: one that is transposed, one that enters, and 6 words on their way, each of another."""
FRAME_OVERHEAD = HEADER.size + 8 + CRC.size
"""Bytes of a frame around its data: at most, for the longest arguments that data follow."""


@dataclass(frozen=True, kw_only=True)
class EngineConfig(Config):
    """An array between an im2col unit and requantisers, with memories for activations, weights and layers.

    Parameters
    ----------
    array : ArrayConfig
        The array; without `fuse`.
    fill : 1, 2 or 4
        Columns of the im2col matrix that reach the operand buffer in one cycle. A word of the activation memory
        holds `fill` x `array.rows` channels of one pixel.
    lanes : int
        Values requantised in one cycle, a divisor of `array.cols`.
    add_lanes : int
        Values that a residual is added to in one cycle, a divisor of `lanes`.
    patch : int
        Output pixels of a depthwise layer that a row of the array may hold side by side: 1, 2, 4 or 8, a divisor of
        `array.cols`. The columns of one pixel, cols / patch, must divide `lanes`.
    x_depth : int
        Steps that one half of the operand buffer holds, a power of two.
    activation_words, weight_words, scatter_words, parameter_words : int
        Sizes of the memories in words: of activations, of weights (one step each), of the table that gives every
        column of im2col its place in the reduction, of requantisation parameters (`lanes` channels each).
    layers : int
        Layer descriptors that fit, 1 to 1024.
    stream : SdramConfig, optional
        An SDRAM that weights are read ahead from.
    chunks : int
        Entries that the list of chunks holds, 1 to 4096. Read with `stream` only.
    slot, slots, divisor, link, data_width, bus_clock
        Of the host link, as in `AccelConfig`.
    """

    array: ArrayConfig = field(default_factory=ArrayConfig)
    fill: int = 2
    lanes: int = 4
    add_lanes: int = 1
    patch: int = 1
    x_depth: int = 1024
    activation_words: int = 4096
    weight_words: int = 8192
    scatter_words: int = 2048
    parameter_words: int = 1024
    layers: int = 64
    stream: SdramConfig | None = None
    chunks: int = 64
    slot: int = 256
    slots: int = 4
    divisor: int = 16
    link: str = "uart"
    data_width: int = 32
    bus_clock: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.array, ArrayConfig):
            raise ConfigError(f"array must be an ArrayConfig, not {self.array!r}")
        if self.array.fuse:
            raise ConfigError("array.fuse = True cannot be driven by the engine: set fuse to False")
        one_of("fill", self.fill, (1, 2, 4))
        in_range("lanes", self.lanes, 1, self.array.cols)
        in_range("add_lanes", self.add_lanes, 1, self.lanes)
        one_of("patch", self.patch, PATCHES)
        in_range("x_depth", self.x_depth, 4, 1 << 12)
        if self.x_depth & (self.x_depth - 1):
            raise ConfigError(f"x_depth must be a power of two, not {self.x_depth}")
        in_range("activation_words", self.activation_words, 2, 1 << 20)
        in_range("weight_words", self.weight_words, 2, 1 << 20)
        in_range("scatter_words", self.scatter_words, 2, 1 << 16)
        in_range("parameter_words", self.parameter_words, 2, 1 << 16)
        in_range("layers", self.layers, 1, 1024)
        if self.stream is not None and not isinstance(self.stream, SdramConfig):
            raise ConfigError(f"stream must be an SdramConfig or None, not {self.stream!r}")
        in_range("chunks", self.chunks, 1, 1 << 12)
        check_link(self.slot, self.slots, self.divisor)
        check_bus(self.link, self.data_width, self.bus_clock)
        if self.array.cols % self.lanes:
            raise ConfigError(f"lanes must divide array.cols = {self.array.cols}, not be {self.lanes}")
        if self.lanes % self.add_lanes:
            raise ConfigError(f"add_lanes must divide lanes = {self.lanes}, not be {self.add_lanes}")
        if self.patch > 1 and (self.array.cols % self.patch or self.lanes % (self.array.cols // self.patch)):
            raise ConfigError(
                f"patch must divide array.cols = {self.array.cols} into parts that divide lanes = {self.lanes}, not be "
                f"{self.patch}"
            )
        if self.frame_data < max(self.host_bytes.values()):
            raise ConfigError(
                f"slot = {self.slot} leaves {self.frame_data} bytes for data, but a word of the memories takes "
                f"{max(self.host_bytes.values())}: make it larger"
            )
        if self.word_bytes % self.array.cols or self.granules not in (1, 2, 4, 8):
            raise ConfigError(
                f"fill = {self.fill} makes activation words of {self.word_bytes} channels, which must be 1, 2, 4 or 8 "
                f"times array.cols = {self.array.cols}; choose another fill"
            )

    @property
    def word_bytes(self) -> int:
        """Bytes of a word of the activation memory: channels of one pixel, unsigned."""
        return self.fill * self.array.rows

    @property
    def stores_words(self) -> bool:
        """Whether words wait and are transposed in SRAM: target `asic`. Else they are in registers and LUTs."""
        return self.array.pe.target == "asic"

    @property
    def adds_in_lanes(self) -> bool:
        """Whether rescaled addends are summed in requantisers that a layer which adds leaves free: target `asic`.

        Such a layer's values go through the first `add_lanes` of them one after the other, its sums through the next.
        """
        return self.array.pe.target == "asic" and self.lanes >= 2 * self.add_lanes

    @property
    def granules(self) -> int:
        """Tiles that share a word of the activation memory: parts of it that are written separately."""
        return self.word_bytes // self.array.cols

    @property
    def weight_bytes(self) -> int:
        """Bytes of a word of the weight memory: the weights of one step."""
        return self.array.pe.weight_bytes(self.array.w_lanes)

    @property
    def beats(self) -> int:
        """Cycles that a row of results takes in the requantisers; words of parameters per tile."""
        return self.array.cols // self.lanes

    @property
    def patch_channels(self) -> int:
        """Channels of one part of a tile in a layer with patches."""
        return self.array.cols // self.patch

    @property
    def row_queue(self) -> int:
        """Rows of sums that wait for the requantisers: a tile's. A queue of fewer than 4 would not take one a cycle."""
        return max(self.array.rows, 4)

    @property
    def add_beats(self) -> int:
        """Cycles that a row takes in a layer that adds a residual."""
        return self.array.cols // self.add_lanes

    @property
    def residual_ahead(self) -> int:
        """Rows of a residual that are read before they are used: a power of two."""
        ahead = -(-(PARAMETER_LATENCY + REQUANTIZER_LATENCY + RESIDUAL_LATENCY) // self.add_beats) + 2
        return 1 << (ahead - 1).bit_length()

    @property
    def scatter_entry_bits(self) -> int:
        """Bits of one entry of the scatter table: valid, zero, operand pair, step."""
        return 2 + self.pair_bits + self.step_bits

    @property
    def pair_bits(self) -> int:
        """Bits that name an operand pair of a step."""
        return max((self.array.pe.products - 1).bit_length(), 1)

    @property
    def step_bits(self) -> int:
        """Bits that name a step in one half of the operand buffer."""
        return (self.x_depth - 1).bit_length()

    @property
    def memories(self) -> dict[str, tuple[int, int]]:
        """Width in bits and depth of every memory by name: those that the host fills, and the operand buffer."""
        return {
            "descriptors": (32, DESCRIPTOR_WORDS * self.layers),
            "scatter": (2 + self.fill * self.scatter_entry_bits, self.scatter_words),
            "weights": (8 * self.weight_bytes, self.weight_words),
            "parameters": (8 * PARAMETER.size * self.lanes, self.parameter_words),
            "activations": (8 * self.word_bytes, self.activation_words),
            **({"chunks": (8 * CHUNK.size, self.chunks)} if self.stream is not None else {}),
            "x": (X_WIDTH * self.array.rows * self.array.pe.products, 2 * self.x_depth),
            **({"words": self._words} if self.stores_words else {}),
            **({"patches": self._patches} if self.patch > 1 else {}),
        }

    @property
    def _words(self) -> tuple[int, int]:
        """Groups of words, in banks whose number is a power of two: a word has a chunk of each."""
        banks = 1 << (self.array.rows - 1).bit_length()
        return 8 * self.fill * banks, WORD_GROUPS * banks

    @property
    def _patches(self) -> tuple[int, int]:
        """Two tiles of bytes, where patches are gathered: a word has `lanes` of every part."""
        return 8 * self.lanes * self.patch, 2 * self.beats << (self.array.rows - 1).bit_length()

    @property
    def banks(self) -> list[tuple[int, int]]:
        """Width and depth of every block RAM as it is built, that of the link too.

        Activations are written in parts, the operand buffer in columns: both are memories side by side.
        """
        sizes = self.memories
        word, depth = sizes.pop("activations")
        weights = banks(*sizes.pop("weights"))
        x_columns, x_depth = self.array.pe.products * self.fill, sizes.pop("x")[1]
        _, patches_depth = sizes.pop("patches", (0, 0))
        words, words_depth = sizes.pop("words", (0, 0))
        patches = [(8 * self.lanes, patches_depth)] * self.patch if 8 * self.lanes * patches_depth > IN_LUTS else []
        return [
            *sizes.values(),
            *weights,
            *banks(word // self.granules, depth) * self.granules,
            *[(X_WIDTH * self.array.rows, x_depth // self.fill)] * x_columns,
            *[(8 * self.fill, words_depth)] * (words // (8 * self.fill)),
            *patches,
            (8, self.slot * self.slots),
        ]

    @property
    def host_bytes(self) -> dict[str, int]:
        """Bytes of a word of every memory that the host writes, in the order of `Memory`."""
        return {memory.name.lower(): -(-width // 8) for memory, (width, _) in self.host_memories.items()}

    @property
    def host_memories(self) -> dict[Memory, tuple[int, int]]:
        """Width in bits and depth of every memory that the host writes, on chip or not, in the order of `Memory`."""
        sizes = self.memories
        if self.stream is not None:
            sizes["sdram"] = (self.stream.chip.width, 1 << min(self.stream.chip.address_bits, LINK_ADDRESS_BITS))
        return {memory: sizes[memory.name.lower()] for memory in Memory if memory.name.lower() in sizes}

    @property
    def weight_stream(self) -> WeightStreamConfig | None:
        """What comes from the SDRAM; None without one."""
        if self.stream is None:
            return None
        # The requantisers leave every second cycle to other writers at least, or with one beat a row none.
        with_rows = self.beats > 1 and 8 * self.word_bytes > self.stream.chip.width
        return WeightStreamConfig(
            sdram=self.stream,
            weight_bytes=self.weight_bytes,
            weight_words=self.weight_words,
            parameter_bytes=PARAMETER.size * self.lanes,
            parameter_words=self.parameter_words,
            activation_bytes=self.word_bytes if with_rows else 0,
            activation_words=self.activation_words if with_rows else 0,
            chunks=self.chunks,
        )

    @property
    def arriving(self) -> int:
        """Words for the activation memory that come from the SDRAM while the requantisers write, a power of two.

        Pixels of patches are written one a cycle, a tile of them at a time; then there is as long a pause, at least.
        """
        assert self.weight_stream is not None
        words = self.patch * self.array.rows // self.weight_stream.words_per_word(Memory.ACTIVATIONS)
        return 1 << (max(words, 2) - 1).bit_length()

    @property
    def frame_data(self) -> int:
        """Bytes of data that one frame carries in either direction."""
        return self.slot - FRAME_OVERHEAD

    @property
    def memory_bits(self) -> int:
        """Bits of all memories."""
        return sum(width * depth for width, depth in self.memories.values())

    @property
    def fingerprint(self) -> int:
        """What program and bitstream must agree in: 64 bits of everything but the link."""
        without = LINK if self.stream is not None else (*LINK, "stream", "chunks")
        facts = {name: value for name, value in self.as_dict().items() if name not in without}
        stream = {} if self.stream is None else {"chunk_list": STREAM_VERSION}
        text = json.dumps({"program": PROGRAM_VERSION, **stream, **facts}, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def engine_config(array: ArrayConfig, **changes: Any) -> EngineConfig:
    """An engine around `array` with memories for the networks of MLPerf Tiny; `changes` replace fields.

    96 KiB of activations, 288 KiB of weights, up to 4 requantisers; in depthwise layers a channel for each thread, and
    as many pixels as that leaves columns for.
    """
    fill = 2 if array.rows * 2 % array.cols == 0 else 4
    words = {
        "activation_words": 96 * 1024 // (fill * array.rows),
        "weight_words": 288 * 1024 // array.pe.weight_bytes(array.w_lanes),
    }
    lanes = max(n for n in range(1, min(array.cols, 4) + 1) if array.cols % n == 0)
    fields = {"fill": fill, "lanes": lanes, **words, **changes}
    return EngineConfig(array=array, **{"patch": _patch(array, fields["lanes"]), **fields})


def _patch(array: ArrayConfig, lanes: int) -> int:
    """Pixels of a depthwise layer in a row of `array`, with a channel for each of its threads."""
    if not array.pe.exact_alone:
        return 1
    fitting = (n for n in PATCHES if n * array.pe.threads <= array.cols and array.cols % n == 0)
    return max((n for n in fitting if lanes % (array.cols // n) == 0), default=1)
