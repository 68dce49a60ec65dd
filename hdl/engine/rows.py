# SPDX-License-Identifier: Apache-2.0
"""The order of a layer's output rows, and where each of them lies in the activation memory."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .ports import LayerLayout

ADDRESS_WIDTH = 24
"""Bits of word addresses in a descriptor; an address grows in steps that are smaller than what lies above a memory."""


class RowLoop(wiring.Component):
    """Where the current row stands in the loops of a layer: groups, tiles of pixels, tiles of channels, pixels.

    Only rows that are pixels of the image count: of the last tile of pixels `last_rows`, of a pooling one a tile.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(LayerLayout)
    start : In(1)
        Begin with the first row of `layer`.
    advance : In(1)
        Go on to the next row.
    tile_end, pixels_end, group_end, layer_end : Out(1)
        The current row is the last one of its tile; also of these pixels in this group; also of this group; at all.
    last_channels : Out(1)
        The current tile is the last one of the last group, of which `last_cols` channels exist.
    """

    block = "control"

    def __init__(self, config: EngineConfig):
        self._rows = config.array.rows
        ends = ("tile_end", "pixels_end", "group_end", "layer_end", "last_channels")
        super().__init__({"layer": In(LayerLayout), "start": In(1), "advance": In(1)} | {name: Out(1) for name in ends})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layer = self.layer
        # Each counts from 1.
        row = Signal(range(self._rows + 1))
        n_tile, m_tile, group = (Signal.like(layer[name]) for name in ("n_tiles", "m_tiles", "groups"))
        last_pixels, last_group, last_tile = Signal(), Signal(), Signal()
        pooling = layer.operation != Operation.MATMUL
        m.d.comb += [
            last_pixels.eq(m_tile == layer.m_tiles),
            last_group.eq(group == layer.groups),
            last_tile.eq(n_tile == Mux(last_group, layer.last_n_tiles, layer.n_tiles)),
            self.tile_end.eq(pooling | (row == Mux(last_pixels, layer.last_rows, self._rows))),
            self.pixels_end.eq(self.tile_end & last_tile),
            self.group_end.eq(self.pixels_end & last_pixels),
            self.layer_end.eq(self.group_end & last_group),
            self.last_channels.eq(last_tile & last_group),
        ]
        with m.If(self.advance):
            m.d.sync += row.eq(row + 1)
            with m.If(self.tile_end):
                m.d.sync += [row.eq(1), n_tile.eq(n_tile + 1)]
            with m.If(self.pixels_end):
                m.d.sync += [n_tile.eq(1), m_tile.eq(m_tile + 1)]
            with m.If(self.group_end):
                m.d.sync += [m_tile.eq(1), group.eq(group + 1)]
        with m.If(self.start):
            m.d.sync += [counter.eq(1) for counter in (row, n_tile, m_tile, group)]
        return m


class RowAddresses(wiring.Component):
    """The place of every row of a layer in one tensor, in the order of `RowLoop`.

    Tile t of the channels of pixel p is part (t0 + t) mod `granules` of word base + p * words + (t0 + t) / `granules`.

    Parameters
    ----------
    config : EngineConfig
    tensor : str
        "out" or "residual": whose base, granule t0 and words are taken from the descriptor.

    Members
    -------
    layer, start, advance : as of `RowLoop`
    address : Out(range(activation_words))
    part : Out(range(granules))
    outside : Out(1)
        The address lies beyond the memory; `address` is then another one.
    layer_end, last_channels : Out(1)
        As of `RowLoop`.
    """

    block = "control"

    def __init__(self, config: EngineConfig, tensor: str):
        self._config, self._tensor = config, tensor
        super().__init__(
            {
                "layer": In(LayerLayout),
                "start": In(1),
                "advance": In(1),
                "address": Out(range(config.activation_words)),
                "part": Out(range(config.granules)),
                "outside": Out(1),
                "layer_end": Out(1),
                "last_channels": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.loop = loop = RowLoop(self._config)
        base, granule, words = (self.layer[f"{self._tensor}_{name}"] for name in ("base", "granule", "words"))
        # The first tile's word of the current pixel, and of the first pixel of the tile.
        pixel, first = Signal(ADDRESS_WIDTH), Signal(ADDRESS_WIDTH)
        tile, group = Signal(ADDRESS_WIDTH), Signal(ADDRESS_WIDTH)
        word = Signal(ADDRESS_WIDTH + 1)
        m.d.comb += [
            loop.layer.eq(self.layer),
            loop.start.eq(self.start),
            loop.advance.eq(self.advance),
            self.layer_end.eq(loop.layer_end),
            self.last_channels.eq(loop.last_channels),
            word.eq(pixel + (tile >> len(self.part))),
            self.address.eq(word),
            self.part.eq(tile[: len(self.part)]),
            self.outside.eq(word >= self._config.activation_words),
        ]
        following = pixel + words
        with m.If(self.advance):
            m.d.sync += pixel.eq(following)
            with m.If(loop.tile_end):
                m.d.sync += [pixel.eq(first), tile.eq(tile + 1)]
            with m.If(loop.pixels_end):
                m.d.sync += [pixel.eq(following), first.eq(following), tile.eq(group)]
            with m.If(loop.group_end):
                m.d.sync += [pixel.eq(base), first.eq(base), tile.eq(tile + 1), group.eq(tile + 1)]
        with m.If(self.start):
            m.d.sync += [pixel.eq(base), first.eq(base), tile.eq(granule), group.eq(granule)]
        return m
