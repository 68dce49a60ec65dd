# SPDX-License-Identifier: Apache-2.0
"""The array with AXI4-Stream ports."""

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Out, connect

from sysmt.hdl.bus.axi_stream import AXIStream
from sysmt.hdl.bus.axi_stream_ports import AXIStreamPorts
from sysmt.hdl.emit import shared
from sysmt.hdl.params.array import ArrayConfig

from .ports import CounterLayout, ResultRow, TileDescriptor, w_step, x_step
from .systolic import SystolicArray

TILE, X, W, SUMS = "s_axis_tile", "s_axis_x", "s_axis_w", "m_axis_sums"
REGISTERS = 2
"""Cycles that a step and its row take longer than without these ports: a register in front, one behind."""


class AXIStreamArray(AXIStreamPorts):
    """`SystolicArray` between streams of AXI4-Stream.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    aclk, aresetn, refused : as of `AXIStreamPorts`; `refused`, too, as that of the array
    s_axis_tile : TileDescriptor
    s_axis_x, s_axis_w : a step of activations, of weights
        tlast with the last step of a tile.
    m_axis_sums : sums of a row, [cols]
        tlast with the last row of a tile.
    event_tlast_missing, event_tlast_unexpected : Out(1)
        The last step of a tile came without tlast, another one with it, on either stream: high until reset. What ends a
        tile is its number of steps all the same.
    counters : Out(CounterLayout)
        When `config.counters`.

    Latency
    -------
    `REGISTERS` more than that of the array; tiles follow one another as there.
    """

    parts = {TILE: "link", X: "link", W: "link", SUMS: "link"}

    def __init__(self, config: ArrayConfig):
        step = "the last step of a tile"
        sums = ResultRow(config)["sums"].shape
        streams = [
            AXIStream(TILE, TileDescriptor(config)),
            AXIStream(X, x_step(config), step),
            AXIStream(W, w_step(config), step),
            AXIStream(SUMS, sums, "the last row of a tile"),
        ]
        others = {"event_tlast_missing": Out(1), "event_tlast_unexpected": Out(1)}
        counters = {"counters": Out(CounterLayout(config.pe))} if config.counters else {}
        super().__init__(config, streams, others | counters)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self.clock(m, platform)
        array = shared(m, "array", SystolicArray, self.config, platform)
        tile, _ = self.enter(m, TILE)
        x, x_last = self.enter(m, X)
        w, w_last = self.enter(m, W)
        for source, there in ((tile, array.i_tile), (x, array.i_x), (w, array.i_w)):
            connect(m, source, there)
        self.leave(m, SUMS, array.o, array.o.payload.sums.as_value(), array.o.payload.last)
        m.d.comb += self.refused.eq(array.refused | self.stray)
        if self.config.counters:
            m.d.comb += self.counters.eq(array.counters)
        taken = tile.valid & tile.ready
        self._check_ends(m, taken, tile.payload, x.valid & x.ready, (x_last, w_last))
        return m

    def _check_ends(self, m: Module, taken: Value, tile: data.View, step: Value, ends: tuple[Value, Value]) -> None:
        """Count the steps that are left of the tile that runs, as the array does, which holds one more."""
        left, next_steps, waits = Signal.like(tile.steps), Signal.like(tile.steps), Signal()
        last = left == 1
        with m.If((left == 0) | (step & last)):
            m.d.sync += waits.eq(waits & taken)
            with m.If(waits):
                m.d.sync += left.eq(next_steps)
            with m.Else():
                m.d.sync += left.eq(0)
                with m.If(taken):
                    m.d.sync += left.eq(tile.steps)
        with m.Else():
            m.d.sync += waits.eq(waits | taken)
            with m.If(step):
                m.d.sync += left.eq(left - 1)
        with m.If(taken):
            m.d.sync += next_steps.eq(tile.steps)
        for event, found in (
            (self.event_tlast_missing, last & ~(ends[0] & ends[1])),
            (self.event_tlast_unexpected, ~last & (ends[0] | ends[1])),
        ):
            m.d.sync += event.eq(event | (step & found))
