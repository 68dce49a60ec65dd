# SPDX-License-Identifier: Apache-2.0
"""The reference of the link protocol as Markdown, from the tables that hardware and host use."""

import inspect

from . import protocol, registers
from .pe import PEConfig
from .protocol import ARGUMENTS, CHANNEL, CRC, HEADER, ZERO, Opcode, Status, Target

RESPONSES = {
    Opcode.SYNC: "the nonce.",
    Opcode.REGISTERS: "the registers, 4 bytes each.",
    Opcode.WRITE: "nothing.",
    Opcode.RUN: "nothing.",
    Opcode.READ: "the results, row after row.",
}
"""What follows the status in the response, when it is OK."""


def markdown() -> str:
    """Frames, commands and registers as one page of Markdown."""
    numbers = [
        f"- {kind.__name__}: " + ", ".join(f"`{member.name}` = {member.value}" for member in kind)
        for kind in (Opcode, Status, Target)
    ]
    parts = ["# Link protocol", inspect.cleandoc(protocol.__doc__ or ""), "## Numbers", "\n".join(numbers)]
    parts += ["## Header of a frame", HEADER.markdown(), "## Checksum of a frame", CRC.markdown()]
    for command, record in ARGUMENTS.items():
        parts += [f"## {command.name} ({command.value})", record.markdown()]
        if command is Opcode.RUN:
            parts.append(
                f"Where the PEs take a zero point off the activations, one field more, `{ZERO.name}`: {ZERO.text}"
            )
        parts.append(f"Response: {RESPONSES[command]}")
    parts += ["## A word of the requantiser's table", CHANNEL.markdown()]
    parts += ["# Registers", inspect.cleandoc(registers.__doc__ or "")]
    for number, (name, record) in enumerate(registers.registers(PEConfig()).items()):
        parts += [f"## {number}: `{name}`", record.markdown()]
    return "\n\n".join(part.strip() for part in parts) + "\n"
