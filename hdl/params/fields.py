# SPDX-License-Identifier: Apache-2.0
"""Named bit fields: one table gives the bytes of the host, the layout of the hardware and the documentation."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A field of a `PackedRecord`.

    Parameters
    ----------
    name : str
    width : int
        Bits.
    text : str
        What it means, in one sentence.
    signed : bool
        Two's complement.
    group : str
        In hardware a structure of this name around successive fields of one group.
    reserved : bool
        Sent as zero; takes no argument.
    """

    name: str
    width: int
    text: str
    signed: bool = False
    group: str = ""
    reserved: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value."""
        return (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1) if self.signed else (0, (1 << self.width) - 1)

    @property
    def type(self) -> str:
        """The type as text: `u16`, `i8`."""
        return f"{'i' if self.signed else 'u'}{self.width}"


class PackedRecord:
    """Fields packed without gaps, the first one in the lowest bits; as bytes little end first.

    The last byte is filled up with zeros.

    Parameters
    ----------
    fields : Field

    Members
    -------
    fields : dict of name to Field
    offsets : dict of name to int
        Lowest bit of each field.
    size : int
        Bytes.
    """

    def __init__(self, *fields: Field):
        self.fields = {field.name: field for field in fields}
        self.offsets: dict[str, int] = {}
        width = 0
        for field in fields:
            if field.name in self.offsets:
                raise ValueError(f"field {field.name!r} is in a record twice")
            self.offsets[field.name] = width
            width += field.width
        self.size = -(-width // 8)

    def to_int(self, values: Mapping[str, int]) -> int:
        """The record as a number.

        Raises
        ------
        TypeError
            A field has no value, or a value no field.
        ValueError
            A value is outside its field.
        """
        named = {name: field for name, field in self.fields.items() if not field.reserved}
        if values.keys() != named.keys():
            raise TypeError(f"fields must be {', '.join(named)}, not {', '.join(values)}")
        word = 0
        for name, field in named.items():
            low, high = field.limits
            if not low <= values[name] <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {values[name]}")
            word |= (values[name] & ((1 << field.width) - 1)) << self.offsets[name]
        return word

    def from_int(self, word: int) -> dict[str, int]:
        """The value of each field that is not reserved."""
        values = {}
        for name, field in self.fields.items():
            if field.reserved:
                continue
            value = word >> self.offsets[name] & ((1 << field.width) - 1)
            values[name] = value - (1 << field.width) if value > field.limits[1] else value
        return values

    def pack(self, **values: int) -> bytes:
        """The record as bytes; raises as `to_int`."""
        return self.to_int(values).to_bytes(self.size, "little")

    def unpack(self, content: bytes) -> dict[str, int]:
        """The value of each field in the first `size` bytes.

        Raises
        ------
        ValueError
            There are fewer bytes.
        """
        if len(content) < self.size:
            raise ValueError(f"a record of {self.size} bytes cannot be read from {len(content)}")
        return self.from_int(int.from_bytes(content[: self.size], "little"))

    def markdown(self) -> str:
        """A table of the fields: bits, name, type, text."""
        lines = ["| bits | field | type | meaning |", "|---|---|---|---|"]
        for name, field in self.fields.items():
            first = self.offsets[name]
            bits = f"{first}" if field.width == 1 else f"{first}-{first + field.width - 1}"
            lines.append(f"| {bits} | `{name}` | {field.type} | {field.text} |")
        return "\n".join(lines) + "\n"
