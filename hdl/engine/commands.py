# SPDX-License-Identifier: Apache-2.0
"""The requests of an engine: its program and inputs in, runs, results out."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In

from sysmt.hdl.accel.ports import layout
from sysmt.hdl.accel.requests import RequestServer
from sysmt.hdl.params.command_list import written_words
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import ARGUMENTS
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.protocol import Status

ARGUMENT_LAYOUTS = {command: layout(record) for command, record in ARGUMENTS.items()}


class EngineCommands(RequestServer):
    """The requests of `sysmt.hdl.params.engine_protocol`.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    failed : In(1)
        The last run failed: no other is taken, and nothing is read.

    The others as of `RequestServer`; the memories are those of `Memory`.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(ARGUMENT_LAYOUTS, written_words(config), {"failed": In(1)})

    def _legality(self, m: Module, runs: data.View) -> Value:
        return ~self.failed

    def _check_write(
        self,
        m: Module,
        writes: data.View,
        ahead: Signal,
        repeated: Value,
        unfinished: Signal,
        no_target: Value,
        status: Signal,
    ) -> None:
        to_program = (writes.target != Memory.ACTIVATIONS) & ~repeated
        with m.If(to_program & ((unfinished != 0) | (ahead != 1))):
            m.d.sync += status.eq(Status.REFUSED)
            m.next = "drain"
        with m.Else():
            super()._check_write(m, writes, ahead, repeated, unfinished, no_target, status)

    def _refuses_read(self, behind: Signal) -> Value:
        return behind[-1] | self.failed
