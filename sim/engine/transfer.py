# SPDX-License-Identifier: Apache-2.0
"""Tensors as words of activation memory: what the host writes before a run and reads after it."""

from dataclasses import dataclass

import numpy as np

from sysmt.sim.nn.geometry import Geometry


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Where a tensor lies in activation memory.

    Parameters
    ----------
    base : int
        Word address of its first pixel.
    words : int
        Words from a pixel to the next.
    positions : int64 [C]
        Byte of each channel in the words of its pixel.
    image : (int, int, int)
        Height, width and channels: the pixels lie one after the other, row by row.
    half : int
        Words from half 0 to half 1 of a tensor that is there twice; else 0.
    """

    base: int
    words: int
    positions: np.ndarray
    image: tuple[int, int, int]
    half: int = 0

    @property
    def pixels(self) -> int:
        """Pixels of the tensor."""
        return self.image[0] * self.image[1]

    @property
    def size(self) -> int:
        """Words from its first pixel to behind its last one."""
        return self.pixels * self.words

    def words_of(self, memory: np.ndarray) -> np.ndarray:
        """The tensor's words out of activation memories uint8 [B, words, bytes of a word]."""
        return memory[:, self.base : self.base + self.size]

    def values(self, words: np.ndarray) -> np.ndarray:
        """The tensor's bytes out of its words: uint8 [B, H, W, C]."""
        pixels = words.reshape(len(words), self.pixels, -1)[:, :, self.positions]
        return np.ascontiguousarray(pixels).reshape(len(words), *self.image)


@dataclass(frozen=True, kw_only=True, eq=False)
class HostTensor:
    """The engine's input or output, as the host knows it and as it lies in memory.

    Parameters
    ----------
    name : str
    shape : tuple of int
        For one input, without the batch.
    dtype : "int8" or "uint8"
    place : Place
    patches : Geometry or None
        Of an input whose every pixel holds a patch of the image: how patches lie over it; `place` is theirs.
    zero : int
        Unsigned byte outside the image, with `patches`.
    sdram : int or None
        First word of the SDRAM of an input that lies there, and comes to the activation memory in bands of rows.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    place: Place
    patches: Geometry | None = None
    zero: int = 0
    sdram: int | None = None

    def pack(self, values: np.ndarray, word_bytes: int) -> np.ndarray:
        """Values [B, ...] as words: uint8 [B, words of the tensor, bytes of a word]."""
        place, batch = self.place, len(values)
        flat = np.ascontiguousarray(values)
        unsigned = flat.view(np.uint8) ^ np.uint8(128) if self.dtype == "int8" else flat
        if self.patches is not None:
            image = unsigned.reshape(batch, *self.patches.size, -1)
            unsigned = self.patches.im2col(image, self.zero)
        pixels = unsigned.reshape(batch, place.pixels, -1)
        words = np.zeros((batch, place.pixels, place.words * word_bytes), np.uint8)
        words[:, :, place.positions] = pixels
        return words.reshape(batch, place.size, word_bytes)

    def unpack(self, words: np.ndarray) -> np.ndarray:
        """The inverse: uint8 [B, words of the tensor, bytes of a word] to values [B, ...]."""
        pixels = self.place.values(words)
        values = (pixels ^ np.uint8(128)).view(np.int8) if self.dtype == "int8" else pixels
        return values.reshape(len(words), *self.shape)
