# SPDX-License-Identifier: Apache-2.0
"""The engine behind a host link, and the same behind a UART: what a board holds."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from sysmt.hdl.accel.link import FrameReceiver, FrameTransmitter, Packet
from sysmt.hdl.accel.top import BehindUART
from sysmt.hdl.accel.uart import UARTReceiver, UARTTransmitter
from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import EngineError, Memory

from .commands import EngineCommands
from .engine import Engine
from .ports import sdram_pins
from .reader import HostReader
from .registers import EngineRegisters


class LinkedEngine(wiring.Component):
    """An engine that a host uses over a byte stream (`sysmt.hdl.params.engine_protocol`).

    While one run is under way another one can wait. When a run fails, the one that waits is over too.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    i : In(stream of 8 bits)
        From the host; always ready.
    o : Out(stream of 8 bits)
        To the host.
    bad_byte : In(1)
        The transport dropped a byte: counted.
    busy, error : Out(1)
        A run is unfinished; the last run failed, or a frame or byte was dropped since reset.
    pins : Out(SdramPins)
        Of the SDRAM, when it has one.
    """

    block = "control"
    parts = {
        "receiver": FrameReceiver,
        "transmitter": FrameTransmitter,
        "commands": EngineCommands,
        "registers": EngineRegisters,
        "reader": HostReader,
        "engine": Engine,
        **dict.fromkeys(("responses", "bytes_out", "bytes_read"), "link"),
    }

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "bad_byte": In(1),
                "busy": Out(1),
                "error": Out(1),
            }
            | sdram_pins(config)
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.receiver = receiver = FrameReceiver(config.slot, config.slots)
        m.submodules.transmitter = transmitter = FrameTransmitter()
        m.submodules.commands = commands = EngineCommands(config)
        m.submodules.responses = responses = SkidBuffer(Packet)
        m.submodules.bytes_out = bytes_out = SkidBuffer(8)
        m.submodules.bytes_read = bytes_read = SkidBuffer(8)
        m.submodules.registers = registers = EngineRegisters(config)
        m.submodules.reader = reader = HostReader(config)
        m.submodules.engine = engine = Engine(config)
        # A word of the host is under way.
        self._writing = Signal()
        connect(m, wiring.flipped(self.i), receiver.i)
        self._requests(m, receiver, commands, engine)
        connect(m, commands.o, responses.i)
        connect(m, responses.o, transmitter.i)
        connect(m, transmitter.o, bytes_out.i)
        connect(m, bytes_out.o, wiring.flipped(self.o))
        connect(m, reader.o, bytes_read.i)
        connect(m, bytes_read.o, commands.i_bytes)
        connect(m, reader.o_address, engine.i_read)
        connect(m, engine.o_read, reader.i_word)
        dropped = Signal()
        m.d.comb += [
            commands.value.eq(registers.value),
            commands.size.eq(reader.size),
            commands.illegal.eq(reader.illegal),
            commands.failed.eq(engine.error != EngineError.NONE),
            reader.start.eq(commands.start),
            reader.arguments.eq(commands.read),
            reader.layer_cycles.eq(engine.layer_cycles),
            engine.layer.eq(reader.layer),
            registers.number.eq(commands.number),
            registers.busy.eq(self.busy),
            registers.error.eq(engine.error),
            registers.layer.eq(engine.number),
            registers.cycles.eq(engine.cycles),
            registers.dropped.eq(receiver.dropped),
            registers.bad_bytes.eq(self.bad_byte),
            self.error.eq(dropped | commands.failed),
        ]
        with m.If(receiver.dropped | self.bad_byte):
            m.d.sync += dropped.eq(1)
        self._write(m, commands, engine)
        self._run(m, commands, engine, registers)
        return m

    def _requests(self, m: Module, receiver: FrameReceiver, commands: EngineCommands, engine: Engine) -> None:
        """Requests come byte by byte. An SDRAM may take longer for a word than its bytes do: they wait meanwhile."""
        if self.config.stream is None:
            connect(m, receiver.o, commands.i)
            return
        connect(m, engine.pins, wiring.flipped(self.pins))
        room = ~(commands.write.any() | self._writing)
        m.d.comb += [
            commands.i.valid.eq(receiver.o.valid & room),
            commands.i.payload.eq(receiver.o.payload),
            receiver.o.ready.eq(commands.i.ready & room),
        ]

    def _write(self, m: Module, commands: EngineCommands, engine: Engine) -> None:
        """Words of the host wait for the engine in a queue; one comes every few bytes, so that there is always room.

        Whether a word is written is known late: it goes through registers first.
        """
        config = self.config
        word = engine.i_write.payload
        written, address, host_word = (Signal.like(each) for each in (commands.write, commands.address, commands.word))
        # Of its own, since what is written has many sinks and decides when a run begins.
        comes = commands.write.any()
        begun, clears = Signal(), Signal()
        m.d.sync += [written.eq(commands.write), address.eq(commands.address), host_word.eq(commands.word)]
        m.d.sync += [begun.eq(comes), clears.eq(comes & ~commands.write[Memory.ACTIVATIONS])]
        with m.If(engine.i_write.ready):
            m.d.sync += engine.i_write.valid.eq(0)
        with m.If(begun):
            m.d.sync += [engine.i_write.valid.eq(1), word.address.eq(address)]
        for memory, size in zip(config.host_memories, config.host_bytes.values(), strict=True):
            with m.If(written[memory]):
                m.d.sync += [word.memory.eq(memory), word.word.eq(host_word[-8 * size :])]
        m.d.comb += [
            engine.clear.eq(clears),
            self._writing.eq(begun | engine.i_write.valid),
        ]

    def _run(self, m: Module, commands: EngineCommands, engine: Engine, registers: EngineRegisters) -> None:
        """One run under way, and one that waits."""
        issued, finished = Signal.like(commands.issued), Signal.like(commands.finished)
        queued, half = Signal(), Signal()
        failed = commands.failed
        m.d.comb += [
            commands.issued.eq(issued),
            commands.finished.eq(finished),
            registers.issued.eq(issued),
            registers.finished.eq(finished),
            self.busy.eq(issued != finished),
            commands.o_run.ready.eq(~queued),
            engine.i_run.valid.eq(queued & ~self._writing),
            engine.i_run.payload.eq(half),
        ]
        taken = engine.i_run.valid & engine.i_run.ready
        dropped = queued & failed & ~engine.busy
        with m.If(taken | dropped):
            m.d.sync += queued.eq(0)
        with m.If(commands.o_run.valid & commands.o_run.ready):
            m.d.sync += [queued.eq(1), half.eq(commands.o_run.payload.run[0]), issued.eq(commands.o_run.payload.run)]
        with m.If(engine.finished | dropped):
            m.d.sync += finished.eq(finished + 1)


class UARTEngine(BehindUART):
    """The engine behind a UART; configured by an `EngineConfig`."""

    held = ("linked", LinkedEngine)
    parts = {"receiver": UARTReceiver, "transmitter": UARTTransmitter, "linked": LinkedEngine}

    @staticmethod
    def ports(config: EngineConfig) -> dict[str, wiring.Member]:
        """The pins of the SDRAM, when there is one."""
        return sdram_pins(config)
