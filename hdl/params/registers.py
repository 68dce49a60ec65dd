# SPDX-License-Identifier: Apache-2.0
"""What the accelerator's registers are called and how its identity is written in them. Plain Python, for both sides."""

from sysmt.base.errors import ConfigError

from .accel import AccelConfig
from .array import DRAINS, ArrayConfig
from .counters import array_counters
from .pe import TARGETS, PEConfig, kind_of, kinds
from .protocol import VERSION

MAGIC = int.from_bytes(b"SyMT", "little")

IDENTITY = (
    "magic",
    "protocol",
    "version",
    "fingerprint_low",
    "fingerprint_high",
    "geometry",
    "element",
    "operands",
    "results",
    "frames",
    "link",
)
STATE = ("runs", "status", "errors", "overflows", "steps", "span", "cycles")
HEAD = (*IDENTITY, *STATE)
"""The registers that every accelerator has, at the same places; the counters of its array follow (`registers`)."""


def registers(pe: PEConfig) -> tuple[str, ...]:
    """Names of all registers of an accelerator with these PEs, in the order of their addresses."""
    return (*HEAD, *(f"array_{name}_{part}" for name in array_counters(pe) for part in ("low", "high")))


def _pack(*fields: tuple[int, int]) -> int:
    """Fields (value, bits), lowest first."""
    word = place = 0
    for value, bits in fields:
        word |= value << place
        place += bits
    return word


def _unpack(word: int, *widths: int) -> list[int]:
    values = []
    for bits in widths:
        values.append(word & ((1 << bits) - 1))
        word >>= bits
    return values


_ELEMENT = (5, 6, 2, 1, 1, 1, 1, 3, 4, 8)
"""Bits of the fields of `element`, lowest first: what only this kind of PE has lies at both ends."""


def identity(config: AccelConfig, version: str) -> dict[str, int]:
    """The words of the identity registers."""
    array, pe = config.array, config.array.pe
    element = (
        pe.options & 31,
        pe.acc_width,
        pe.pipeline,
        TARGETS.index(pe.target),
        pe.dsp,
        DRAINS.index(array.drain),
        array.counters,
        pe.threads,
        pe.CODE,
        pe.options >> 5,
    )
    words = (
        MAGIC,
        VERSION,
        _pack(*((int(part), 8) for part in reversed((version.split(".") + ["0", "0"])[:3]))),
        config.fingerprint & 0xFFFFFFFF,
        config.fingerprint >> 32,
        _pack((array.rows, 16), (array.cols, 16)),
        _pack(*zip(element, _ELEMENT, strict=True)),
        config.depth,
        config.result_rows,
        _pack((config.slot, 16), (config.slots, 16)),
        _pack((config.divisor, 16), (config.channels.bit_length(), 8), (config.requantize, 1)),
    )
    return dict(zip(IDENTITY, words, strict=True))


def config_of(words: dict[str, int]) -> AccelConfig:
    """The configuration that identity words describe; refused when they contradict the fingerprint beside them."""
    low, acc_width, pipeline, target, dsp, drain, counters, threads, code, high = _unpack(words["element"], *_ELEMENT)
    rows, cols = _unpack(words["geometry"], 16, 16)
    slot, slots = _unpack(words["frames"], 16, 16)
    divisor, channels, requantize = _unpack(words["link"], 16, 8, 1)
    try:
        kind = next(name for name in kinds() if code == kind_of(name).CODE)
        pe = PEConfig(
            kind=kind,
            **kind_of(kind).options_of(low | high << 5),
            threads=threads,
            acc_width=acc_width,
            pipeline=pipeline,
            target=TARGETS[target],
            dsp=bool(dsp),
        )
        config = AccelConfig(
            array=ArrayConfig(rows=rows, cols=cols, pe=pe, drain=DRAINS[drain], counters=bool(counters)),
            depth=words["operands"],
            result_rows=words["results"],
            slot=slot,
            slots=slots,
            requantize=bool(requantize),
            channels=1 << (channels - 1),
            divisor=divisor,
        )
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
    return ".".join(str(part) for part in reversed(_unpack(words["version"], 8, 8, 8)))
