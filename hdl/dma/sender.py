# SPDX-License-Identifier: Apache-2.0
"""Sends results away: READ commands, one at a time, one more waiting."""

from abc import abstractmethod
from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.accel.ports import layout
from sysmt.hdl.bus.ports import Burst, write_beat
from sysmt.hdl.params.command_list import COMMAND_WIDTH, ListOpcode, commands_of

from .executor import NUMBER_WIDTH

RUN_BITS = 2
"""Bits of a run's number that tell the few runs apart that can be about."""

Order = data.StructLayout(
    {"command": unsigned(COMMAND_WIDTH), "number": unsigned(NUMBER_WIDTH), "run": unsigned(RUN_BITS)}
)
"""A READ, its place in the list, and the run whose results it reads."""


class Sender(wiring.Component):
    """What the senders of accelerator and engine have in common.

    A subclass adds ports, and the states from "begin" on, which end in "settle" (`_states`).

    Parameters
    ----------
    config : AccelConfig or EngineConfig
    ports : dict
        Members of the subclass.

    Members
    -------
    i : In(stream of Order)
    finished : In(2)
        The last run that is finished.
    o_request, o_beats : Out(stream of Burst), Out(stream of write_beat)
    written : In(1)
        All that was sent is written.
    active, run, number : Out(1), Out(2), Out(32)
        A READ is under way, or waits for its run; of which run; its place in the list.
    idle : Out(1)
        None is, and none waits behind it.
    completed, refused : Out(1)
        High for one cycle: one is done; or cannot be done, since it asks for what no memory has.
    """

    block = "link"

    def __init__(self, config: Any, ports: dict[str, Any]):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(Order)),
                "finished": In(RUN_BITS),
                "o_request": Out(stream.Signature(Burst)),
                "o_beats": Out(stream.Signature(write_beat(config.data_width))),
                "written": In(1),
                "active": Out(1),
                "run": Out(RUN_BITS),
                "number": Out(NUMBER_WIDTH),
                "idle": Out(1),
                "completed": Out(1),
                "refused": Out(1),
            }
            | ports
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        waiting, waits, order = Signal(Order), Signal(), Signal(Order)
        shape = layout(commands_of(self.config)[ListOpcode.READ])
        command = data.View(shape, order.command[: shape.size])
        m.d.comb += [
            self.i.ready.eq(~waits),
            self.idle.eq(~waits & ~self.active),
            self.run.eq(order.run),
            self.number.eq(order.number),
            self.active.eq(1),
        ]
        with m.If(self.i.valid & ~waits):
            m.d.sync += [waiting.eq(self.i.payload), waits.eq(1)]
        ahead = Signal(RUN_BITS)
        m.d.comb += ahead.eq(order.run - self.finished)
        self._datapath(m, command)
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.comb += self.active.eq(0)
                with m.If(waits):
                    m.d.sync += [order.eq(waiting), waits.eq(0)]
                    m.next = "wait"
            with m.State("wait"), m.If((ahead == 0) | ahead.all()):
                m.next = "begin"
            self._states(m, command)
            with m.State("settle"), m.If(self.written & ~self.o_request.valid):
                m.d.comb += self.completed.eq(1)
                m.next = "idle"
        return m

    @abstractmethod
    def _datapath(self, m: Module, command: data.View) -> None:
        """What lies outside the state machine."""

    @abstractmethod
    def _states(self, m: Module, command: data.View) -> None:
        """States from "begin" on, where `command` is one whose run is finished, to "settle"."""
