# SPDX-License-Identifier: Apache-2.0
"""The registers by which an engine says which SDRAM it has: chip, clock, and the list of chunks. Plain Python."""

from collections.abc import Mapping
from typing import Any

from sysmt.base.errors import ConfigError

from .fields import Field, PackedRecord
from .sdram import SdramChip, SdramConfig

NAME_WORDS = 4
NAME_BYTES = 4 * NAME_WORDS

GEOMETRY = {
    "width": Field("width", 6, "Bits of a word of the SDRAM; 0 where there is none."),
    "bank_bits": Field("bank_bits", 2, "Address bits of a bank."),
    "row_bits": Field("row_bits", 4, "Address bits of a row."),
    "column_bits": Field("column_bits", 4, "Address bits of a column."),
}
TIMES = {
    "sdram_rcd_rp": ("t_rcd", "t_rp"),
    "sdram_ras_rc": ("t_ras", "t_rc"),
    "sdram_rrd_wr": ("t_rrd", "t_wr"),
    "sdram_rfc_ck2": ("t_rfc", "t_ck2"),
    "sdram_ck3": ("t_ck3",),
}
"""Times of the chip (`SdramChip`), two in a register."""
PER_NS, PER_MS, PER_US = 100, 1000, 1000
"""Units of times in registers: 10 ps; of the refresh 1 us, of the initialisation 1 ns."""

SDRAM = {
    "sdram": PackedRecord(
        *GEOMETRY.values(),
        Field("cas", 2, "CAS latency."),
        Field("capture", 3, "Clocks of registers behind the data pins."),
    ),
    "chunks": PackedRecord(Field("chunks", 32, "Chunks of weights that the list holds.")),
    "sdram_clock": PackedRecord(Field("clock_hz", 32, "Clock of the SDRAM in Hz.")),
    **{
        register: PackedRecord(*(Field(name, 16, f"`{name}` of the chip, in 10 ps.") for name in names))
        for register, names in TIMES.items()
    },
    "sdram_refresh": PackedRecord(Field("refresh_ms", 32, "Time in which every row is refreshed, in us.")),
    "sdram_init": PackedRecord(Field("init_us", 32, "Time from power to the first command, in ns.")),
    **{
        f"sdram_name_{i}": PackedRecord(Field("name", 32, f"Name of the chip in ASCII, from letter {4 * i} on."))
        for i in range(NAME_WORDS)
    },
}
"""Behind all other registers, so that an engine without an SDRAM has none of them."""


def sdram_words(sdram: SdramConfig, chunks: int) -> dict[str, int]:
    """The words of the registers.

    Raises
    ------
    ConfigError
        They have no room for a value, or it is none of their units.
    """
    chip = sdram.chip
    name = chip.name.encode("ascii", "replace")
    if name.decode() != chip.name or len(name) > NAME_BYTES or "\0" in chip.name:
        raise ConfigError(f"stream.chip.name must be at most {NAME_BYTES} characters of ASCII, not {chip.name!r}")
    values: dict[str, dict[str, int]] = {
        "sdram": {field: getattr(chip, field) for field in GEOMETRY} | {"cas": sdram.cas, "capture": sdram.capture},
        "chunks": {"chunks": chunks},
        "sdram_clock": {"clock_hz": _units("clock_hz", sdram.clock_hz, 1)},
        **{
            register: {t: _units(f"chip.{t}", getattr(chip, t), PER_NS) for t in times}
            for register, times in TIMES.items()
        },
        "sdram_refresh": {"refresh_ms": _units("chip.refresh_ms", chip.refresh_ms, PER_MS)},
        "sdram_init": {"init_us": _units("chip.init_us", chip.init_us, PER_US)},
    }
    padded = name.ljust(NAME_BYTES, b"\0")
    for i in range(NAME_WORDS):
        values[f"sdram_name_{i}"] = {"name": int.from_bytes(padded[4 * i : 4 * i + 4], "little")}
    try:
        return {name: record.to_int(values[name]) for name, record in SDRAM.items()}
    except ValueError as error:
        raise ConfigError(f"stream cannot be told over the link: {error}") from None


def sdram_of(words: Mapping[str, int]) -> dict[str, Any]:
    """The fields `stream` and `chunks` of the engine that the words describe; none where there is no SDRAM.

    Raises
    ------
    ConfigError
        They describe no chip.
    """
    fields = {
        name: value
        for register, record in SDRAM.items()
        for name, value in record.from_int(words.get(register, 0)).items()
    }
    if not fields["width"]:
        return {}
    name = b"".join(words[f"sdram_name_{i}"].to_bytes(4, "little") for i in range(NAME_WORDS))
    times: dict[str, Any] = {time: fields[time] / PER_NS for group in TIMES.values() for time in group}
    chip = SdramChip(
        name=name.rstrip(b"\0").decode("ascii", "replace"),
        **{field: fields[field] for field in GEOMETRY},
        **times,
        refresh_ms=fields["refresh_ms"] / PER_MS,
        init_us=fields["init_us"] / PER_US,
    )
    stream = SdramConfig(chip=chip, clock_hz=fields["clock_hz"], cas=fields["cas"], capture=fields["capture"])
    return {"stream": stream, "chunks": fields["chunks"]}


def _units(name: str, value: float, per: int) -> int:
    """The value in units, of which `per` make one."""
    units = round(value * per)
    if units / per != value:
        raise ConfigError(f"stream.{name} must be a multiple of 1/{per} to be told over the link, not {value!r}")
    return units
