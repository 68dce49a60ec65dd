# SPDX-License-Identifier: Apache-2.0
"""Requests and registers of an engine behind a host link, for hardware and host alike. Plain Python.

Frames, credit, run numbers and statuses are those of `sysmt.hdl.params.protocol`; what differs is what a run is: the
whole program on one input. The lowest bit of its number says which half of the network's input and output places it
uses. WRITE to the memories of the program waits for nothing and is refused while a run is unfinished; a WRITE of
activations may go to the next run or the one after it, as its half is free. A RUN that ends with an error is finished
too: register `state` says why, further runs are refused until a memory of the program is written, and nothing that the
engine holds is lost.
"""

import enum

from .engine import LINK_ADDRESS_BITS, EngineConfig
from .fields import Field, PackedRecord
from .protocol import ARGUMENTS as TILE_ARGUMENTS
from .protocol import RUN_WIDTH, Opcode
from .registers import IDENTITY as TILE_IDENTITY
from .registers import STATE as TILE_STATE
from .registers import array_of, described, element_word, version_word, word_record
from .sdram_registers import SDRAM, sdram_of, sdram_words

ENGINE_PROTOCOL = 2
MAGIC = int.from_bytes(b"SyMN", "little")


class ReadTarget(enum.IntEnum):
    """What a READ reads."""

    ACTIVATIONS = 0
    """Words of the activation memory."""
    CYCLES = 1
    """Cycles of the layers of the last run, 32 bits each."""


ARGUMENTS = {
    Opcode.SYNC: TILE_ARGUMENTS[Opcode.SYNC],
    Opcode.REGISTERS: TILE_ARGUMENTS[Opcode.REGISTERS],
    Opcode.WRITE: PackedRecord(
        Field("run", RUN_WIDTH, "The next run, for which the memory is written; of activations also the one after it."),
        Field("target", 8, "The memory (`sysmt.hdl.params.program.Memory`)."),
        Field("address", LINK_ADDRESS_BITS, "First word; the words follow the arguments, whole and in order."),
    ),
    Opcode.RUN: PackedRecord(Field("run", RUN_WIDTH, "Number of the run.")),
    Opcode.READ: PackedRecord(
        Field("run", RUN_WIDTH, "The run whose results are read."),
        Field("target", 8, "What is read (`ReadTarget`)."),
        Field("address", 24, "First word."),
        Field("words", 16, "How many words."),
    ),
}
"""The arguments that open the payload of a request."""

IDENTITY = {
    "magic": word_record("magic", "`SyMN` in ASCII, first letter in the lowest byte."),
    "protocol": word_record("protocol", "Version of these requests and registers."),
    "version": TILE_IDENTITY["version"],
    "fingerprint_low": TILE_IDENTITY["fingerprint_low"],
    "fingerprint_high": TILE_IDENTITY["fingerprint_high"],
    "geometry": TILE_IDENTITY["geometry"],
    "element": TILE_IDENTITY["element"],
    "units": PackedRecord(
        Field("fill", 4, "Columns of im2col per cycle."),
        Field("x_depth", 4, "Words in one half of the operand buffer, as a power of two."),
        Field("lanes", 12, "Values requantised per cycle."),
        Field("add_lanes", 12, "Values that a residual is added to per cycle."),
    ),
    "activation_words": word_record("activation_words", "Words of the activation memory."),
    "weight_words": word_record("weight_words", "Words of the weight memory."),
    "tables": PackedRecord(
        Field("scatter_words", 16, "Words of the scatter table, less one."),
        Field("parameter_words", 16, "Words of the parameter memory, less one."),
    ),
    "frames": TILE_IDENTITY["frames"],
    "link": PackedRecord(
        Field("divisor", 16, "Clocks per bit of the UART."),
        Field("layers", 12, "Layer descriptors that fit."),
        Field("patch", 4, "Output pixels in a row of a depthwise layer."),
    ),
}
"""The registers that say what the device is."""
STATE = {
    "runs": TILE_STATE["runs"],
    "state": PackedRecord(
        Field("busy", 1, "A run is unfinished."),
        Field("error", 7, "Why the last run failed (`EngineError`)."),
        Field("layer", 16, "The layer under way, or the one that failed."),
    ),
    "errors": TILE_STATE["errors"],
    "cycles": word_record("cycles", "Cycles of the last run from its start to its end."),
}
"""The registers that say what the device did."""
EVERYWHERE = IDENTITY | STATE
"""The registers that every engine has."""
REGISTERS = EVERYWHERE | SDRAM
"""All registers, in the order of their numbers; those of the SDRAM are zero where there is none."""
NUMBERS = {name: number for number, name in enumerate(REGISTERS)}


def registers_of(config: EngineConfig) -> dict[str, PackedRecord]:
    """The registers of one engine, in the order of their numbers."""
    return EVERYWHERE if config.stream is None else REGISTERS


def identity(config: EngineConfig, version: str) -> dict[str, int]:
    """The words of the identity registers."""
    array = config.array
    values = {
        "magic": {"magic": MAGIC},
        "protocol": {"protocol": ENGINE_PROTOCOL},
        "version": version_word(version),
        "fingerprint_low": {"fingerprint_low": config.fingerprint & 0xFFFFFFFF},
        "fingerprint_high": {"fingerprint_high": config.fingerprint >> 32},
        "geometry": {"rows": array.rows, "cols": array.cols},
        "element": element_word(array),
        "units": {
            "fill": config.fill,
            "x_depth": config.x_depth.bit_length() - 1,
            "lanes": config.lanes,
            "add_lanes": config.add_lanes,
        },
        "activation_words": {"activation_words": config.activation_words},
        "weight_words": {"weight_words": config.weight_words},
        "tables": {"scatter_words": config.scatter_words - 1, "parameter_words": config.parameter_words - 1},
        "frames": {"slot": config.slot, "slots": config.slots},
        "link": {"divisor": config.divisor, "layers": config.layers, "patch": config.patch},
    }
    words = {name: record.to_int(values[name]) for name, record in IDENTITY.items()}
    return words if config.stream is None else words | sdram_words(config.stream, config.chunks)


def config_of(words: dict[str, int]) -> EngineConfig:
    """The configuration that identity words describe; raises as `sysmt.hdl.params.registers.described`."""
    units, tables, frames, link = (
        IDENTITY[name].from_int(words[name]) for name in ("units", "tables", "frames", "link")
    )
    return described(
        words,
        lambda: EngineConfig(
            array=array_of(words),
            fill=units["fill"],
            lanes=units["lanes"],
            x_depth=1 << units["x_depth"],
            add_lanes=units["add_lanes"],
            activation_words=words["activation_words"],
            weight_words=words["weight_words"],
            scatter_words=tables["scatter_words"] + 1,
            parameter_words=tables["parameter_words"] + 1,
            layers=link["layers"],
            patch=link["patch"],
            **sdram_of(words),
            slot=frames["slot"],
            slots=frames["slots"],
            divisor=link["divisor"],
        ),
    )
