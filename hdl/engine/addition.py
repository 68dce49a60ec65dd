# SPDX-License-Identifier: Apache-2.0
"""The addition of a layer's residual: as many lanes as are wanted behind the requantisers."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.delay_line import delay_line
from sysmt.hdl.params.engine import EngineConfig

from .add import AddLane, addends
from .counter import beat_counter
from .ports import SUM_WIDTH, LayerLayout

SIGN = 0x80
"""Activations in memory are int8 plus 128: the highest bit inverted."""


class Addition(wiring.Component):
    """Beats of `lanes` codes, `add_lanes` of them at a time, and the residual of their row.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(LayerLayout)
        Stable while a value is inside.
    i_valid : In(1)
        In one of `lanes` / `add_lanes` cycles at most.
    i_codes : In(8 * lanes)
        int8. With `adds_in_lanes` In(8 * add_lanes): the first codes with `i_valid`, the others follow.
    i_overflow : In(1)
        Of these codes. With `adds_in_lanes` only, as are:
    o_addends : Out(ArrayLayout({sum, bias}, add_lanes))
    i_sums, i_sums_overflow : In(8 * add_lanes), In(1)
        What requantisers make of them, with the multiplier and the limits of the addition.
    row : In(8 * cols)
        Residual of the row that is being added, as in memory.
    next : Out(1)
        The row's last codes are taken: on to the next one.
    o_soon : Out(1)
        `o_valid` of the cycle that follows.
    o_valid : Out(1)
    o_codes : Out(8 * add_lanes)
        int8; only while `o_valid`.
    overflow : Out(1)
        Of these codes, as of a `RequantizerLane`.

    Latency
    -------
    `Addition.latency(config)` cycles for the first codes of a beat, the others follow; it never stalls.
    """

    block = "requantizer"

    def __init__(self, config: EngineConfig):
        self._config = config
        terms = data.StructLayout(dict.fromkeys(("sum", "bias"), signed(SUM_WIDTH)))
        super().__init__(
            {
                "layer": In(LayerLayout),
                "i_valid": In(1),
                "i_codes": In(8 * (config.add_lanes if config.adds_in_lanes else config.lanes)),
                "row": In(8 * config.array.cols),
                "next": Out(1),
                "o_soon": Out(1),
                "o_valid": Out(1),
                "o_codes": Out(8 * config.add_lanes),
                "overflow": Out(1),
            }
            | (
                {
                    "i_overflow": In(1),
                    "o_addends": Out(data.ArrayLayout(terms, config.add_lanes)),
                    "i_sums": In(8 * config.add_lanes),
                    "i_sums_overflow": In(1),
                }
                if config.adds_in_lanes
                else {}
            )
        )

    @staticmethod
    def latency(config: EngineConfig) -> int:
        """Cycles from a beat to its first sums."""
        return AddLane.LATENCY + (config.lanes > config.add_lanes)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        width, share = 8 * config.add_lanes, config.lanes // config.add_lanes
        takes, codes = Signal(), Signal(len(self.i_codes))
        if share == 1:
            m.d.comb += [takes.eq(self.i_valid), codes.eq(self.i_codes)]
        else:
            left = Signal(range(share + 1))
            m.d.comb += takes.eq(left != 0)
            m.d.sync += codes.eq(self.i_codes if config.adds_in_lanes else codes >> width)
            with m.If(takes):
                m.d.sync += left.eq(left - 1)
            with m.If(self.i_valid):
                m.d.sync += [codes.eq(self.i_codes), left.eq(share)]
        beat = beat_counter(m, "beat", takes, config.add_beats)
        row = self.row.word_select(beat, width) if config.add_beats > 1 else self.row
        found = self._share_lanes if config.adds_in_lanes else self._add_lanes
        overflow = found(m, codes, row, takes)
        m.d.comb += [
            self.next.eq(takes & (beat == config.add_beats - 1)),
            self.o_soon.eq(delay_line(m, takes, 1, "added", cycles=AddLane.LATENCY - 1)),
            self.overflow.eq(overflow),
        ]
        m.d.sync += self.o_valid.eq(self.o_soon)
        return m

    def _add_lanes(self, m: Module, codes: Value, row: Value, takes: Value) -> Value:
        """Lanes of their own; returns what is said of overflow."""
        overflow = []
        for i in range(self._config.add_lanes):
            m.submodules[f"lane_{i}"] = lane = AddLane()
            m.d.comb += [
                lane.layer.eq(self.layer),
                lane.main.eq(codes.word_select(i, 8)),
                lane.residual.eq(row.word_select(i, 8) ^ SIGN),
                self.o_codes.word_select(i, 8).eq(lane.result),
            ]
            overflow.append(lane.overflow)
        return self.o_valid & Cat(overflow).any()

    def _share_lanes(self, m: Module, codes: Value, row: Value, takes: Value) -> Value:
        """Addends for lanes that are elsewhere; returns what is said of overflow."""
        for i, sums in enumerate(self.o_addends):
            main, residual = codes.word_select(i, 8), row.word_select(i, 8) ^ SIGN
            total, bias = addends(m, self.layer, main.as_signed(), residual.as_signed(), f"addend_{i}")
            m.d.comb += [sums.sum.eq(total), sums.bias.eq(bias)]
        overflow = Signal()
        m.d.sync += overflow.eq(self.i_overflow)
        m.d.comb += self.o_codes.eq(self.i_sums)
        return (self.o_valid & self.i_sums_overflow) | (takes & overflow)
