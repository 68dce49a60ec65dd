# SPDX-License-Identifier: Apache-2.0
"""The accelerator: link, commands, buffers, controller and array; and the same behind a UART."""

from typing import Any, ClassVar

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.params.accel import AccelConfig

from .buffers import Buffer
from .commands import Commands
from .controller import Controller
from .core import place
from .link import FrameReceiver, FrameTransmitter, Packet
from .reader import ResultReader
from .registers import Registers
from .uart import UARTReceiver, UARTTransmitter


class Accelerator(wiring.Component):
    """An array that a host uses over a byte stream, whatever carries it (`sysmt.hdl.params.protocol`).

        i -> FrameReceiver -> Commands -> x, w, table -> Controller -> array -> results -> ResultReader -> Commands
                                                                                  -> FrameTransmitter -> o

    Parameters
    ----------
    config : AccelConfig

    Members
    -------
    i : In(stream of 8 bits)
        From the host; always ready.
    o : Out(stream of 8 bits)
        To the host.
    bad_byte : In(1)
        The transport dropped a byte: counted.
    busy, error : Out(1)
        Something runs; a frame or byte was dropped, or a tile refused, since reset.
    """

    block = "control"
    parts = {
        "receiver": FrameReceiver,
        "transmitter": FrameTransmitter,
        "commands": Commands,
        "controller": Controller,
        "reader": ResultReader,
        "registers": Registers,
        **dict.fromkeys(("responses", "bytes_out", "bytes_read"), "link"),
        **dict.fromkeys(("x", "w", "results", "table"), Buffer),
        **dict.fromkeys(("x_addresses", "w_addresses", "tiles"), "buffers"),
    }

    def __init__(self, config: AccelConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "bad_byte": In(1),
                "busy": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.receiver = receiver = FrameReceiver(config.slot, config.slots)
        m.submodules.transmitter = transmitter = FrameTransmitter()
        m.submodules.commands = commands = Commands(config)
        m.submodules.responses = responses = SkidBuffer(Packet)
        m.submodules.bytes_out = bytes_out = SkidBuffer(8)
        m.submodules.bytes_read = bytes_read = SkidBuffer(8)
        m.submodules.controller = controller = Controller(config)
        m.submodules.reader = reader = ResultReader(config)
        m.submodules.registers = registers = Registers(config)
        core = place(m, config, controller, platform)

        connect(m, wiring.flipped(self.i), receiver.i)
        connect(m, receiver.o, commands.i)
        connect(m, commands.o, responses.i)
        connect(m, responses.o, transmitter.i)
        connect(m, transmitter.o, bytes_out.i)
        connect(m, bytes_out.o, wiring.flipped(self.o))
        connect(m, commands.o_run, controller.i_run)
        core.connect(m)
        connect(m, reader.o_row, core.results.i)
        connect(m, core.results.o, reader.i_row)
        connect(m, reader.o, bytes_read.i)
        connect(m, bytes_read.o, commands.i_bytes)
        core.drive(m)
        m.d.comb += [
            commands.issued.eq(controller.issued),
            commands.finished.eq(controller.finished),
            commands.value.eq(registers.value),
            commands.size.eq(reader.size),
            commands.illegal.eq(reader.illegal),
            reader.available.eq(controller.produced[commands.read.run[0]]),
            reader.start.eq(commands.start),
            reader.arguments.eq(commands.read),
        ]
        if config.requantize:
            table = core.add_table(m)
            connect(m, reader.o_channel, table.i)
            connect(m, table.o, reader.i_channel)
        for target, memory in core.written.items():
            places = (memory.depth // 2 - 1).bit_length()
            m.d.comb += [
                memory.write.eq(commands.write[target]),
                memory.address.eq(commands.address[:places] | (commands.half << places)),
                memory.data.eq(commands.word[-memory.width :]),
            ]
        self._status(m, receiver, commands, controller, reader, registers, core.array)
        return m

    def _status(self, m: Module, receiver, commands, controller, reader, registers, array) -> None:
        m.d.comb += [
            self.busy.eq(controller.issued != controller.finished),
            registers.number.eq(commands.number),
            registers.issued.eq(controller.issued),
            registers.finished.eq(controller.finished),
            registers.busy.eq(self.busy),
            registers.refused.eq(array.refused),
            registers.dropped.eq(receiver.dropped),
            registers.bad_bytes.eq(self.bad_byte),
            registers.figures.eq(controller.figures),
        ]
        if self.config.requantize:
            m.d.comb += registers.overflow.eq(reader.overflow)
        if self.config.array.counters:
            m.d.comb += registers.counters.eq(array.counters)
        with m.If(receiver.dropped | self.bad_byte | array.refused):
            m.d.sync += self.error.eq(1)


class BehindUART(wiring.Component):
    """What a board holds: a component of byte streams behind a UART.

    A subclass says which one, by `held`: its name and class, with the members `i`, `o`, `bad_byte`, `busy` and `error`
    of `Accelerator`. It may have others (`ports`), which are the held component's too.

    Parameters
    ----------
    config : Config
        Of what is held; with `divisor`.

    Members
    -------
    rx, tx : In(1), Out(1)
    busy, error : Out(1)
        For two LEDs.
    """

    block = "link"
    held: ClassVar[tuple[str, type[wiring.Component]]]

    def __init__(self, config: Any):
        self.config = config
        own = {"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1), "error": Out(1)}
        super().__init__(own | self.ports(config))

    @staticmethod
    def ports(config: Any) -> dict[str, wiring.Member]:
        """Members of what is held that go through to the outside."""
        return {}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UARTReceiver(self.config.divisor)
        m.submodules.transmitter = transmitter = UARTTransmitter(self.config.divisor)
        name, kind = self.held
        m.submodules[name] = held = kind(self.config)
        connect(m, receiver.o, held.i)
        connect(m, held.o, transmitter.i)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            held.bad_byte.eq(receiver.error),
            self.tx.eq(transmitter.tx),
            self.busy.eq(held.busy),
            self.error.eq(held.error),
        ]
        for port in self.ports(self.config):
            connect(m, getattr(held, port), wiring.flipped(getattr(self, port)))
        return m


class UARTAccelerator(BehindUART):
    """The accelerator behind a UART; configured by an `AccelConfig`."""

    held = ("accelerator", Accelerator)
    parts = {"receiver": UARTReceiver, "transmitter": UARTTransmitter, "accelerator": Accelerator}
