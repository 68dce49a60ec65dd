# SPDX-License-Identifier: Apache-2.0
"""What an accelerator and an engine that do command lists have in common, whatever the bus."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.accel.ports import layout
from sysmt.hdl.bus.ports import Burst, RegisterPort, read_beat, write_beat
from sysmt.hdl.params.command_list import ListError, ListOpcode, commands_of, written_words

from .executor import Executor
from .registers import ListRegisters
from .sender import Sender


class ListedDevice(wiring.Component):
    """What both have in common: executor, registers, the sender of results, and when a command may be done.

    Parameters
    ----------
    config : AccelConfig or EngineConfig
        With a `link` that has command lists.

    Members
    -------
    registers : In(RegisterPort)
    o_read, i_read : Out(stream of Burst), In(stream of read_beat)
        Lists and data, fetched.
    o_write, o_beats : Out(stream of Burst), Out(stream of write_beat)
        Results, sent.
    written, refused : In(1), In(1)
        All that was sent is written; high for one cycle: the bus refused a write.
    list_failed : Out(1)
        High for one cycle: a list ended before its end.
    irq : Out(1)
    """

    block = "control"

    def __init__(self, config: Any):
        self.config = config
        super().__init__(self.shared_members(config) | self.pins_of(config))

    @staticmethod
    def shared_members(config: Any) -> dict[str, Any]:
        """The members of accelerator and engine alike."""
        width = config.data_width
        return {
            "registers": In(RegisterPort()),
            "o_read": Out(stream.Signature(Burst)),
            "i_read": In(stream.Signature(read_beat(width))),
            "o_write": Out(stream.Signature(Burst)),
            "o_beats": Out(stream.Signature(write_beat(width))),
            "written": In(1),
            "refused": In(1),
            "list_failed": Out(1),
            "irq": Out(1),
        }

    @staticmethod
    def pins_of(config: Any) -> dict[str, Any]:
        """Members besides these, which the front end has, too."""
        return {}

    def _lists(self, m: Module, sender: Sender) -> tuple[Executor, ListRegisters]:
        """Executor, registers and sender, joined with one another and the bus."""
        config = self.config
        m.submodules.executor = executor = Executor(config.data_width, written_words(config), commands_of(config))
        m.submodules.list_registers = registers = ListRegisters(config)
        m.submodules.sender = sender
        connect(m, flipped(self.registers), registers.port)
        connect(m, executor.o_request, flipped(self.o_read))
        connect(m, flipped(self.i_read), executor.i_beats)
        connect(m, sender.o_request, flipped(self.o_write))
        connect(m, sender.o_beats, flipped(self.o_beats))
        trouble, failed_number = Signal(ListError), Signal(32)
        m.d.comb += [
            executor.start.eq(registers.start),
            executor.list_address.eq(registers.list_address),
            executor.list_commands.eq(registers.list_commands),
            executor.trouble.eq(trouble),
            registers.busy.eq(executor.busy),
            registers.done.eq(executor.done),
            registers.failed.eq(executor.failed),
            registers.error.eq(executor.error),
            registers.left.eq(executor.left),
            registers.failed_number.eq(failed_number),
            sender.i.valid.eq(executor.o_read.valid),
            executor.o_read.ready.eq(sender.i.ready),
            sender.i.payload.command.eq(executor.command),
            sender.i.payload.number.eq(executor.number),
            sender.written.eq(self.written),
            self.irq.eq(registers.irq),
            self.list_failed.eq(executor.failed),
        ]
        # The first thing that goes wrong in a list is what is told: what a READ before it meets later is not.
        told, unmet = executor.error != ListError.NONE, trouble == ListError.NONE
        with m.If(executor.start):
            m.d.sync += trouble.eq(ListError.NONE)
        with m.Elif(unmet & ~told & (self.refused | sender.refused)):
            m.d.sync += [
                trouble.eq(Mux(self.refused, ListError.BUS_WRITE, ListError.ARGUMENT)),
                failed_number.eq(sender.number),
            ]
        with m.Elif(unmet | (told & (executor.error != trouble))):
            m.d.sync += failed_number.eq(executor.number)
        m.d.sync += registers.reads.eq(registers.reads + sender.completed)
        return executor, registers

    def _command(self, executor: Executor, opcode: ListOpcode) -> data.View:
        shape = layout(commands_of(self.config)[opcode])
        return data.View(shape, executor.command[: shape.size])
