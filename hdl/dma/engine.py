# SPDX-License-Identifier: Apache-2.0
"""An engine that does command lists."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import connect, flipped

from sysmt.hdl.engine.engine import Engine
from sysmt.hdl.engine.ports import sdram_pins
from sysmt.hdl.engine.registers import EngineRegisters
from sysmt.hdl.params.command_list import ListOpcode
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import EngineError, Memory
from sysmt.hdl.params.protocol import RUN_WIDTH

from .device import ListedDevice
from .executor import Executor
from .registers import ListRegisters
from .sender import RUN_BITS
from .words import WordSender


class ListedEngine(ListedDevice):
    """An engine that does command lists.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    As of `ListedDevice`, and
    pins : Out(SdramPins)
        Of the SDRAM, when it has one.
    """

    parts = {
        "executor": Executor,
        "list_registers": ListRegisters,
        "sender": WordSender,
        "device_registers": EngineRegisters,
        "engine": Engine,
    }

    @staticmethod
    def pins_of(config: EngineConfig) -> dict[str, Any]:
        return dict(sdram_pins(config))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config: EngineConfig = self.config
        sender = WordSender(config)
        executor, listed = self._lists(m, sender)
        m.submodules.device_registers = registers = EngineRegisters(config)
        m.submodules.engine = engine = Engine(config)
        if config.stream is not None:
            connect(m, engine.pins, flipped(self.pins))
        connect(m, sender.o_address, engine.i_read)
        connect(m, engine.o_read, sender.i_word)
        word, out = engine.i_write, executor.o_write
        m.d.comb += [
            registers.number.eq(listed.number),
            listed.value.eq(registers.value),
            engine.layer.eq(listed.layer),
            listed.layer_cycles.eq(engine.layer_cycles),
            registers.error.eq(engine.error),
            registers.layer.eq(engine.number),
            registers.cycles.eq(engine.cycles),
            word.valid.eq(out.valid),
            out.ready.eq(word.ready),
            *(word.payload[name].eq(out.payload[name]) for name in ("memory", "address", "word")),
            engine.clear.eq(out.valid & out.ready & (out.payload.memory != Memory.ACTIVATIONS)),
        ]
        self._order(m, executor, sender, engine, registers)
        return m

    def _order(
        self, m: Module, executor: Executor, sender: WordSender, engine: Engine, registers: EngineRegisters
    ) -> None:
        """When a command can be done: of the runs one is under way and one waits; both are over when one fails."""
        write, run = self._command(executor, ListOpcode.WRITE), self._command(executor, ListOpcode.RUN)
        read = self._command(executor, ListOpcode.READ)
        issued, finished, last_half = Signal(RUN_WIDTH), Signal(RUN_WIDTH), Signal()
        queued, failed, unfinished = Signal(), Signal(), Signal(RUN_BITS)
        opcode = executor.command[:8]
        # What reads or writes the half that a command is for: READs that are not done, runs that are not finished.
        is_last = write.half == last_half  # RUN has its half at the same place.
        unread, at_work = Signal(), Signal()
        program = write.target != Memory.ACTIVATIONS
        m.d.comb += [
            unfinished.eq(issued - finished),
            failed.eq(engine.error != EngineError.NONE),
            unread.eq(~sender.idle & ~(sender.active & (sender.run == issued[:RUN_BITS]) & ~is_last)),
            at_work.eq((unfinished != 0) & ~((unfinished == 1) & ~is_last)),
            executor.legal.eq((opcode == ListOpcode.RUN) | (read.beats != 0)),
            executor.run_failed.eq(failed),
            executor.quiet.eq(sender.idle & (unfinished == 0)),
            executor.ready.eq(1),
            executor.o_run.ready.eq(~queued & (unfinished <= 1) & ~unread),
            sender.i.payload.run.eq(issued),
            sender.finished.eq(finished),
            registers.issued.eq(issued),
            registers.finished.eq(finished),
            registers.busy.eq(unfinished != 0),
            engine.i_run.valid.eq(queued),
            engine.i_run.payload.eq(last_half),
        ]
        with m.If(opcode == ListOpcode.WRITE):
            m.d.comb += executor.ready.eq(~unread & ~at_work)
            with m.If(program):
                m.d.comb += executor.ready.eq(sender.idle & (unfinished == 0))
        taken = engine.i_run.valid & engine.i_run.ready
        dropped = queued & failed & ~engine.busy
        with m.If(taken | dropped):
            m.d.sync += queued.eq(0)
        with m.If(executor.o_run.valid & executor.o_run.ready):
            m.d.sync += [queued.eq(1), issued.eq(issued + 1), last_half.eq(run.half)]
        with m.If(engine.finished | dropped):
            m.d.sync += finished.eq(finished + 1)
