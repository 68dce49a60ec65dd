# SPDX-License-Identifier: Apache-2.0
"""From rows of sums to activations in memory: requantisers, the addition of a residual, and addresses."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.accel.ports import Channel
from sysmt.hdl.common.delay_line import delay_line
from sysmt.hdl.params.engine import PARAMETER_LATENCY, EngineConfig

from .addition import SIGN, Addition
from .counter import beat_counter
from .patches import PatchCollector, found_patches
from .ports import SUM_WIDTH, LayerLayout, SumRow
from .requantize import RequantizerLane
from .residual import ResidualReader
from .rows import RowAddresses, RowLoop

QUEUE = 2
"""Cycles from a row on `i_rows` to its first beat."""


class Post(wiring.Component):
    """Takes the rows of a layer, requantises `lanes` channels a cycle, and writes every row as part of a word::

        rows -> queue -> RequantizerLane x lanes -> [AddLane x add_lanes, with the residual's row] -> part of a word

    With `EngineConfig.adds_in_lanes` these lanes are those of the requantisers: of the parts of a beat, one a cycle
    takes the first `add_lanes`, its sums take the next.

    Rows of a tile that are no pixels of the image are dropped; channels that do not exist are written as 0. What lies
    outside the memory is not written.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(LayerLayout)
    start : In(1)
        High for one cycle, while no row is inside.
    i_rows : In(stream of SumRow)
        Those of the layer, in its order; its queue holds as many as the array has rows.
    o_residual : Out(stream of range(activation_words))
    i_residual : In(stream of 8 * word_bytes)
        Read client of the activation memory. Words are taken at once.
    parameter_address : Out(range(parameter_words))
    parameter_word : In
        The word one cycle after its address.
    write : Out(granules)
    address : Out(range(activation_words))
    data : Out(8 * word_bytes)
        Parts of a word to be written in this cycle; all parts have the same bytes.
    done : Out(1)
        High for one cycle, with the last write of the layer or later: all its rows have been taken.
    overflow : Out(1)
        As `RequantizerLane.overflow` of a result since `start`.
    address_error : Out(1)
        An address outside its memory since `start`.

    Latency
    -------
    A row takes `config.beats` cycles, or `config.add_beats` in a layer that adds; one that is dropped takes one.
    `Post.latency(config, add)` cycles from a row on `i_rows` to its write, when nothing is ahead of it and its
    residual is there.
    """

    block = "requantizer"
    parts = {"rows": "buffers"}

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "layer": In(LayerLayout),
                "start": In(1),
                "i_rows": In(stream.Signature(SumRow(config))),
                "o_residual": Out(stream.Signature(range(config.activation_words))),
                "i_residual": In(stream.Signature(8 * config.word_bytes)),
                "parameter_address": Out(range(config.parameter_words)),
                "parameter_word": In(data.ArrayLayout(Channel, config.lanes)),
                "write": Out(config.granules),
                "address": Out(range(config.activation_words)),
                "data": Out(8 * config.word_bytes),
                "done": Out(1),
                "overflow": Out(1),
                "address_error": Out(1),
            }
        )

    @staticmethod
    def latency(config: EngineConfig, add: bool) -> int:
        """Cycles from a row on `i_rows` to its write."""
        scaled = QUEUE + PARAMETER_LATENCY + RequantizerLane.LATENCY
        return scaled + (Addition.latency(config) + config.add_beats if add else config.beats)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, layer = self._config, self.layer
        if config.patch > 1:
            self._patched = found_patches(m, self.start, layer)
        m.submodules.residual = residual = ResidualReader(config, config.residual_ahead)
        connect(m, residual.o_residual, flipped(self.o_residual))
        connect(m, flipped(self.i_residual), residual.i_residual)
        m.d.comb += [residual.layer.eq(layer), residual.start.eq(self.start)]

        # Of parameters, of the output and of the residual; what was found before; in time for `done`.
        errors, known = Signal(3), Signal()
        m.d.comb += self.address_error.eq(Cat(errors, known).any())
        m.d.sync += [errors[2].eq(residual.address_error), known.eq(self.address_error & ~self.start)]
        lanes, enters, tile_ends, waits = self._beats(m, residual, errors[0])
        # What is written decides much: it is known a cycle before.
        soon = delay_line(m, enters, 1, "scaled", cycles=PARAMETER_LATENCY + RequantizerLane.LATENCY - 1)
        scaled = Signal()
        m.d.sync += scaled.eq(soon)
        codes, overflow, found = [], [], []
        for i, (total, channel) in enumerate(lanes):
            m.submodules[f"lane_{i}"] = lane = RequantizerLane(config.array.pe.target == "fpga")
            m.d.comb += [
                lane.sum.eq(total),
                lane.channel.eq(channel),
                *(getattr(lane, name).eq(layer[name]) for name in ("double", "zero_point", "low", "high")),
            ]
            codes.append(lane.result)
            overflow.append(lane.overflow)
            found.append(lane)
        m.submodules.addition = addition = Addition(config)
        m.d.comb += [
            addition.layer.eq(layer),
            addition.i_valid.eq(scaled & layer.add),
            addition.i_codes.eq(Cat(codes)),
            addition.row.eq(residual.row),
            residual.next.eq(addition.next),
        ]
        if config.adds_in_lanes:
            self._share(m, found, addition)
            scaled = scaled & ~layer.add
        with m.If((scaled & Cat(overflow).any()) | addition.overflow):
            m.d.sync += self.overflow.eq(1)
        with m.If(self.start):
            m.d.sync += self.overflow.eq(0)
        tile_end = delay_line(m, tile_ends, 1, "tile_end", cycles=PARAMETER_LATENCY + RequantizerLane.LATENCY)
        self._write(m, soon & ~layer.add, Cat(codes), tile_end, addition, waits, errors[1])
        return m

    def _share(self, m: Module, lanes: list[RequantizerLane], addition: Addition) -> None:
        """In a layer that adds, the first lanes have its values one after the other, the next ones its sums."""
        count, layer = self._config.add_lanes, self.layer
        summing = lanes[count : 2 * count]
        with m.If(layer.add):
            for lane, addends in zip(summing, addition.o_addends, strict=True):
                m.d.comb += [
                    lane.sum.eq(addends.sum),
                    lane.channel.bias.eq(addends.bias),
                    lane.channel.multiplier.eq(layer.add_multiplier),
                    lane.channel.shift.eq(layer.add_shift),
                    *(getattr(lane, name).eq(layer[f"add_{name}"]) for name in ("double", "zero_point", "low", "high")),
                ]
        m.d.comb += [
            addition.i_overflow.eq(Cat(lane.overflow for lane in lanes[:count]).any()),
            addition.i_sums.eq(Cat(lane.result for lane in summing)),
            addition.i_sums_overflow.eq(Cat(lane.overflow for lane in summing).any()),
        ]

    def _beats(
        self, m: Module, residual: ResidualReader, error: Value
    ) -> tuple[list[tuple[Value, Value]], Value, Value, Value]:
        """Rows as beats of `lanes` channels.

        Returns the sums and channels of a beat as they reach the requantisers, whether one set out
        `PARAMETER_LATENCY` cycles before, whether that was the last one of its tile, and whether rows that are no
        pixels are still to come.
        """
        config, layer = self._config, self.layer
        m.submodules.rows = rows = SyncFIFOBuffered(width=Shape.cast(SumRow(config)).width, depth=config.row_queue)
        row = SumRow(config)(rows.r_data)
        m.submodules.loop = loop = RowLoop(config)
        goes, last, skips = Signal(), Signal(), Signal()
        pause = Signal(range(config.lanes // config.add_lanes + 1))
        beat = beat_counter(m, "beat", goes, config.beats)
        m.d.comb += [
            rows.w_data.eq(self.i_rows.payload),
            rows.w_en.eq(self.i_rows.valid),
            self.i_rows.ready.eq(rows.w_rdy),
            rows.r_en.eq(Mux(skips, 1, last)),
            loop.layer.eq(layer),
            loop.start.eq(self.start),
            loop.advance.eq(last),
            goes.eq(rows.r_rdy & ~skips & (~layer.add | (residual.available & (pause == 0)))),
            last.eq(goes & (beat == config.beats - 1)),
            residual.claim.eq(last & layer.add),
        ]
        with m.If(last & loop.tile_end):
            m.d.sync += skips.eq(~row.last)
        with m.Elif(rows.r_rdy & skips):
            m.d.sync += skips.eq(~row.last)
        patched: Value = Const(0)
        if config.patch > 1:
            patched, part = self._patched, Signal(range(config.patch))
            m.d.comb += loop.again.eq(patched & (part != config.patch - 1))
            with m.If(last & loop.tile_end & patched):
                m.d.sync += part.eq(part + 1)
            with m.If(self.start):
                m.d.sync += part.eq(0)
        # Beats to be added come as slowly as the addition takes them.
        share = config.lanes // config.add_lanes
        with m.If(goes):
            m.d.sync += pause.eq(share - 1)
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        self._parameters(m, loop, goes & ~patched, goes, last, error)

        width = config.lanes * SUM_WIDTH
        sums = row.sums.as_value().word_select(beat, width) if config.beats > 1 else row.sums.as_value()
        size = Shape.cast(Channel).width
        if config.adds_in_lanes:
            before = delay_line(m, sums, 1, "sums", reset_less=True, cycles=PARAMETER_LATENCY - 1)
            comes = delay_line(m, goes, 1, "comes", cycles=PARAMETER_LATENCY - 1)
            sums, channels = Signal(width, reset_less=True), Signal(config.lanes * size, reset_less=True)
            for register, word, step in ((sums, before, SUM_WIDTH), (channels, self.parameter_word, size)):
                m.d.sync += register.eq(word)
                # A beat that is to be added goes to the first lanes, part by part.
                with m.If(layer.add & ~comes):
                    m.d.sync += register.eq(register[config.add_lanes * step :])
        else:
            sums = delay_line(m, sums, 1, "sums", reset_less=True, cycles=PARAMETER_LATENCY)
            channels = delay_line(m, self.parameter_word, 1, "channels", reset_less=True)
        lanes = [(sums.word_select(i, SUM_WIDTH), channels.word_select(i, size)) for i in range(config.lanes)]
        return lanes, goes, last & loop.tile_end, skips

    def _parameters(self, m: Module, loop: RowLoop, further: Value, goes: Value, last: Value, error: Value) -> None:
        """Addresses of parameters: those of a tile again for every row, those of a group again for all its pixels.

        `further`: the beats of a row have a word each, not all the same one.
        """
        width = max(self._config.parameter_words.bit_length(), len(self.layer.parameter_base)) + 1
        current, tile, group = (Signal(width, name=f"parameters_{name}") for name in ("beat", "tile", "group"))
        following = current + 1
        m.d.comb += self.parameter_address.eq(current)
        with m.If(further):
            m.d.sync += current.eq(following)
        with m.If(last):
            m.d.sync += current.eq(tile)
            with m.If(loop.tile_end):
                m.d.sync += [current.eq(following), tile.eq(following)]
            with m.If(loop.pixels_end):
                m.d.sync += [current.eq(group), tile.eq(group)]
            with m.If(loop.group_end):
                m.d.sync += [register.eq(following) for register in (current, tile, group)]
        with m.If(self.start):
            m.d.sync += [register.eq(self.layer.parameter_base) for register in (current, tile, group)]
        m.d.sync += error.eq(goes & (current >= self._config.parameter_words))

    def _write(
        self, m: Module, soon: Value, codes: Value, tile_end: Value, addition: Addition, waits: Value, error: Value
    ) -> None:
        """Codes collected to a row, and written: of the requantisers in the cycle after `soon`, or of the addition."""
        config, layer = self._config, self.layer
        valid = Signal()
        m.d.sync += valid.eq(soon)
        m.submodules.addresses = addresses = RowAddresses(config, "out")
        row, collected = Signal(8 * config.array.cols), Signal(8 * config.array.cols, reset_less=True)
        m.d.comb += row.eq(Cat(collected, codes)[-len(row) :])
        with m.If(addition.o_valid):
            m.d.comb += row.eq(Cat(collected, addition.o_codes)[-len(row) :])
        with m.If(valid | addition.o_valid):
            m.d.sync += collected.eq(row)
        beat = beat_counter(m, "write_beat", soon, config.beats)
        add_beat = beat_counter(m, "add_beat", addition.o_soon, config.add_beats)
        row_ends = soon & (beat == config.beats - 1)
        row_end, last = Signal(), Signal()
        lasts = row_ends | (addition.o_soon & (add_beat == config.add_beats - 1))
        written = Signal.like(row)
        m.d.comb += written.eq(row)
        if config.patch > 1:
            m.submodules.patches = patches = PatchCollector(config)
            patched = self._patched
            m.d.comb += [
                patches.start.eq(self.start),
                patches.i_valid.eq(valid & patched),
                patches.i_codes.eq(codes),
                patches.i_row_end.eq(row_end),
                patches.i_tile_end.eq(tile_end),
            ]
            lasts = Mux(patched, patches.o_soon, lasts)
            with m.If(patched):
                m.d.comb += written.eq(patches.o_row)
        m.d.sync += [row_end.eq(row_ends), last.eq(lasts)]
        count = layer.last_cols[: config.array.cols.bit_length()]
        exists = [~addresses.last_channels | (count > c) for c in range(config.array.cols)]
        stored = Cat((written.word_select(c, 8) ^ SIGN) & one.replicate(8) for c, one in enumerate(exists))
        ends, ended, late = Signal(), Signal(), Signal()
        m.d.comb += [
            addresses.layer.eq(layer),
            addresses.start.eq(self.start),
            addresses.advance.eq(last),
            ends.eq(last & addresses.layer_end),
            self.done.eq((ended | late) & ~waits),
        ]
        m.d.sync += [
            self.write.eq(Mux(last & addresses.exists & ~addresses.outside, 1 << addresses.part, 0)),
            self.address.eq(addresses.address),
            self.data.eq(stored.replicate(config.granules)),
            ended.eq(ends),
            late.eq((ended | late) & waits),
        ]
        m.d.sync += error.eq(last & addresses.exists & addresses.outside)
