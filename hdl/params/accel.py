# SPDX-License-Identifier: Apache-2.0
"""Configuration of the accelerator: an array behind buffers and a host link.

Plain Python, read by gates, driver and boards.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from sysmt.base.errors import ConfigError

from .array import ArrayConfig
from .checks import in_range, one_of, power_of_two
from .config import Config
from .link import BUS, check_bus, check_rows
from .pe import X_WIDTH
from .protocol import ARGUMENTS, CHANNEL, CRC, HEADER, VERSION, Opcode

BUFFERS = ("depth", "result_rows", "requantize", "channels", "slot", "slots")
"""Fields of what an accelerator has between its array and its link."""
MAX_BAUD_ERROR = 0.02
"""Ten bits drift by a fifth of a bit: a receiver that samples in the middle still has half of its margin."""


def divisor_of(clock_hz: float, baud: float) -> int:
    """Clocks per bit for a UART of `baud` at `clock_hz`; refused when no whole number comes near enough."""
    divisor = max(round(clock_hz / baud), 1)
    error = abs(clock_hz / divisor / baud - 1)
    if error > MAX_BAUD_ERROR:
        raise ConfigError(
            f"baud = {baud:g} cannot be made of clock_hz = {clock_hz:g}: {divisor} clocks per bit are "
            f"{100 * error:.1f} % off, and {100 * MAX_BAUD_ERROR:g} % is allowed; take {clock_hz / divisor:g}"
        )
    return divisor


def check_link(slot: int, slots: int, divisor: int) -> None:
    """Refuse a host link that cannot be: bytes of a frame, frames, clocks per bit."""
    power_of_two("slot", slot, 64, 4096)
    power_of_two("slots", slots, 2, 16)
    in_range("divisor", divisor, 4, 65535)


@dataclass(frozen=True, kw_only=True)
class AccelConfig(Config):
    """An array with tile buffers in block RAM, a controller and a link to its host.

    Parameters
    ----------
    array : ArrayConfig
        The array; without `fuse`, which the controller does not drive.
    depth : int
        Steps that one half of an operand memory holds, a power of two. Operands are double-buffered: one half is
        filled while the array reads the other.
    result_rows : int
        Rows of sums that one half of the result memory holds, a power of two of at least `array.rows`.
    slot : int
        Bytes of the longest frame the device takes, without escapes, a power of two.
    slots : int
        Frames the device can hold: the credit of the host, which may have so many requests unanswered.
    requantize : bool
        A requantiser to 8 bits on the way of the results to the link (docs/numerics.md, "Requantisation").
    channels : int
        Output channels whose requantisation one half of the table holds, a power of two. Read with `requantize` only.
    divisor : int
        Clocks per bit of the UART, whole: see `divisor_of`.
    link : str
        How the host reaches it, of `sysmt.hdl.params.link.LINKS`. `slot`, `slots` and `divisor` are of `uart` only.
    data_width : int
        Bits of a beat of the bus: 32, 64 or 128. Not read with the link `uart`.
    bus_clock : bool
        The bus has a clock of its own, of the links of `sysmt.hdl.params.link.CLOCKED`; the device's is `core_clk`.
    """

    array: ArrayConfig = field(default_factory=ArrayConfig)
    depth: int = 256
    result_rows: int = 256
    slot: int = 256
    slots: int = 4
    requantize: bool = True
    channels: int = 64
    divisor: int = 16
    link: str = "uart"
    data_width: int = 32
    bus_clock: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.array, ArrayConfig):
            raise ConfigError(f"array must be an ArrayConfig, not {self.array!r}")
        if self.array.fuse:
            raise ConfigError("array.fuse = True cannot be driven by the accelerator: set fuse to False")
        check_bus(self.link, self.data_width, self.bus_clock)
        if self.link != "uart":
            check_rows(self.data_width, self.array.cols)
        power_of_two("depth", self.depth, 2, 1 << 15)
        power_of_two("result_rows", self.result_rows, 2, 1 << 15)
        one_of("requantize", self.requantize, (False, True))
        power_of_two("channels", self.channels, 2, 1 << 15)
        check_link(self.slot, self.slots, self.divisor)
        if self.result_rows < self.array.rows:
            raise ConfigError(
                f"result_rows = {self.result_rows} is less than one tile of array.rows = {self.array.rows}: "
                "give it at least as many"
            )
        if self.requantize and self.channels < self.array.cols:
            raise ConfigError(
                f"channels = {self.channels} is less than one tile of array.cols = {self.array.cols}: "
                "give it at least as many"
            )
        if self.frame_data < self.word_bytes:
            raise ConfigError(
                f"slot = {self.slot} leaves {self.frame_data} bytes for data, but one step takes {self.word_bytes}: "
                "make it larger"
            )

    @property
    def frame_data(self) -> int:
        """Bytes of data that one frame carries in either direction."""
        return self.slot - HEADER.size - ARGUMENTS[Opcode.WRITE].size - CRC.size

    @property
    def x_bytes(self) -> int:
        """Bytes of one step of activations."""
        return self.array.rows * self.array.pe.products * X_WIDTH // 8

    @property
    def w_bytes(self) -> int:
        """Bytes of one step of weights."""
        return self.array.pe.weight_bytes(self.array.cols)

    @property
    def table_bytes(self) -> int:
        """Bytes of one output channel in the table of the requantiser."""
        return CHANNEL.size if self.requantize else 0

    @property
    def word_bytes(self) -> int:
        """Bytes of the widest word that the host writes."""
        return max(self.x_bytes, self.w_bytes, self.table_bytes)

    @property
    def result_bits(self) -> int:
        """Bits of one row of sums."""
        return self.array.cols * self.array.pe.acc_width

    @property
    def memories(self) -> dict[str, tuple[int, int]]:
        """Width and depth of every memory."""
        table = {"table": (8 * CHANNEL.size, 2 * self.channels)} if self.requantize else {}
        return {
            "x": (8 * self.x_bytes, 2 * self.depth),
            "w": (8 * self.w_bytes, 2 * self.depth),
            "results": (self.result_bits, 2 * self.result_rows),
            "frames": (8, self.slot * self.slots),
            **table,
        }

    @property
    def memory_bits(self) -> int:
        """Bits of block RAM that all memories need."""
        return sum(width * depth for width, depth in self.memories.values())

    @property
    def fingerprint(self) -> int:
        """64 bits that two different configurations do not share."""
        without = BUS if self.link == "uart" else () if self.bus_clock else ("bus_clock",)
        facts = {name: value for name, value in self.as_dict().items() if name not in without}
        text = json.dumps({"protocol": VERSION, **facts}, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def accel_config(array: ArrayConfig, **changes: Any) -> AccelConfig:
    """An accelerator around `array` with buffers that fit it; `changes` replace fields.

    The result memory holds eight tiles where that is no more than 512 rows, and a frame at least one word.
    """
    rows = max(array.rows, array.cols, 2)
    word = max(array.rows, array.cols) * array.pe.products
    sized = {
        "depth": 256,
        "result_rows": min(1 << (8 * rows - 1).bit_length(), 512) if rows <= 64 else 1 << (rows - 1).bit_length(),
        "slot": 256 if word <= 128 else 1 << (word + 64).bit_length(),
        "channels": max(64, 1 << (array.cols - 1).bit_length()),
    }
    return AccelConfig(array=array, **{**sized, **changes})
