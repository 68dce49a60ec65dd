# SPDX-License-Identifier: Apache-2.0
"""The one table of registers of a device on a bus: its own, and those of its link."""

from dataclasses import dataclass

from . import engine_protocol, registers
from .accel import AccelConfig
from .command_list import link_registers, number_of
from .engine import EngineConfig
from .fields import PackedRecord


@dataclass(frozen=True)
class Register:
    """A register of 32 bits at byte `offset`; `writable` where the host may write it."""

    name: str
    offset: int
    writable: bool
    record: PackedRecord


def register_table(config: AccelConfig | EngineConfig) -> list[Register]:
    """All registers of `config`, in the order of their offsets."""
    if isinstance(config, EngineConfig):
        own = engine_protocol.registers_of(config)
    else:
        own = registers.registers(config.array.pe)
    table = [Register(name, 4 * number, False, record) for number, (name, record) in enumerate(own.items())]
    return table + [
        Register(name, 4 * number_of(name), entry.writable, entry.record)
        for name, entry in link_registers(config).items()
    ]


def as_facts(table: list[Register]) -> list[dict[str, object]]:
    """The table for a manifest: `name`, `offset`, `access`, and of every field `name`, `bit`, `width`, `text`."""
    return [
        {
            "name": register.name,
            "offset": register.offset,
            "access": "read-write" if register.writable else "read-only",
            "fields": [
                {"name": name, "bit": register.record.offsets[name], "width": field.width, "text": field.text}
                for name, field in register.record.fields.items()
            ],
        }
        for register in table
    ]
