# SPDX-License-Identifier: Apache-2.0
"""Words of an engine's activation memory as beats."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.command_list import beats_of
from sysmt.hdl.params.engine import EngineConfig

from .sender import Sender


class WordSender(Sender):
    """Sends words one after the other.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    As of `Sender`, and
    o_address, i_word : streams to and from the activation memory
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            config,
            {
                "o_address": Out(stream.Signature(range(config.activation_words))),
                "i_word": In(stream.Signature(8 * config.word_bytes)),
            },
        )

    def _datapath(self, m: Module, command: data.View) -> None:
        config = self.config
        self._address, self._left = Signal(32), Signal(32)
        self._parts = beats_of(config.word_bytes, config.data_width)
        self._word, self._part = Signal(config.data_width * self._parts), Signal(range(self._parts + 1))
        m.d.comb += [
            self.o_address.payload.eq(self._address),
            self.o_request.payload.address.eq(command.address),
            self.o_request.payload.beats.eq(command.beats),
            self.o_beats.payload.data.eq(self._word[: config.data_width]),
            self.o_beats.payload.strb.eq(-1),
        ]

    def _states(self, m: Module, command: data.View) -> None:
        with m.State("begin"):
            m.d.sync += [self._address.eq(command.first), self._left.eq(command.beats)]
            m.d.comb += self.o_request.valid.eq(1)
            with m.If(self.o_request.ready):
                m.next = "ask"
        with m.State("ask"):
            m.d.sync += self._part.eq(0)
            m.d.comb += self.o_address.valid.eq(self._address < self.config.activation_words)
            with m.If(~self.o_address.valid):
                # The burst that was asked for is completed, with bytes that nobody is to read.
                m.d.comb += self.refused.eq(1)
                m.next = "beats"
            with m.Elif(self.o_address.ready):
                m.next = "load"
        with m.State("load"):
            m.d.comb += self.i_word.ready.eq(1)
            m.d.sync += self._word.eq(self.i_word.payload)
            with m.If(self.i_word.valid):
                m.next = "beats"
        with m.State("beats"):
            m.d.comb += self.o_beats.valid.eq(1)
            with m.If(self.o_beats.ready):
                m.d.sync += [
                    self._word.eq(self._word >> self.config.data_width),
                    self._left.eq(self._left - 1),
                    self._part.eq(self._part + 1),
                ]
                with m.If(self._part == self._parts - 1):
                    m.d.sync += self._address.eq(self._address + 1)
                    m.next = "ask"
                with m.If(self._left == 1):
                    m.next = "settle"
