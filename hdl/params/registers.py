# SPDX-License-Identifier: Apache-2.0
"""The accelerator's registers: names, fields, and how its configuration is written in them.

Plain Python, for hardware and host alike.
"""

from collections.abc import Callable
from typing import TypeVar

from sysmt.base.errors import ConfigError

from .accel import AccelConfig
from .array import DRAINS, ArrayConfig
from .counters import COUNTER_WIDTH, array_counters
from .engine import EngineConfig
from .fields import Field, PackedRecord
from .pe import TARGETS, PEConfig, kind_of, kinds
from .protocol import RUN_WIDTH, VERSION

Described = TypeVar("Described", AccelConfig, EngineConfig)

MAGIC = int.from_bytes(b"SyMT", "little")

FIGURES = ("steps", "span", "cycles")
"""Counters of the controller, 32 bits."""


MOST_THREADS = 8
"""Threads of a PE that `element` has room for."""

OPTIONS_LOW = 5
"""Bits of `PEConfig.options` in the first field of `element`; the others follow in its last."""


def word_record(name: str, text: str) -> PackedRecord:
    """A register of one field, 32 bits."""
    return PackedRecord(Field(name, 32, text))


IDENTITY = {
    "magic": word_record("magic", "`SyMT` in ASCII, first letter in the lowest byte."),
    "protocol": word_record("protocol", "Version of the link protocol."),
    "version": PackedRecord(
        Field("patch", 8, "Version of sysmt: third number."),
        Field("minor", 8, "Second number."),
        Field("major", 8, "First number."),
    ),
    "fingerprint_low": word_record("fingerprint_low", "Fingerprint of the configuration: low half."),
    "fingerprint_high": word_record("fingerprint_high", "High half."),
    "geometry": PackedRecord(Field("rows", 16, "Rows of the array."), Field("cols", 16, "Columns of the array.")),
    "element": PackedRecord(
        Field("options_low", OPTIONS_LOW, "What only this kind of PE has, as `PEConfig.options` packs it: low bits."),
        Field("acc_width", 6, "Bits of an accumulator."),
        Field("pipeline", 2, "Pipeline registers of a PE."),
        Field("target", 1, "What the RTL is written for: position in `TARGETS`."),
        Field("dsp", 1, "PEs use DSP blocks."),
        Field("drain", 1, "How results leave the array: position in `DRAINS`."),
        Field("counters", 1, "The array counts events."),
        Field("threads", 3, "Threads of a PE; 0 stands for 8."),
        Field("kind", 4, "Kind of PE: its `CODE`."),
        Field("options_high", 8, "The other bits of what only this kind of PE has."),
    ),
    "operands": word_record("depth", "Steps in one half of an operand memory."),
    "results": word_record("result_rows", "Rows in one half of the result memory."),
    "frames": PackedRecord(
        Field("slot", 16, "Bytes of the longest frame, without delimiters and escapes."),
        Field("slots", 16, "Frames that the device can hold: the host's credit."),
    ),
    "link": PackedRecord(
        Field("divisor", 16, "Clocks per bit of the UART."),
        Field("channels", 8, "Entries in one half of the requantiser's table, as a power of two, + 1."),
        Field("requantize", 1, "The device has a requantiser."),
    ),
}
"""The registers that say what the device is."""
STATE = {
    "runs": PackedRecord(
        Field("issued", RUN_WIDTH, "The last run that the device took."),
        Field("finished", RUN_WIDTH, "The last run whose results are complete."),
    ),
    "status": PackedRecord(
        Field("busy", 1, "A run is unfinished."),
        Field("refused", 1, "The array refused a tile since reset."),
    ),
    "errors": PackedRecord(
        Field("frames", 16, "Bad frames dropped since reset, wrapping."),
        Field("bytes", 16, "Bytes dropped by the transport since reset, wrapping."),
    ),
    "overflows": PackedRecord(Field("overflows", 16, "Sums beyond 32 bits in the requantiser since reset, wrapping.")),
    "steps": word_record("steps", "Steps that the array took since reset, wrapping."),
    "span": word_record("span", "Cycles from the first step to the last of runs without a gap between them, wrapping."),
    "cycles": word_record("cycles", "Cycles from the first step to the last row of results, wrapping."),
}
"""The registers that say what the device did."""
HEAD = IDENTITY | STATE
"""The registers that every accelerator has, in the order of their numbers; the counters of its array follow."""
NUMBERS = {name: number for number, name in enumerate(HEAD)}


