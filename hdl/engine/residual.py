# SPDX-License-Identifier: Apache-2.0
"""Reads the residual of a layer ahead of the rows that it is added to."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig

from .ports import LayerLayout
from .rows import RowAddresses


class ResidualReader(wiring.Component):
    """The rows of a layer's residual, in the order of its output rows, as many of them ahead as there is room for.

    Parameters
    ----------
    config : EngineConfig
    ahead : int
        Rows that are read before they are used.

    Members
    -------
    layer, start : In
        Of a layer without `add` nothing is read.
    o_residual : Out(stream of range(activation_words))
        Addresses to the activation memory.
    i_residual : In(stream of 8 * word_bytes)
        Words from there. It is always ready.
    available : Out(1)
        A row is here that has not been claimed.
    claim : In(1)
        Claim it; only while `available`.
    row : Out(8 * cols)
        The first row that was claimed, or will be, as unsigned bytes.
    next : In(1)
        Drop that row; a cycle after it was claimed at the earliest.
    address_error : Out(1)
        High for one cycle: an address lies beyond the memory; a word is read all the same.
    """

    block = "requantizer"

    def __init__(self, config: EngineConfig, ahead: int):
        self._config, self._ahead = config, ahead
        super().__init__(
            {
                "layer": In(LayerLayout),
                "start": In(1),
                "o_residual": Out(stream.Signature(range(config.activation_words))),
                "i_residual": In(stream.Signature(8 * config.word_bytes)),
                "available": Out(1),
                "claim": In(1),
                "row": Out(8 * config.array.cols),
                "next": In(1),
                "address_error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, ahead = self._config, self._ahead
        m.submodules.addresses = addresses = RowAddresses(config, "residual")
        m.submodules.rows = rows = SyncFIFOBuffered(width=len(self.row), depth=ahead)
        running, asks = Signal(), Signal()
        reserved, unclaimed = Signal(range(ahead + 1)), Signal(range(ahead + 1))
        output = self.o_residual
        # The part of a word that comes, a register wide where the whole word would be wider.
        came, part = Signal(), Signal(len(self.row), reset_less=True)
        m.d.comb += [
            addresses.layer.eq(self.layer),
            addresses.start.eq(self.start),
            addresses.advance.eq(asks),
            asks.eq(running & (reserved != ahead) & (~output.valid | output.ready)),
            self.address_error.eq(asks & addresses.outside),
            self.i_residual.ready.eq(1),
            rows.w_en.eq(came),
            rows.w_data.eq(part),
            self.row.eq(rows.r_data),
            rows.r_en.eq(self.next),
        ]
        m.d.sync += [
            reserved.eq(reserved + asks - self.next),
            came.eq(self.i_residual.valid),
            unclaimed.eq(unclaimed + came - self.claim),
            # Whether any is left: beside the number, which would be late if compared.
            self.available.eq(came | Mux(self.claim, unclaimed > 1, self.available)),
        ]
        with m.If(~output.valid | output.ready):
            m.d.sync += [output.valid.eq(asks), output.payload.eq(addresses.address)]
        with m.If(self.start):
            m.d.sync += running.eq(self.layer.add)
        with m.Elif(asks & addresses.layer_end):
            m.d.sync += running.eq(0)
        if config.granules == 1:
            m.d.sync += part.eq(self.i_residual.payload)
        else:
            m.submodules.parts = parts = SyncFIFOBuffered(width=len(addresses.part), depth=ahead)
            m.d.comb += [
                parts.w_data.eq(addresses.part),
                parts.w_en.eq(asks),
                parts.r_en.eq(self.i_residual.valid),
            ]
            m.d.sync += part.eq(self.i_residual.payload.word_select(parts.r_data, len(self.row)))
        return m
