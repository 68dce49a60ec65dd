# SPDX-License-Identifier: Apache-2.0
"""Layouts of what the parts of the accelerator exchange: the fields of `sysmt.hdl.params.protocol` and the counters."""

from typing import Any

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from sysmt.hdl.params.fields import PackedRecord
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.protocol import ARGUMENTS, CHANNEL, CRC, HEADER, Opcode, arguments_of
from sysmt.hdl.params.registers import FIGURES


def layout(record: PackedRecord) -> data.StructLayout:
    """The fields of a record at the bits that they have in its bytes; the fields of a group are a structure in it."""
    members: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for name, field in record.fields.items():
        shape = (signed if field.signed else unsigned)(field.width)
        if field.group:
            groups.setdefault(field.group, {})[name] = shape
            members[field.group] = data.StructLayout(groups[field.group])
        else:
            members[name] = shape
    return data.StructLayout(members)


HEADER_BYTES, CRC_BYTES = HEADER.size, CRC.size

ReadArguments = layout(ARGUMENTS[Opcode.READ])

Channel = layout(CHANNEL)
"""Requantisation of one output channel."""
Figures = data.StructLayout(dict.fromkeys(FIGURES, unsigned(32)))
"""Counters of the controller since reset, wrapping; `sysmt.hdl.params.registers` says what they count."""


def argument_layouts(pe: PEConfig) -> dict[Opcode, data.StructLayout]:
    """The arguments of every request of an accelerator with these PEs."""
    return {command: layout(record) for command, record in arguments_of(pe).items()}
