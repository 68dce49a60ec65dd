# SPDX-License-Identifier: Apache-2.0
"""An accelerator that does command lists."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import connect

from sysmt.hdl.accel.commands import fits_array
from sysmt.hdl.accel.controller import Controller
from sysmt.hdl.accel.core import place
from sysmt.hdl.accel.registers import Registers
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import ListOpcode

from .device import ListedDevice
from .executor import Executor
from .registers import ListRegisters
from .rows import RowSender
from .sender import RUN_BITS


class ListedAccelerator(ListedDevice):
    """An accelerator that does command lists; configured by an `AccelConfig`. Members as of `ListedDevice`."""

    parts = {
        "executor": Executor,
        "list_registers": ListRegisters,
        "sender": RowSender,
        "controller": Controller,
        "device_registers": Registers,
    }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config: AccelConfig = self.config
        sender = RowSender(config)
        executor, listed = self._lists(m, sender)
        m.submodules.controller = controller = Controller(config)
        m.submodules.device_registers = registers = Registers(config)
        core = place(m, config, controller, platform)
        core.connect(m)
        core.drive(m)
        connect(m, sender.o_row, core.results.i)
        connect(m, core.results.o, sender.i_row)
        if config.requantize:
            table = core.add_table(m)
            connect(m, sender.o_channel, table.i)
            connect(m, table.o, sender.i_channel)
            m.d.comb += registers.overflow.eq(sender.overflow)
        m.d.comb += [
            registers.number.eq(listed.number),
            listed.value.eq(registers.value),
            registers.issued.eq(controller.issued),
            registers.finished.eq(controller.finished),
            registers.busy.eq(controller.issued != controller.finished),
            registers.refused.eq(core.array.refused),
            registers.figures.eq(controller.figures),
        ]
        if config.array.counters:
            m.d.comb += registers.counters.eq(core.array.counters)
        self._order(m, executor, sender, controller, core.array.refused)
        half = ~controller.issued[0]
        out = executor.o_write
        m.d.comb += out.ready.eq(1)
        for target, memory in core.written.items():
            places = (memory.depth // 2 - 1).bit_length()
            m.d.comb += [
                memory.write.eq(out.valid & (out.payload.memory == target)),
                memory.address.eq(out.payload.address[:places] | (half << places)),
                memory.data.eq(out.payload.word),
            ]
        return m

    def _order(self, m: Module, executor: Executor, sender: RowSender, controller: Controller, refused: Any) -> None:
        """When a command can be done, and whether at all."""
        config: AccelConfig = self.config
        run, read = self._command(executor, ListOpcode.RUN), self._command(executor, ListOpcode.READ)
        fits, readable = fits_array(m, config, run), Signal()
        counts = (read.m_tiles, read.n_tiles, read.rows, read.cols)
        low = (config.data_width // 8 - 1).bit_length()
        unfinished = (controller.issued - controller.finished)[:RUN_BITS]
        last = controller.issued[:RUN_BITS]
        # Results of the run before the last one would be written over: they, and no older ones, may still be read.
        held = ~sender.idle & ~(sender.active & (sender.run == last))
        opcode = executor.command[:8]
        arguments = ["steps", "m_tiles", "n_tiles", "rows", "cols", "threads"]
        if config.array.pe.zero_width:
            arguments.append("zero")
        checks = [count != 0 for count in counts]
        checks += [read.rows <= config.array.rows, read.cols <= config.array.cols, read.pitch[:low] == 0]
        if not config.requantize:
            checks.append(~read.requantize)
        m.d.sync += readable.eq(Cat(checks).all())
        m.d.comb += [
            executor.legal.eq(Mux(opcode == ListOpcode.RUN, fits, readable)),
            executor.run_failed.eq(refused),
            executor.quiet.eq(sender.idle & (unfinished == 0)),
            executor.ready.eq(1),
            sender.i.payload.run.eq(last),
            sender.finished.eq(controller.finished),
            sender.available.eq(controller.produced[sender.run[0]]),
            controller.i_run.valid.eq(executor.o_run.valid),
            executor.o_run.ready.eq(controller.i_run.ready),
            controller.i_run.payload.run.eq(controller.issued + 1),
            *(controller.i_run.payload[name].eq(run[name]) for name in arguments),
        ]
        with m.If(opcode == ListOpcode.WRITE):
            m.d.comb += executor.ready.eq(unfinished <= 1)
        with m.If(opcode == ListOpcode.RUN):
            m.d.comb += executor.ready.eq(~held)
