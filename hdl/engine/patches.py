# SPDX-License-Identifier: Apache-2.0
"""Layers whose rows hold patches of output pixels: bytes of a pixel gathered from tiles, and where pixels lie."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import UNCHECKED, UNINITIALISED
from sysmt.hdl.params.engine import EngineConfig

from .ports import LayerLayout


def has_patches(layer: Any) -> Value:
    """Whether a layer has patches."""
    found: Value = (layer.patch_h != 0) | (layer.patch_w != 0)
    return found


def found_patches(m: Module, start: Value, layer: Any) -> Signal:
    """Whether the layer that began with `start` has patches: a register, for what is decided by it comes late."""
    patched = Signal(name="patched")
    with m.If(start):
        m.d.sync += patched.eq(has_patches(layer))
    return patched


class PatchCollector(wiring.Component):
    """The parts of a tile in, row by row; the pixels of its patches out, with the channels of all parts.

    A row of a part has `cols / patch` channels of each pixel of a patch. The rows of `patch` parts go into a memory for
    each part; then every pixel takes its bytes from all of them. There are two halves: one tile enters while the one
    before leaves. Nothing has to wait: a tile takes longer to come than its pixels take to leave.

    Parameters
    ----------
    config : EngineConfig
        With `patch` > 1.

    Members
    -------
    start : In(1)
        A layer begins; nothing is inside.
    i_valid, i_codes : In(1), In(8 * lanes)
        A beat of a row, the first column lowest.
    i_row_end, i_tile_end : In(1)
        With `i_valid`: the last beat of its row; of the last row of its part.
    o_soon : Out(1)
        `o_valid` of the cycle that follows.
    o_valid, o_row : Out(1), Out(8 * cols)
        A pixel, its first channel lowest: patch by patch, pixel by pixel.

    Latency
    -------
    2 cycles from the last beat of a tile to its first pixel; a pixel per cycle.
    """

    block = "requantizer"

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i_valid": In(1),
                "i_codes": In(8 * config.lanes),
                "i_row_end": In(1),
                "i_tile_end": In(1),
                "o_soon": Out(1),
                "o_valid": Out(1),
                "o_row": Out(8 * config.array.cols),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        rows, beats, patch = config.array.rows, config.beats, config.patch
        # Where the next beat goes.
        half, part = Signal(), Signal(range(patch))
        row, beat = Signal(range(max(rows, 2))), Signal(range(max(beats, 2)))
        completes = Signal()
        m.d.comb += completes.eq(self.i_valid & self.i_tile_end & (part == patch - 1))
        with m.If(self.i_valid):
            m.d.sync += beat.eq(beat + 1)
            with m.If(self.i_row_end):
                m.d.sync += [beat.eq(0), row.eq(row + 1)]
            with m.If(self.i_tile_end):
                m.d.sync += [row.eq(0), part.eq(part + 1)]
        with m.If(completes):
            m.d.sync += half.eq(~half)

        # The pixel that is read: halves that are complete, and the last row of each.
        full, lasts = Signal(2), [Signal.like(row, name=f"last_row_{i}") for i in range(2)]
        read_half, read_row, pixel = Signal(), Signal.like(row), Signal(range(patch))
        reads, ends = self.o_soon, Signal()
        m.d.comb += [
            reads.eq(full.bit_select(read_half, 1)),
            ends.eq(reads & (pixel == patch - 1) & (read_row == Mux(read_half, lasts[1], lasts[0]))),
        ]
        with m.If(reads):
            m.d.sync += pixel.eq(pixel + 1)
            with m.If(pixel == patch - 1):
                m.d.sync += read_row.eq(read_row + 1)
        with m.If(ends):
            m.d.sync += [read_row.eq(0), read_half.eq(~read_half)]
        for i in range(2):
            with m.If(completes & (half == i)):
                m.d.sync += [full[i].eq(1), lasts[i].eq(row)]
            with m.Elif(ends & (read_half == i)):
                m.d.sync += full[i].eq(0)
        with m.If(self.start):
            m.d.sync += [register.eq(0) for register in (half, part, row, beat, full, read_half, read_row, pixel)]

        # A beat holds some pixels side by side: which of them is taken is known with the word that has it.
        channels = 8 * config.patch_channels
        in_beat = (config.lanes // config.patch_channels).bit_length() - 1
        beat_bits = beats.bit_length() - 1
        write_address = Cat(beat[:beat_bits], row[: (rows - 1).bit_length()], half)
        read_address = Cat(pixel[in_beat:], read_row[: (rows - 1).bit_length()], read_half)
        chosen = Signal(max(in_beat, 1))
        m.d.sync += [chosen.eq(pixel[:in_beat]), self.o_valid.eq(reads)]
        depth = 1 << len(write_address)
        for i in range(patch):
            m.submodules[f"part_{i}"] = memory = Memory(
                shape=8 * config.lanes, depth=depth, init=[], attrs=UNINITIALISED | UNCHECKED
            )
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.en.eq(self.i_valid & (part == i)),
                write.addr.eq(write_address),
                write.data.eq(self.i_codes),
                read.addr.eq(read_address),
                read.en.eq(reads),
                self.o_row.word_select(i, channels).eq(read.data.word_select(chosen, channels)),
            ]
        return m


class PatchWalk(wiring.Component):
    """The pixels of the patches of a layer, in the order that `PatchCollector` gives them: where they lie.

    Parameters
    ----------
    config : EngineConfig
        With `patch` > 1.

    Members
    -------
    layer, start : In
        A layer with patches begins.
    advance : In(1)
        Go on to the next pixel.
    patch_end : Out(1)
        The current pixel is the last of its patch.
    tile_end, pixels_end, group_end : In(1)
        The current patch is the last one of its tile; also of these patches in this group; also of this group
        (`RowLoop`).
    pixel : Out(unsigned)
        Word address of the pixel's first channel, in as many bits as `RowAddresses` counts with.
    exists : Out(1)
        It is a pixel of the output.
    """

    block = "control"

    def __init__(self, config: EngineConfig, width: int):
        self._config, self._width = config, width
        super().__init__(
            {
                "layer": In(LayerLayout),
                "start": In(1),
                "advance": In(1),
                "patch_end": Out(1),
                "tile_end": In(1),
                "pixels_end": In(1),
                "group_end": In(1),
                "pixel": Out(width),
                "exists": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layer, width = self.layer, self._width
        # Of the pixel in its patch.
        x, y = Signal(3), Signal(3)
        last_x, last_y = Signal(), Signal()
        m.d.comb += [
            last_x.eq(x == ((1 << layer.patch_w) - 1)[:3]),
            last_y.eq(y == ((1 << layer.patch_h) - 1)[:3]),
            self.patch_end.eq(last_x & last_y),
        ]
        with m.If(self.advance):
            m.d.sync += x.eq(Mux(last_x, 0, x + 1))
            with m.If(last_x):
                m.d.sync += y.eq(Mux(last_y, 0, y + 1))

        # Of the patch: patches left in its row, rows left; the first pixel of the patch, and of the row below.
        columns, rows = Signal.like(layer.out_width), Signal.like(layer.patch_rows)
        corner, below = Signal(width), Signal(width)
        state = [columns, rows, corner, below]
        saved = [Signal.like(register, name=f"saved_{register.name}") for register in state]
        line, beside = Signal(width), Signal(width)
        next_pixel, next_line = self.pixel + layer.out_words, line + layer.out_row[:width]
        # The first line leads to the next patch, the last line of the first patch to the next row.
        next_corner, next_below = Signal(width), Signal(width)
        first_column, last_column = Signal(), Signal()
        m.d.comb += [
            first_column.eq(columns == layer.out_width),
            last_column.eq(columns == 1),
            next_corner.eq(Mux(y == 0, next_pixel, beside)),
            next_below.eq(Mux(first_column, next_line, below)),
            self.exists.eq(
                ~((rows == 1) & (y > layer.edge_h)) & ~(last_column & (x > layer.edge_w)),
            ),
        ]
        start = Signal(width)
        m.d.comb += start.eq(layer.out_base[:width])
        following = [
            Mux(last_column, layer.out_width, columns - 1),
            Mux(last_column, rows - 1, rows),
            Mux(last_column, next_below, next_corner),
            next_below,
        ]
        first = [layer.out_width, layer.patch_rows, start, start]
        with m.If(self.advance):
            m.d.sync += self.pixel.eq(next_pixel)
            with m.If(last_x):
                m.d.sync += [beside.eq(next_corner), self.pixel.eq(next_line), line.eq(next_line)]
        with m.If(self.advance & self.patch_end):
            chosen = [Signal.like(register, name=f"next_{register.name}") for register in state]
            for register, saves, one, of_tile, of_layer in zip(state, saved, chosen, following, first, strict=True):
                m.d.comb += one.eq(Mux(self.group_end, of_layer, Mux(self.tile_end & ~self.pixels_end, saves, of_tile)))
                m.d.sync += register.eq(one)
                with m.If(self.pixels_end):
                    m.d.sync += saves.eq(one)
            m.d.sync += [self.pixel.eq(chosen[2]), line.eq(chosen[2])]
        with m.If(self.start):
            for register, saves, of_layer in zip(state, saved, first, strict=True):
                m.d.sync += [register.eq(of_layer), saves.eq(of_layer)]
            m.d.sync += [self.pixel.eq(start), line.eq(start), x.eq(0), y.eq(0)]
        return m
