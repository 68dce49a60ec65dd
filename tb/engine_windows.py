# SPDX-License-Identifier: Apache-2.0
"""Layers for the im2col unit: random windows over an image in the activation memory, and the words that they read."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR, Operation
from sysmt.sim.nn.geometry import Geometry


@dataclass(frozen=True)
class Window:
    """A layer as the im2col unit sees it.

    Parameters
    ----------
    config : EngineConfig
    geometry : Geometry
    base : int
        Address of the image's first word.
    in_words, group_words, groups : int
        Words per pixel of the tensor; those of a group; and groups. The last groups may lie in the next pixel.
    operation : Operation
    """

    config: EngineConfig
    geometry: Geometry
    base: int = 0
    in_words: int = 1
    group_words: int = 1
    groups: int = 1
    operation: Operation = Operation.MATMUL

    @property
    def pixels(self) -> int:
        """Output pixels."""
        return self.geometry.out_size[0] * self.geometry.out_size[1]

    @property
    def rows(self) -> int:
        """Pixels of a tile."""
        return self.config.array.rows if self.operation is Operation.MATMUL else 1

    @property
    def m_tiles(self) -> int:
        """Tiles of pixels."""
        return -(-self.pixels // self.rows)

    @property
    def words(self) -> int:
        """Words of the image."""
        return self.geometry.size[0] * self.geometry.size[1] * self.in_words

    def descriptor(self, **changes: int) -> int:
        """The descriptor as a number; fields that the im2col unit does not read are 0 unless given."""
        geometry, words = self.geometry, self.in_words
        (top, _), (left, _) = geometry.padding
        width = geometry.size[1]
        values = {name: 0 for name, field in DESCRIPTOR.fields.items() if not field.reserved} | {
            "operation": self.operation,
            "in_origin": self.base - (top * width + left) * words,
            "in_words": words,
            "group_words": self.group_words,
            "in_height": geometry.size[0],
            "in_width": width,
            "kernel_h": geometry.kernel[0],
            "kernel_w": geometry.kernel[1],
            "stride_h": geometry.stride[0],
            "stride_w": geometry.stride[1],
            "dilation_h": geometry.dilation[0],
            "dilation_w": geometry.dilation[1],
            "pad_top": top,
            "pad_left": left,
            "tap_x": geometry.dilation[1] * words,
            "tap_y": geometry.dilation[0] * width * words,
            "pixel_x": geometry.stride[1] * words,
            "pixel_y": geometry.stride[0] * width * words,
            "out_width": geometry.out_size[1],
            "last_rows": (self.pixels - 1) % self.rows + 1,
            "m_tiles": self.m_tiles,
            "groups": self.groups,
            "n_tiles": 1,
            "last_n_tiles": 1,
            "last_cols": 1,
            "steps": 1,
        }
        return DESCRIPTOR.to_int(values | changes)

    def addresses(self) -> np.ndarray:
        """What is read, -1 in the padding: [groups, pixels, taps, group_words]."""
        size, words = self.geometry.size, self.in_words
        image = np.arange(self.base, self.base + self.words).reshape(1, *size, words)
        rows = self.geometry.im2col(image, fill=-1)
        return np.moveaxis(rows.reshape(self.pixels, -1, self.groups, self.group_words), 2, 0)

    def reads(self) -> list[dict[str, int]]:
        """All words in order, with their flags."""
        reads = []
        for g, group in enumerate(self.addresses()):
            for first in range(0, self.pixels, self.rows):
                tile = group[first : first + self.rows]
                for i, under in enumerate(tile.transpose(1, 2, 0).reshape(-1, len(tile)).tolist()):
                    last = i == tile.shape[1] * tile.shape[2] - 1
                    for r, address in enumerate(under):
                        end = r == len(tile) - 1
                        reads.append({"address": address, "group_end": end, "fill_end": end and last, "layer_end": 0})
                        reads[-1] |= {"last_group": g == self.groups - 1, "outside": address < 0}
        reads[-1]["layer_end"] = 1
        return reads


def random_window(config: EngineConfig, random: np.random.Generator, pooling: bool = False) -> Window:
    """Odd sizes, strides, dilations and paddings, with words and groups of any number, within the memory."""
    while True:
        down, across = (tuple(int(v) for v in random.integers(1, limit, 2)) for limit in (8, 8))
        padding = tuple(tuple(int(v) for v in random.integers(0, 3, 2)) for _ in range(2))
        kernel, stride, dilation = (
            (int(random.integers(1, limit)), int(random.integers(1, limit))) for limit in (4, 4, 3)
        )
        size = down[0], across[0]
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if any(r > s + sum(p) for r, s, p in zip(reach, size, padding, strict=True)):
            continue
        geometry = Geometry(size=size, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
        group_words, groups = (1 if pooling else int(random.integers(1, 4))), int(random.integers(1, 3))
        in_words = group_words * groups
        room = config.activation_words - size[0] * size[1] * in_words
        if room < 0:
            continue
        operation = Operation(int(random.integers(1, 3))) if pooling else Operation.MATMUL
        return Window(config, geometry, int(random.integers(room + 1)), in_words, group_words, groups, operation)
