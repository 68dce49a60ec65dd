# SPDX-License-Identifier: Apache-2.0
"""Front end for RISC-V custom instructions: a CFU, as of CFU-Playground and VexRiscv."""

import enum
from typing import Any, ClassVar

from amaranth.hdl import ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.style import clock_domain

from .accelerator import ListedAccelerator
from .device import ListedDevice
from .engine import ListedEngine
from .stream import StreamPorts


class CFUFunction(enum.IntEnum):
    """Lowest three bits of the function's number (`funct3` of the instruction)."""

    READ = 0
    """The register with number `inputs_0`; 0 where there is none."""
    WRITE = 1
    """`inputs_1` into the register with number `inputs_0`; answers 0, or 1 when it cannot be written."""
    PUSH = 2
    """A beat of a list: `inputs_0`; with bit 0 of `inputs_1` the last one. Answers 1, or 0 when there is no room."""
    POP = 3
    """A beat of results, or 0 when there is none: `READY` says."""
    READY = 4
    """Bit 0: a beat of a list would be taken. Bit 1: there is a beat of results. Bits 2 to 5: which bytes count."""


class CFUFrontEnd(wiring.Component):
    """A device as a CFU; a subclass says which one. No function waits for the device: a processor never hangs in one.

    Parameters
    ----------
    config : AccelConfig or EngineConfig
        With a `data_width` of 32.

    Members
    -------
    clk, reset : In(1)
    cmd_valid, cmd_ready, cmd_payload_function_id, cmd_payload_inputs_0, cmd_payload_inputs_1
        A command; `CFUFunction`.
    rsp_valid, rsp_ready, rsp_payload_outputs_0
        Its answer.
    irq : Out(1)
    pins : Out(SdramPins)
        Of an engine with an SDRAM.

    Latency
    -------
    READ answers three cycles after its command, the others one.
    """

    block = "link"
    held: ClassVar[type[ListedDevice]]

    def __init__(self, config: Any):
        self.config = config
        super().__init__(
            {
                "clk": In(1),
                "reset": In(1),
                "cmd_valid": In(1),
                "cmd_ready": Out(1),
                "cmd_payload_function_id": In(10),
                "cmd_payload_inputs_0": In(32),
                "cmd_payload_inputs_1": In(32),
                "rsp_valid": Out(1),
                "rsp_ready": In(1),
                "rsp_payload_outputs_0": Out(32),
                "irq": Out(1),
                **self.held.pins_of(config),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = clock_domain(platform)
        m.submodules.streams = streams = StreamPorts(self.held, self.config)
        if hasattr(streams, "pins"):
            connect(m, streams.pins, flipped(self.pins))
        port, number, answer = streams.registers, Signal(10), Signal(32)
        first, second = self.cmd_payload_inputs_0, self.cmd_payload_inputs_1
        # No register has the last number: those that are wider than a number become it.
        asked = Mux(first[len(number) :].any(), -1, first)
        m.d.comb += [
            ClockSignal().eq(self.clk),
            ResetSignal().eq(self.reset),
            self.irq.eq(streams.irq),
            port.number.eq(number),
            port.data.eq(second),
            streams.i_data.eq(first),
            streams.i_last.eq(second[0]),
            self.rsp_payload_outputs_0.eq(answer),
        ]
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.comb += port.number.eq(asked)
                m.d.sync += number.eq(asked)
                m.d.comb += self.cmd_ready.eq(1)
                with m.If(self.cmd_valid):
                    m.next = "answer"
                    with m.Switch(self.cmd_payload_function_id[:3]):
                        with m.Case(CFUFunction.READ):
                            m.next = "look"
                        with m.Case(CFUFunction.WRITE):
                            m.d.comb += port.write.eq(port.writable)
                            m.d.sync += answer.eq(~port.writable)
                        with m.Case(CFUFunction.PUSH):
                            m.d.comb += streams.i_valid.eq(1)
                            m.d.sync += answer.eq(streams.i_ready)
                        with m.Case(CFUFunction.POP):
                            m.d.comb += streams.o_ready.eq(1)
                            m.d.sync += answer.eq(0)
                            with m.If(streams.o_valid):
                                m.d.sync += answer.eq(streams.o_data)
                        with m.Case(CFUFunction.READY):
                            m.d.sync += answer.eq(streams.i_ready | streams.o_valid << 1 | streams.o_keep << 2)
                        with m.Default():
                            m.d.sync += answer.eq(0)
            with m.State("look"):
                m.next = "value"
            with m.State("value"):
                m.d.sync += answer.eq(Mux(port.known, port.value, 0))
                m.next = "answer"
            with m.State("answer"):
                m.d.comb += self.rsp_valid.eq(1)
                with m.If(self.rsp_ready):
                    m.next = "idle"
        return m


class CFUAccelerator(CFUFrontEnd):
    """The accelerator as a CFU; configured by an `AccelConfig`."""

    held = ListedAccelerator
    parts = {"streams": StreamPorts}


class CFUEngine(CFUFrontEnd):
    """The engine as a CFU; configured by an `EngineConfig`."""

    held = ListedEngine
    parts = {"streams": StreamPorts}
