# SPDX-License-Identifier: Apache-2.0
"""Command lists: how a host on a bus gives work to an accelerator or an engine. Plain Python, for hardware and host.

A list is a row of commands of 32 bytes, little end first, done in order: WRITE fills a memory of the device, RUN starts
work on it, READ sends results of the last RUN away. Two runs may be unfinished. What a command needs is waited for, so
that a list says what to do and never when:

- WRITE is for the next RUN. It waits until no unfinished run uses what it writes: on an accelerator the half of every
  memory that alternate runs use; on an engine the half that the command names, for memories of the program all of them.
- RUN waits until at most one run is unfinished, and until results that it would write over have been read.
- READ lets the list go on, and sends its results when its run is finished.

So the operands of a run travel while the one before computes, and the results of the one before that travel back.

On a bus the device fetches the list, and the data of a WRITE from the address that the command has. A word of a
memory of the device takes a whole number of beats of `data_width` bits there, its first byte first and zeros behind its
last one. All addresses are multiples of a beat's bytes; a list begins at a multiple of 32.

A command that cannot be done ends the list: `state` says why and `failed` which one it was, work that was under way is
completed first, and nothing waits for ever. The next list may begin at once.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from sysmt.base.errors import ConfigError

from .accel import AccelConfig
from .config import Config
from .engine import EngineConfig
from .fields import Field, PackedRecord
from .link import LINKS, MASTERS
from .protocol import ZERO
from .registers import word_record

COMMAND_BYTES = 32
COMMAND_WIDTH = 8 * COMMAND_BYTES


class ListOpcode(enum.IntEnum):
    """First byte of a command."""

    WRITE = 1
    RUN = 2
    READ = 3


class ListError(enum.IntEnum):
    """Why a list ended before its end."""

    NONE = 0
    COMMAND = 1
    """No such command, or no such memory."""
    ARGUMENT = 2
    """An argument that cannot be: a count of zero, a word outside its memory, a tile beyond the array; of READ, rows
    that its run has not made. A RUN with more tiles than the memories hold makes none."""
    ALIGNMENT = 3
    """An address that is no multiple of a beat's bytes, or of 32 for a list."""
    BUS_READ = 4
    """The bus answered a read with an error."""
    BUS_WRITE = 5
    """The bus answered a write with an error."""
    RUN = 6
    """A run failed; the device's own registers say why."""


_OPCODE = Field("opcode", 8, "What to do (`ListOpcode`).")
_HALF = Field("half", 1, "Half of the input and output places that it is for.")
_ADDRESS = Field("address", 32, "Where the data are on the bus; read over a stream: zero.")
_BEATS = Field("beats", 32, "Beats of data.")
_FIRST = Field("first", 32, "First word of the memory.")


def _gap(name: str, width: int) -> Field:
    return Field(name, width, "Zero.", reserved=True)


def _target(names: str) -> Field:
    return Field("target", 8, f"The memory (`{names}`).")


_TILES = (
    Field("m_tiles", 16, "Rows of tiles."),
    Field("n_tiles", 16, "Columns of tiles; tiles are computed one row of tiles after the other."),
    Field("rows", 16, "Outputs that count in each tile of the last row of tiles."),
    Field("cols", 16, "Outputs that count in each tile of the last column of tiles."),
)
ACCEL_COMMANDS = {
    ListOpcode.WRITE: PackedRecord(_OPCODE, _target("Target"), _gap("gap", 16), _ADDRESS, _BEATS, _FIRST),
    ListOpcode.RUN: PackedRecord(
        _OPCODE,
        _gap("gap", 8),
        Field("threads", 8, "Threads to run on, as a power of two."),
        _gap("gap2", 8 + 64),
        Field("steps", 16, "Steps of each tile."),
        _gap("gap3", 16),
        *_TILES,
    ),
    ListOpcode.READ: PackedRecord(
        _OPCODE,
        _gap("gap", 16),
        Field("requantize", 1, "1: one byte per result. 0: the sum, 4 bytes."),
        Field("double", 1, "1: the requantiser's variant that rounds twice. 0: once."),
        _gap("gap2", 6),
        Field("address", 32, "Where the first output goes on the bus."),
        Field("pitch", 32, "Bytes from one row of outputs to the next."),
        _gap("gap3", 32),
        *_TILES,
        Field("channel", 16, "Entry of the requantiser's table for the first column."),
        Field("zero_point", 16, "Added after scaling.", signed=True),
        Field("low", 16, "Smallest requantised value.", signed=True),
        Field("high", 16, "Largest requantised value.", signed=True),
    ),
}
"""Commands of an accelerator. READ has the tiles of its RUN: outputs become a matrix of rows, and tiles that are not
whole write only what counts."""
ZERO_COMMANDS = ACCEL_COMMANDS | {
    ListOpcode.RUN: PackedRecord(
        *(ZERO if name == "gap" else field for name, field in ACCEL_COMMANDS[ListOpcode.RUN].fields.items())
    )
}
"""Commands of an accelerator whose PEs take a zero point off the activations (`PEConfig.zero_width`)."""
ENGINE_COMMANDS = {
    ListOpcode.WRITE: PackedRecord(_OPCODE, _target("Memory"), _HALF, _gap("gap", 15), _ADDRESS, _BEATS, _FIRST),
    ListOpcode.RUN: PackedRecord(_OPCODE, _gap("gap", 8), _HALF, _gap("gap2", 15)),
    ListOpcode.READ: PackedRecord(
        _OPCODE,
        _gap("gap", 24),
        Field("address", 32, "Where the words go on the bus, one after the other."),
        Field("beats", 32, "Beats of data: those of whole words."),
        Field("first", 32, "First word of the activation memory."),
    ),
}
"""Commands of an engine."""


