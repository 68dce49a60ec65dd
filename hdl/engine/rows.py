# SPDX-License-Identifier: Apache-2.0
"""The order of a layer's output rows, and where each of them lies in the activation memory."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .patches import PatchWalk, found_patches
from .ports import LayerLayout


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
    again : In(1)
        The rows of the tile come once more: its last one is followed by its first.
    tile_end, pixels_end, group_end, layer_end : Out(1)
        The current row is the last one of its tile; also of these pixels in this group; also of this group; at all.
    last_channels : Out(1)
        The current tile is the last one of the last group, of which `last_cols` channels exist.
    """

    block = "control"

    def __init__(self, config: EngineConfig):
        self._rows = config.array.rows
        ends = ("tile_end", "pixels_end", "group_end", "layer_end", "last_channels")
        ports = {"layer": In(LayerLayout), "start": In(1), "advance": In(1), "again": In(1)}
        super().__init__(ports | {name: Out(1) for name in ends})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layer = self.layer
        pooling = Signal()
        with m.If(self.start):
            m.d.sync += pooling.eq(layer.operation != Operation.MATMUL)
        # What is left, the current one included; beside each a register that says 1, which would be late if compared.
        row = Signal(range(self._rows + 1))
        n_tile, m_tile, group = (Signal.like(layer[name]) for name in ("n_tiles", "m_tiles", "groups"))
        last_row, last_tile, last_pixels, last_group = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.tile_end.eq(pooling | last_row),
            self.pixels_end.eq(self.tile_end & last_tile & ~self.again),
            self.group_end.eq(self.pixels_end & last_pixels),
            self.layer_end.eq(self.group_end & last_group),
            self.last_channels.eq(last_tile & last_group),
        ]
        # Of the row that follows.
        pixels_follow, group_follows = Signal(), Signal()
        m.d.comb += [pixels_follow.eq(last_pixels), group_follows.eq(last_group)]
        with m.If(self.pixels_end):
            m.d.comb += pixels_follow.eq(m_tile == 2)
        with m.If(self.group_end):
            m.d.comb += [pixels_follow.eq(layer.m_tiles == 1), group_follows.eq(group == 2)]
        with m.If(self.start):
            m.d.comb += [pixels_follow.eq(layer.m_tiles == 1), group_follows.eq(layer.groups == 1)]
        with m.If(self.advance):
            m.d.sync += [row.eq(row - 1), last_row.eq(row == 2)]
        with m.If((self.advance & self.tile_end) | self.start):
            m.d.sync += [
                row.eq(Mux(pixels_follow, layer.last_rows, self._rows)),
                last_row.eq(Mux(pixels_follow, layer.last_rows == 1, int(self._rows == 1))),
            ]
        with m.If((self.advance & self.tile_end & ~self.again) | self.start):
            m.d.sync += [n_tile.eq(n_tile - 1), last_tile.eq(n_tile == 2)]
        with m.If((self.advance & self.pixels_end) | self.start):
            m.d.sync += [
                n_tile.eq(Mux(group_follows, layer.last_n_tiles, layer.n_tiles)),
                last_tile.eq(Mux(group_follows, layer.last_n_tiles == 1, layer.n_tiles == 1)),
                m_tile.eq(m_tile - 1),
                last_pixels.eq(pixels_follow),
            ]
        with m.If((self.advance & self.group_end) | self.start):
            m.d.sync += [m_tile.eq(layer.m_tiles), group.eq(group - 1), last_group.eq(group_follows)]
        with m.If(self.start):
            m.d.sync += group.eq(layer.groups)
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
        Of a layer with patches, pixel by pixel of every patch.
    address : Out(range(activation_words))
    part : Out(range(granules))
    outside : Out(1)
        The address lies beyond the memory; `address` is then another one.
    exists : Out(1)
        It is a pixel of the output; else one of a patch that hangs over the edge.
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
                "exists": Out(1, init=1),
                "layer_end": Out(1),
                "last_channels": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.loop = loop = RowLoop(self._config)
        base, granule, words = (self.layer[f"{self._tensor}_{name}"] for name in ("base", "granule", "words"))
        # Wide enough for one step beyond the memory, which is reported before any further one.
        depth = self._config.activation_words
        width = max(depth.bit_length(), len(words)) + 1
        # The first tile's word of the current pixel, and of the first pixel of the tile.
        pixel, first = Signal(width), Signal(width)
        tile, group = (Signal(max((depth * self._config.granules).bit_length(), len(granule)) + 1) for _ in range(2))
        word = Signal(max(width, len(tile)) + 1)
        # Of the pixel, and whether it is the last one of its row of the array.
        at, advance, layer_ends = Signal(width), Signal(), Signal()
        m.d.comb += [
            loop.layer.eq(self.layer),
            loop.start.eq(self.start),
            loop.advance.eq(advance),
            self.layer_end.eq(layer_ends),
            self.last_channels.eq(loop.last_channels),
            word.eq(at + (tile >> len(self.part))),
            self.address.eq(word),
            self.part.eq(tile[: len(self.part)]),
            self.outside.eq((word >= depth) | base[width:].any()),
            at.eq(pixel),
            advance.eq(self.advance),
            layer_ends.eq(loop.layer_end),
        ]
        if self._tensor == "out" and self._config.patch > 1:
            self._patches(m, loop, at, advance, layer_ends)
        following = pixel + words
        with m.If(advance):
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

    def _patches(self, m: Module, loop: RowLoop, at: Signal, advance: Signal, layer_ends: Signal) -> None:
        """In a layer with patches the loops advance patch by patch, and pixels lie elsewhere."""
        m.submodules.walk = walk = PatchWalk(self._config, len(at))
        m.d.comb += [
            walk.layer.eq(self.layer),
            walk.start.eq(self.start),
            walk.advance.eq(self.advance),
            *(getattr(walk, name).eq(getattr(loop, name)) for name in ("tile_end", "pixels_end", "group_end")),
        ]
        with m.If(found_patches(m, self.start, self.layer)):
            m.d.comb += [
                at.eq(walk.pixel),
                advance.eq(self.advance & walk.patch_end),
                layer_ends.eq(loop.layer_end & walk.patch_end),
                self.exists.eq(walk.exists),
            ]
