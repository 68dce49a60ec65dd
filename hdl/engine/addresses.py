# SPDX-License-Identifier: Apache-2.0
"""The addresses of implicit im2col: every word that a layer reads, one per cycle, by counters and adders only."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .counter import count_loops
from .ports import LayerLayout

ADDRESS = 24
"""Bits of the address fields of a descriptor; sums of them wrap, and are then outside the memory."""

COORDINATE = signed(18)
"""A row or column of the image, or of the padding around it."""


ENDS = ("group_end", "fill_end", "layer_end", "last_group")
"""What is told about a word besides its channels."""


class Read(data.StructLayout):
    """One word of one input pixel.

    Members
    -------
    address : unsigned
        In the activation memory.
    outside : unsigned(1)
        The pixel is in the padding; the address means nothing.
    group_end : unsigned(1)
        The last pixel of the tile: the next word is of another tap, channel word or tile.
    fill_end : unsigned(1)
        The last word of the tile.
    layer_end : unsigned(1)
        The last word of the layer.
    last_group : unsigned(1)
        A word of the layer's last group.
    """

    def __init__(self, config: EngineConfig):
        flags = dict.fromkeys(("outside", *ENDS), 1)
        super().__init__({"address": range(config.activation_words)} | flags)


Pixel = data.StructLayout(
    {"column": 16, "row_end": 1, "y": COORDINATE, "x": COORDINATE, "address": ADDRESS, "row_address": ADDRESS}
)
"""Where the window of an output pixel begins, from that of pixel (0, 0): column of the output image, and whether it is
the last one; row and column of the input image; words to its first tap, and to that of the first pixel in the row."""


class AddressGenerator(wiring.Component):
    """The loops of `sysmt.hdl.params.program` around a read: groups, tiles of pixels, taps, channel words, pixels.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(LayerLayout)
        Stable from `start` until the last word.
    start : In(1)
        High for one cycle, while no layer is under way.
    o : Out(stream of Read)
    error : Out(1)
        An address inside the image was outside the memory, since `start`. The word goes on with address 0.

    Latency
    -------
    3 cycles from `start` to the first word; a word per cycle from then on, between tiles and groups too.
    """

    block = "im2col"

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {"layer": In(LayerLayout), "start": In(1), "o": Out(stream.Signature(Read(config))), "error": Out(1)}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        running, moves = Signal(), Signal()
        ends = {name: Signal(name=f"last_{name}") for name in ("pixel", "word", "kx", "ky", "tile", "group")}
        tap_ends, fill_ends, layer_ends = Signal(), Signal(), Signal()
        m.d.comb += [
            tap_ends.eq(ends["pixel"] & ends["word"]),
            fill_ends.eq(tap_ends & ends["kx"] & ends["ky"]),
            layer_ends.eq(fill_ends & ends["tile"] & ends["group"]),
        ]
        with m.If(self.start):
            m.d.sync += running.eq(1)
        with m.Elif(moves & layer_ends):
            m.d.sync += running.eq(0)
        self._count(m, moves, ends, fill_ends)
        pixel = self._pixels(m, moves, ends, fill_ends)
        offset, y, x = self._taps(m, moves, ends, fill_ends)

        # A register for where the word would be; then whether that is inside the image, into a queue of two: what takes
        # the words decides late, and all counters move by it.
        flags = dict(zip(ENDS, (ends["pixel"], fill_ends, layer_ends, ends["group"]), strict=True))
        found = Signal(
            data.StructLayout({"y": COORDINATE, "x": COORDINATE, "address": ADDRESS} | dict.fromkeys(flags, 1))
        )
        counted = Signal()
        layer = self.layer
        m.submodules.queue = queue = SkidBuffer(Read(self.config))
        connect(m, queue.o, flipped(self.o))
        outside, beyond = Signal(), Signal()
        m.d.comb += [
            moves.eq(~counted | queue.i.ready),
            queue.i.valid.eq(counted),
            queue.i.payload.outside.eq(outside),
            queue.i.payload.address.eq(Mux(beyond, 0, found.address)),
            *(queue.i.payload[name].eq(found[name]) for name in flags),
            outside.eq((found.y.as_unsigned() >= layer.in_height) | (found.x.as_unsigned() >= layer.in_width)),
            beyond.eq(~outside & (found.address >= self.config.activation_words)),
        ]
        with m.If(moves):
            m.d.sync += [
                counted.eq(running),
                found.y.eq(pixel.y + y),
                found.x.eq(pixel.x + x),
                found.address.eq(pixel.address + offset),
                *(found[name].eq(flag) for name, flag in flags.items()),
            ]
            with m.If(counted & beyond):
                m.d.sync += self.error.eq(1)
        with m.If(self.start):
            m.d.sync += self.error.eq(0)
        return m

    def _count(self, m: Module, moves: Signal, ends: dict[str, Signal], fill_ends: Signal) -> None:
        """Six counters, one inside the other, which know beforehand when they end; all but the innermost count down."""
        config, layer = self.config, self.layer
        rows = config.array.rows
        pixel, single, last_single = Signal(range(1, rows + 1), init=1), Signal(), Signal()
        limits = {
            "word": layer.group_words,
            "kx": layer.kernel_w,
            "ky": layer.kernel_h,
            "tile": layer.m_tiles,
            "group": layer.groups,
        }
        lefts = count_loops(m, self.start, moves & ends["pixel"], limits, ends)
        # Whether the first pixel of a tile is its only one depends on which tile follows.
        tile_follows = Signal()
        m.d.comb += tile_follows.eq(ends["tile"])
        with m.If(fill_ends):
            m.d.comb += tile_follows.eq(Mux(ends["tile"], layer.m_tiles == 1, lefts["tile"] == 2))
        of_tile = Mux(ends["tile"], layer.last_rows[: len(pixel)], rows)
        with m.If(moves):
            with m.If(ends["pixel"]):
                m.d.sync += [pixel.eq(1), ends["pixel"].eq(single | (tile_follows & last_single))]
            with m.Else():
                m.d.sync += [pixel.eq(pixel + 1), ends["pixel"].eq(pixel + 1 == of_tile)]
        alone, last_alone = (layer.operation != Operation.MATMUL) | (rows == 1), layer.last_rows == 1
        with m.If(self.start):
            m.d.sync += [
                pixel.eq(1),
                single.eq(alone),
                last_single.eq(last_alone),
                ends["pixel"].eq(alone | ((layer.m_tiles == 1) & last_alone)),
            ]

    def _pixels(self, m: Module, moves: Signal, ends: dict[str, Signal], fill_ends: Signal) -> data.View:
        """The pixel at hand; every tap goes through those of the tile again."""
        layer = self.layer
        pixel, first, following = Signal(Pixel), Signal(Pixel), Signal(Pixel)
        narrow = layer.out_width == 1
        below = pixel.row_address + layer.pixel_y
        m.d.comb += [
            following.eq(pixel),
            following.row_end.eq(pixel.column == layer.out_width - 2),
            following.column.eq(pixel.column + 1),
            following.x.eq(pixel.x + layer.stride_w),
            following.address.eq(pixel.address + layer.pixel_x),
        ]
        with m.If(pixel.row_end):
            m.d.comb += [
                following.column.eq(0),
                following.row_end.eq(narrow),
                following.y.eq(pixel.y + layer.stride_h),
                following.x.eq(0),
                following.address.eq(below),
                following.row_address.eq(below),
            ]
        with m.If(moves):
            m.d.sync += pixel.eq(Mux(ends["pixel"] & ~fill_ends, first, following))
            with m.If(fill_ends):
                m.d.sync += first.eq(following)
        with m.If(self.start | (moves & fill_ends & ends["tile"])):
            m.d.sync += [pixel.eq(0), first.eq(0), pixel.row_end.eq(narrow), first.row_end.eq(narrow)]
        return pixel

    def _taps(
        self, m: Module, moves: Signal, ends: dict[str, Signal], fill_ends: Signal
    ) -> tuple[Signal, Signal, Signal]:
        """Where the tap and channel word at hand lie for pixel (0, 0): address, row and column."""
        layer = self.layer
        offset, of_tap, of_row, of_group = (Signal(ADDRESS, name=n) for n in ("offset", "of_tap", "of_row", "of_group"))
        y, x = Signal(COORDINATE, name="tap_row"), Signal(COORDINATE, name="tap_column")
        beside, below, further = of_tap + layer.tap_x, of_row + layer.tap_y, of_group + layer.group_words
        group = Signal(ADDRESS)
        m.d.comb += group.eq(Mux(self.start, layer.in_origin, Mux(ends["tile"], further, of_group)))
        with m.If(moves & ends["pixel"]):
            with m.If(~ends["word"]):
                m.d.sync += offset.eq(offset + 1)
            with m.Elif(~ends["kx"]):
                m.d.sync += [offset.eq(beside), of_tap.eq(beside), x.eq(x + layer.dilation_w)]
            with m.Elif(~ends["ky"]):
                m.d.sync += [offset.eq(below), of_tap.eq(below), of_row.eq(below)]
                m.d.sync += [x.eq(-layer.pad_left), y.eq(y + layer.dilation_h)]
        with m.If(self.start | (moves & fill_ends)):
            m.d.sync += [register.eq(group) for register in (offset, of_tap, of_row, of_group)]
            m.d.sync += [x.eq(-layer.pad_left), y.eq(-layer.pad_top)]
        return offset, y, x
