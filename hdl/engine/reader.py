# SPDX-License-Identifier: Apache-2.0
"""Words of the engine as bytes for the host: activations, and the cycles of layers."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import ReadTarget
from sysmt.hdl.params.protocol import MAX_READ, Opcode

from .commands import ARGUMENT_LAYOUTS

CYCLES_BYTES = 4


class HostReader(wiring.Component):
    """Reads words and hands out their bytes, the lowest first.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    start : In(1)
        High for one cycle when no words are being read: `arguments` is taken.
    arguments : In(arguments of READ)
        Stable until the last byte.
    size : Out(16)
        How many bytes will come.
    illegal : Out(1)
        What `arguments` of a cycle ago ask for is more than a response holds, or is not in a memory.
    o : Out(stream of 8 bits)
    o_address, i_word : streams to and from the activation memory
    layer, layer_cycles : Out(range(layers)), In(32)
        Cycles of a layer, two cycles after its number.
    """

    block = "link"

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "arguments": In(ARGUMENT_LAYOUTS[Opcode.READ]),
                "size": Out(16),
                "illegal": Out(1),
                "o": Out(stream.Signature(8)),
                "o_address": Out(stream.Signature(range(config.activation_words))),
                "i_word": In(stream.Signature(8 * config.word_bytes)),
                "layer": Out(range(config.layers)),
                "layer_cycles": In(32),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, request = self.config, self.arguments
        cycles = request.target == ReadTarget.CYCLES
        widest = max(config.word_bytes, CYCLES_BYTES)
        address, left = Signal(24), Signal(16)
        word, byte = Signal(8 * widest), Signal(range(widest))
        # Two constants: shifts, where one product would take a multiplier.
        size = Mux(cycles, request.words * CYCLES_BYTES, request.words * config.word_bytes)
        depth = Mux(cycles, config.layers, config.activation_words)
        known = cycles | (request.target == ReadTarget.ACTIVATIONS)
        m.d.sync += self.illegal.eq(~known | (size > MAX_READ) | (request.address + request.words > depth))
        m.d.comb += [
            self.size.eq(size),
            self.o_address.payload.eq(address),
            self.layer.eq(address),
            self.o.payload.eq(word[:8]),
        ]
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.sync += [address.eq(request.address), left.eq(request.words)]
                with m.If(self.start & (request.words != 0)):
                    m.next = "ask"
            with m.State("ask"):
                m.d.comb += self.o_address.valid.eq(~cycles)
                with m.If(cycles | self.o_address.ready):
                    m.next = "wait"
            with m.State("wait"):
                m.d.sync += byte.eq(Mux(cycles, CYCLES_BYTES, config.word_bytes) - 1)
                m.d.comb += self.i_word.ready.eq(~cycles)
                m.d.sync += word.eq(Mux(cycles, self.layer_cycles, self.i_word.payload))
                with m.If(cycles | self.i_word.valid):
                    m.next = "bytes"
            with m.State("bytes"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [word.eq(word >> 8), byte.eq(byte - 1)]
                    with m.If(byte == 0):
                        m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
                        m.next = "ask"
                        with m.If(left == 1):
                            m.next = "idle"
        return m