@dataclass(frozen=True)
class LinkRegister:
    """A register of the link.

    Parameters
    ----------
    record : PackedRecord
    writable : bool
        The host may write it; else a write is answered with an error.
    """

    record: PackedRecord
    writable: bool = False


FIRST_LINK_REGISTER = 128
"""Number of the first one; the device's own are those of `sysmt.hdl.params.registers` and `engine_protocol`. Over a bus
a register lies at 4 times its number."""
LINK_REGISTERS = {
    "bus": LinkRegister(
        PackedRecord(
            Field("version", 8, "Version of the command lists."),
            Field("link", 8, "The link: position in `LINKS`."),
            Field("data_width", 16, "Bits of a beat of data."),
        )
    ),
    "list_address": LinkRegister(word_record("list_address", "Where the list begins, a multiple of 32."), True),
    "list_commands": LinkRegister(
        word_record("list_commands", "Writing the number of commands starts the list; commands that are left."), True
    ),
    "list": LinkRegister(
        PackedRecord(
            Field("busy", 1, "A list is under way. Another one is not taken: its write is answered with an error."),
            Field("error", 7, "Why the last list ended before its end (`ListError`)."),
            Field("reads", 16, "READ commands completed since reset, wrapping."),
        )
    ),
    "failed": LinkRegister(word_record("failed", "The command that ended the last list, counted from 0.")),
    "interrupt": LinkRegister(
        PackedRecord(
            Field("done", 1, "A list ended well. Writing 1 takes it back."),
            Field("failed", 1, "A list ended before its end. Writing 1 takes it back."),
        ),
        True,
    ),
    "interrupt_enable": LinkRegister(
        PackedRecord(
            Field("done", 1, "`irq` is high while `interrupt` says done."),
            Field("failed", 1, "`irq` is high while `interrupt` says failed."),
        ),
        True,
    ),
    "layer": LinkRegister(word_record("layer", "The layer whose cycles `layer_cycles` says. Engines only."), True),
    "layer_cycles": LinkRegister(word_record("layer_cycles", "Cycles of that layer in the last run. Engines only.")),
}
"""Registers of the link by name, in the order of their numbers."""
LIST_VERSION = 1
ENGINE_ONLY = ("layer", "layer_cycles")


def link_registers(config: Config) -> dict[str, LinkRegister]:
    """The registers of the link of `config`."""
    absent = () if isinstance(config, EngineConfig) else ENGINE_ONLY
    return {name: register for name, register in LINK_REGISTERS.items() if name not in absent}


def number_of(name: str) -> int:
    """The number of a register of the link."""
    return FIRST_LINK_REGISTER + list(LINK_REGISTERS).index(name)


def bus_word(config: AccelConfig | EngineConfig) -> int:
    """The register `bus`."""
    values = {"version": LIST_VERSION, "link": LINKS.index(config.link), "data_width": config.data_width}
    return LINK_REGISTERS["bus"].record.to_int(values)


def commands_of(config: AccelConfig | EngineConfig) -> dict[ListOpcode, PackedRecord]:
    """The commands of `config`."""
    if isinstance(config, EngineConfig):
        return ENGINE_COMMANDS
    return ZERO_COMMANDS if config.array.pe.zero_width else ACCEL_COMMANDS


def written_words(config: AccelConfig | EngineConfig) -> list[tuple[int, int]]:
    """Bytes of a word, and words (of a half), of every memory that WRITE fills, by target."""
    if isinstance(config, EngineConfig):
        sizes = config.host_memories.values()
        return [(size, depth) for size, (_, depth) in zip(config.host_bytes.values(), sizes, strict=True)]
    table = [(config.table_bytes, config.channels)] if config.requantize else []
    return [(config.x_bytes, config.depth), (config.w_bytes, config.depth), *table]


def beats_of(size: int, data_width: int) -> int:
    """Beats that a word of `size` bytes takes on the bus."""
    return -(-8 * size // data_width)


def packed_command(config: AccelConfig | EngineConfig, opcode: ListOpcode, /, **arguments: int) -> bytes:
    """A command as bytes; raises as `PackedRecord.to_int`."""
    record = commands_of(config)[opcode]
    return record.pack(opcode=opcode, **arguments).ljust(COMMAND_BYTES, b"\0")


def with_data(config: AccelConfig | EngineConfig, commands: Iterable[bytes], memory: bytes) -> bytes:
    """A list as it comes where there is no bus master (`axi-stream`, `cfu`): every WRITE with its data behind it.

    `memory`: bytes that the addresses of the commands are in.
    """
    record, text = commands_of(config)[ListOpcode.WRITE], bytearray()
    for command in commands:
        text += command
        if command[0] == ListOpcode.WRITE:
            write = record.unpack(command)
            text += memory[write["address"] : write["address"] + write["beats"] * config.data_width // 8]
    return bytes(text)


def check_master(config: AccelConfig | EngineConfig) -> None:
    """Refuse a configuration that does not read and write memory by itself."""
    if config.link not in MASTERS:
        raise ConfigError(f"link must be one of {', '.join(MASTERS)} for a program in C, not {config.link!r}")
