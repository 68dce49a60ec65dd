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

from .add import AddLane
from .ports import SUM_WIDTH, LayerLayout, SumRow
from .requantize import RequantizerLane
from .residual import ResidualReader
from .rows import ADDRESS_WIDTH, RowAddresses, RowLoop

SIGN = 0x80
"""Activations in memory are int8 plus 128: the highest bit inverted."""
QUEUE = 2
"""Cycles from a row on `i_rows` to its first beat."""
READ = PARAMETER_LATENCY


class Post(wiring.Component):
    """Takes the rows of a layer, requantises `lanes` channels a cycle, and writes every row as part of a word::

        rows -> queue -> RequantizerLane x lanes -> [AddLane x lanes, with the residual's row] -> granule -> memory

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
    A row takes `config.beats` cycles, residual and all. `Post.latency(config, add)` cycles from a row on `i_rows` to
    its write, when nothing is ahead of it and its residual is there.
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
        return QUEUE + READ + RequantizerLane.LATENCY + add * AddLane.LATENCY + config.beats

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, layer = self._config, self.layer
        m.submodules.residual = residual = ResidualReader(config, config.residual_ahead)
        connect(m, residual.o_residual, flipped(self.o_residual))
        connect(m, flipped(self.i_residual), residual.i_residual)
        m.d.comb += [residual.layer.eq(layer), residual.start.eq(self.start)]

        lanes, enters, waits = self._beats(m, residual)
        scaled = delay_line(m, enters, 1, "scaled", cycles=READ + RequantizerLane.LATENCY)
        added = delay_line(m, scaled & layer.add, 1, "added", cycles=AddLane.LATENCY)
        beat = self._beat_counter(m, "residual_beat", scaled)
        m.d.comb += residual.next.eq(layer.add & scaled & (beat == config.beats - 1))
        residuals = residual.row.word_select(beat, 8 * config.lanes) if config.beats > 1 else residual.row
        results = []
        for i, (total, channel) in enumerate(lanes):
            m.submodules[f"lane_{i}"] = lane = RequantizerLane()
            m.submodules[f"add_{i}"] = add = AddLane()
            m.d.comb += [
                lane.sum.eq(total),
                lane.channel.eq(channel),
                *(getattr(lane, name).eq(layer[name]) for name in ("double", "zero_point", "low", "high")),
                add.layer.eq(layer),
                add.main.eq(lane.result),
                add.residual.eq(residuals.word_select(i, 8) ^ SIGN),
            ]
            results.append(Mux(layer.add, add.result, lane.result) ^ SIGN)
            with m.If((scaled & lane.overflow) | (added & add.overflow)):
                m.d.sync += self.overflow.eq(1)
        with m.If(self.start):
            m.d.sync += self.overflow.eq(0)
        self._write(m, Cat(result[:8] for result in results), Mux(layer.add, added, scaled), waits)
        with m.If(residual.address_error):
            m.d.sync += self.address_error.eq(1)
        return m

    def _beats(self, m: Module, residual: ResidualReader) -> tuple[list[tuple[Value, Value]], Value, Value]:
        """Rows as beats of `lanes` channels.

        Returns the sums and channels of a beat as they reach the requantisers, whether one set out `READ` cycles
        before, and whether rows that are no pixels are still to come.
        """
        config, layer = self._config, self.layer
        m.submodules.rows = rows = SyncFIFOBuffered(width=Shape.cast(SumRow(config)).width, depth=config.row_queue)
        row = SumRow(config)(rows.r_data)
        m.submodules.loop = loop = RowLoop(config)
        goes, last, skips = Signal(), Signal(), Signal()
        beat = self._beat_counter(m, "beat", goes)
        m.d.comb += [
            rows.w_data.eq(self.i_rows.payload),
            rows.w_en.eq(self.i_rows.valid),
            self.i_rows.ready.eq(rows.w_rdy),
            rows.r_en.eq(Mux(skips, 1, last)),
            loop.layer.eq(layer),
            loop.start.eq(self.start),
            loop.advance.eq(last),
            goes.eq(rows.r_rdy & ~skips & (residual.available | ~layer.add)),
            last.eq(goes & (beat == config.beats - 1)),
            residual.claim.eq(last & layer.add),
        ]
        with m.If(last & loop.tile_end):
            m.d.sync += skips.eq(~row.last)
        with m.Elif(rows.r_rdy & skips):
            m.d.sync += skips.eq(~row.last)
        self._parameters(m, loop, goes, last)

        width = config.lanes * SUM_WIDTH
        sums = row.sums.as_value().word_select(beat, width) if config.beats > 1 else row.sums.as_value()
        sums = delay_line(m, sums, 1, "sums", reset_less=True, cycles=READ)
        channels = delay_line(m, self.parameter_word, 1, "channels", reset_less=True)
        size = Shape.cast(Channel).width
        lanes = [(sums.word_select(i, SUM_WIDTH), channels.word_select(i, size)) for i in range(config.lanes)]
        return lanes, goes, skips

    def _parameters(self, m: Module, loop: RowLoop, goes: Value, last: Value) -> None:
        """Addresses of parameters: those of a tile again for every row, those of a group again for all its pixels."""
        current, tile, group = (Signal(ADDRESS_WIDTH, name=f"parameters_{name}") for name in ("beat", "tile", "group"))
        following = current + 1
        m.d.comb += self.parameter_address.eq(current)
        with m.If(goes):
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
            m.d.sync += self.address_error.eq(0)
        with m.Elif(goes & (current >= self._config.parameter_words)):
            m.d.sync += self.address_error.eq(1)

    def _write(self, m: Module, results: Value, valid: Value, waits: Value) -> None:
        """Beats of bytes collected to a row, and written."""
        config, layer = self._config, self.layer
        m.submodules.addresses = addresses = RowAddresses(config, "out")
        row = results
        last = valid & (self._beat_counter(m, "write_beat", valid) == config.beats - 1)
        if config.beats > 1:
            before = Signal((config.beats - 1) * len(results), reset_less=True)
            row = Cat(before, results)
            with m.If(valid):
                m.d.sync += before.eq(row[len(results) :])
        count = layer.last_cols[: config.array.cols.bit_length()]
        exists = [~addresses.last_channels | (count > c) for c in range(config.array.cols)]
        row = Cat(row.word_select(c, 8) & one.replicate(8) for c, one in enumerate(exists))
        ends, ended, late = Signal(), Signal(), Signal()
        m.d.comb += [
            addresses.layer.eq(layer),
            addresses.start.eq(self.start),
            addresses.advance.eq(last),
            ends.eq(last & addresses.layer_end),
            self.done.eq((ended | late) & ~waits),
        ]
        m.d.sync += [
            self.write.eq(Mux(last & ~addresses.outside, 1 << addresses.part, 0)),
            self.address.eq(addresses.address),
            self.data.eq(row.replicate(config.granules)),
            ended.eq(ends),
            late.eq((ended | late) & waits),
        ]
        with m.If(last & addresses.outside):
            m.d.sync += self.address_error.eq(1)

    def _beat_counter(self, m: Module, name: str, enable: Value) -> Value:
        """The beat of its row, counted in the cycles in which `enable` is high."""
        if self._config.beats == 1:
            return Const(0, 1)
        beat = Signal(range(self._config.beats), name=name)
        with m.If(enable):
            m.d.sync += beat.eq(Mux(beat == self._config.beats - 1, 0, beat + 1))
        return beat