def registers(pe: PEConfig) -> dict[str, PackedRecord]:
    """All registers of an accelerator with these PEs by name, in the order of their numbers."""
    halves = (("low", "bits 0 to 31"), ("high", f"bits 32 to {COUNTER_WIDTH - 1}"))
    return HEAD | {
        f"array_{name}_{part}": word_record(f"{name}_{part}", f"Counter `{name}` of the array: {half}.")
        for name in array_counters(pe)
        for part, half in halves
    }


def version_word(version: str) -> dict[str, int]:
    """Fields of the register `version`."""
    major, minor, patch = (int(part) for part in (version.split(".") + ["0", "0"])[:3])
    return {"patch": patch, "minor": minor, "major": major}


def element_word(array: ArrayConfig) -> dict[str, int]:
    """Fields of the register `element`."""
    pe = array.pe
    return {
        "options_low": pe.options % (1 << OPTIONS_LOW),
        "acc_width": pe.acc_width,
        "pipeline": pe.pipeline,
        "target": TARGETS.index(pe.target),
        "dsp": pe.dsp,
        "drain": DRAINS.index(array.drain),
        "counters": array.counters,
        "threads": pe.threads % MOST_THREADS,
        "kind": pe.CODE,
        "options_high": pe.options >> OPTIONS_LOW,
    }


def array_of(words: dict[str, int]) -> ArrayConfig:
    """The array that the registers `geometry` and `element` describe.

    Raises
    ------
    ConfigError, IndexError, ValueError, StopIteration
        They describe none.
    """
    geometry, element = (IDENTITY[name].from_int(words[name]) for name in ("geometry", "element"))
    kind = next(name for name in kinds() if element["kind"] == kind_of(name).CODE)
    options = element["options_low"] | element["options_high"] << OPTIONS_LOW
    pe = PEConfig(
        kind=kind,
        **kind_of(kind).options_of(options),
        threads=element["threads"] or MOST_THREADS,
        acc_width=element["acc_width"],
        pipeline=element["pipeline"],
        target=TARGETS[element["target"]],
        dsp=bool(element["dsp"]),
    )
    return ArrayConfig(
        rows=geometry["rows"],
        cols=geometry["cols"],
        pe=pe,
        drain=DRAINS[element["drain"]],
        counters=bool(element["counters"]),
    )


def identity(config: AccelConfig, version: str) -> dict[str, int]:
    """The words of the identity registers."""
    array = config.array
    values = {
        "magic": {"magic": MAGIC},
        "protocol": {"protocol": VERSION},
        "version": version_word(version),
        "fingerprint_low": {"fingerprint_low": config.fingerprint & 0xFFFFFFFF},
        "fingerprint_high": {"fingerprint_high": config.fingerprint >> 32},
        "geometry": {"rows": array.rows, "cols": array.cols},
        "element": element_word(array),
        "operands": {"depth": config.depth},
        "results": {"result_rows": config.result_rows},
        "frames": {"slot": config.slot, "slots": config.slots},
        "link": {
            "divisor": config.divisor,
            "channels": config.channels.bit_length(),
            "requantize": config.requantize,
        },
    }
    return {name: record.to_int(values[name]) for name, record in IDENTITY.items()}


def config_of(words: dict[str, int]) -> AccelConfig:
    """The configuration that identity words describe; raises as `described`."""
    frames, link = (IDENTITY[name].from_int(words[name]) for name in ("frames", "link"))
    return described(
        words,
        lambda: AccelConfig(
            array=array_of(words),
            depth=words["operands"],
            result_rows=words["results"],
            slot=frames["slot"],
            slots=frames["slots"],
            requantize=bool(link["requantize"]),
            channels=1 << (link["channels"] - 1),
            divisor=link["divisor"],
        ),
    )


def described(words: dict[str, int], make: Callable[[], Described]) -> Described:
    """The configuration that `make` makes of identity words, checked against the fingerprint among them.

    Raises
    ------
    ConfigError
        They describe none, or contradict the fingerprint.
    """
    try:
        config = make()
    except (ConfigError, IndexError, ValueError, StopIteration) as error:
        message = f"identity of the board cannot be understood ({error}); flash a bitstream of this version"
        raise ConfigError(message) from None
    if config.fingerprint != words["fingerprint_low"] | words["fingerprint_high"] << 32:
        raise ConfigError(
            "identity of the board contradicts its fingerprint: the bitstream was made by another version of sysmt; "
            "build and flash it again"
        )
    return config


def version_of(words: dict[str, int]) -> str:
    """The generator's version, as text."""
    return "{major}.{minor}.{patch}".format(**IDENTITY["version"].from_int(words["version"]))
