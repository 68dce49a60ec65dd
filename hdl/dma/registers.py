# SPDX-License-Identifier: Apache-2.0
"""The registers of a link with command lists, before which lie those of the device."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.bus.ports import ADDRESS_WIDTH, RegisterPort
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import (
    FIRST_LINK_REGISTER,
    LINK_REGISTERS,
    ListError,
    bus_word,
    link_registers,
    number_of,
)
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import registers_of
from sysmt.hdl.params.registers import registers

from .executor import NUMBER_WIDTH


class ListRegisters(wiring.Component):
    """Registers as `sysmt.hdl.params.command_list` names them, and the interrupt.

    Parameters
    ----------
    config : AccelConfig or EngineConfig

    Members
    -------
    port : In(RegisterPort)
    number, value : Out(8), In(32)
        A register of the device; its value one cycle after its number.
    start, list_address, list_commands : Out(1), Out(32), Out(32)
        A list begins.
    busy, done, failed, error, left, reads, failed_number
        As the register `list` and those beside it say; `done` and `failed` are high for one cycle.
    layer, layer_cycles : Out(16), In(32)
        Of an engine.
    irq : Out(1)
    """

    block = "host registers"

    def __init__(self, config: AccelConfig | EngineConfig):
        self.config = config
        engine = {"layer": Out(16), "layer_cycles": In(32)} if isinstance(config, EngineConfig) else {}
        super().__init__(
            {
                "port": In(RegisterPort()),
                "number": Out(8),
                "value": In(32),
                "start": Out(1),
                "list_address": Out(ADDRESS_WIDTH),
                "list_commands": Out(NUMBER_WIDTH),
                "busy": In(1),
                "done": In(1),
                "failed": In(1),
                "error": In(ListError),
                "left": In(NUMBER_WIDTH),
                "failed_number": In(NUMBER_WIDTH),
                "reads": In(16),
                "irq": Out(1),
            }
            | engine
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, port = self.config, self.port
        device = registers_of(config) if isinstance(config, EngineConfig) else registers(config.array.pe)
        pending, enable = Signal(2), Signal(2)
        written = {name: port.write & (port.number == number_of(name)) for name in LINK_REGISTERS}
        m.d.comb += [
            self.number.eq(port.number),
            self.irq.eq((pending & enable).any()),
            self.list_commands.eq(port.data),
            self.start.eq(written["list_commands"] & (port.data != 0)),
        ]
        with m.If(written["list_address"]):
            m.d.sync += self.list_address.eq(port.data)
        with m.If(written["interrupt_enable"]):
            m.d.sync += enable.eq(port.data)
        cleared = Mux(written["interrupt"], port.data[:2], 0)
        m.d.sync += pending.eq((pending & ~cleared) | Cat(self.done, self.failed))
        error = Signal(LINK_REGISTERS["list"].record.fields["error"].width)
        m.d.comb += error.eq(self.error)
        words: dict[str, Value] = {
            "bus": C(bus_word(config), 32),
            "list_address": self.list_address,
            "list_commands": self.left,
            "list": Cat(self.busy, error, self.reads),
            "failed": self.failed_number,
            "interrupt": pending,
            "interrupt_enable": enable,
        }
        if isinstance(config, EngineConfig):
            words |= {"layer": self.layer, "layer_cycles": self.layer_cycles}
            with m.If(written["layer"]):
                m.d.sync += self.layer.eq(port.data)
        value = Signal(32)
        m.d.comb += [value.eq(self.value), port.known.eq(port.number < len(device))]
        with m.Switch(port.number):
            for name, register in link_registers(config).items():
                with m.Case(number_of(name)):
                    m.d.comb += [value.eq(words[name]), port.known.eq(1)]
                    if register.writable:
                        m.d.comb += port.writable.eq(~self.busy if name == "list_commands" else 1)
        assert len(device) <= FIRST_LINK_REGISTER
        m.d.sync += port.value.eq(value)
        return m
