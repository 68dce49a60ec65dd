# SPDX-License-Identifier: Apache-2.0
"""An SDRAM that holds weights and more: written by the host, read ahead into the memories of the engine."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from sysmt.hdl.params.stream import WeightStreamConfig

from .ports import SdramPins
from .sdram import SdramController
from .stream import ChunkLayout, WeightStream, word_members


class SdramWord(data.StructLayout):
    """A word that the host writes into the SDRAM.

    Members
    -------
    address, word : unsigned
    """

    def __init__(self, config: WeightStreamConfig):
        chip = config.sdram.chip
        super().__init__({"address": chip.address_bits, "word": chip.width})


class StreamedWeights(wiring.Component):
    """The controller of the SDRAM, the stream of chunks, and the host's way to write.

    Parameters
    ----------
    config : WeightStreamConfig

    Members
    -------
    pins : Out(SdramPins)
    i_host : In(stream of SdramWord)
        Words for the SDRAM, taken in order. Only while `stopped`: what is under way is not waited for.
    enable, stopped, entry_address, entry, write, memory, address, data, ready, freed, error
        As in `WeightStream`; `stopped` also says that every word of the host has been given to the controller, behind
        which no read overtakes it.

    Latency
    -------
    To the clock what `sysmt.sim.cost.weight_stream` says.
    """

    block = "memory controller"

    def __init__(self, config: WeightStreamConfig):
        self.config = config
        super().__init__(
            {
                "pins": Out(SdramPins(config.sdram.chip)),
                "i_host": In(stream.Signature(SdramWord(config))),
                "enable": In(1),
                "stopped": Out(1),
                "entry_address": Out(range(config.chunks)),
                "entry": In(ChunkLayout),
                **word_members(config),
                "ready": Out(1),
                "freed": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.controller = controller = SdramController(self.config.sdram)
        m.submodules.stream = weights = WeightStream(self.config)
        connect(m, controller.pins, wiring.flipped(self.pins))
        for name in ("enable", "entry", "freed"):
            m.d.comb += getattr(weights, name).eq(getattr(self, name))
        for name in ("entry_address", "write", "memory", "address", "data", "ready", "error"):
            m.d.comb += getattr(self, name).eq(getattr(weights, name))
        # A word of the host: its burst and the word itself are taken one after the other.
        host = Signal(SdramWord(self.config))
        burst, word = Signal(), Signal()
        m.d.comb += [
            self.stopped.eq(weights.stopped & ~burst & ~word),
            self.i_host.ready.eq(~burst & ~word),
            controller.i.valid.eq(burst | weights.o_burst.valid),
            controller.i.payload.write.eq(burst),
            controller.i.payload.address.eq(Mux(burst, host.address, weights.o_burst.payload.address)),
            controller.i.payload.length.eq(Mux(burst, 1, weights.o_burst.payload.length)),
            weights.o_burst.ready.eq(controller.i.ready & ~burst),
            controller.i_write.valid.eq(word),
            controller.i_write.payload.eq(host.word),
            weights.i_words.valid.eq(controller.o_read.valid),
            weights.i_words.payload.eq(controller.o_read.payload),
            controller.o_read.ready.eq(1),
        ]
        with m.If(controller.i.ready):
            m.d.sync += burst.eq(0)
        with m.If(controller.i_write.ready):
            m.d.sync += word.eq(0)
        with m.If(self.i_host.valid & self.i_host.ready):
            m.d.sync += [host.eq(self.i_host.payload), burst.eq(1), word.eq(1)]
        return m
