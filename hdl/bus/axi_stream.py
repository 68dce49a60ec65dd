# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream (AMBA 4 AXI4-Stream Protocol, ARM IHI 0051): flat ports, and tdata of whole bytes.

A field takes 1, 2, 4, 8 ... bytes, the fewest that hold it, the lowest byte first, and is extended to them: with zeros,
or with its sign. Fields follow one another without gaps, elements of arrays too, so that software sees packed
structures of its own integers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Shape, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


@dataclass(frozen=True)
class AXIStream:
    """A stream of a design as AXI4-Stream.

    Parameters
    ----------
    name : str
        How its ports begin: `s_axis_x` of what comes in, `m_axis_sums` of what goes out.
    layout : data.Layout
        Of a beat.
    tlast : str
        What the last beat of a packet is. Without, every beat is a packet: tlast of what goes out is 1, and what comes
        in has none.
    """

    name: str
    layout: data.Layout
    tlast: str = ""

    @property
    def enters(self) -> bool:
        """It comes in."""
        return self.name.startswith("s_")

    @property
    def bytes(self) -> int:
        """Of tdata."""
        return sum(size for _, size in _leaves(self.layout))

    @property
    def ports(self) -> dict[str, wiring.Member]:
        """Members of the design."""
        there, back = (In, Out) if self.enters else (Out, In)
        ports = {"tdata": there(8 * self.bytes), "tvalid": there(1), "tready": back(1)}
        if self.tlast or not self.enters:
            ports["tlast"] = there(1)
        return {f"{self.name}_{port}": member for port, member in ports.items()}

    def facts(self) -> dict[str, Any]:
        """The stream for a manifest: `offset` and `bytes` of every field, `width` of what counts of it in bits."""
        last = self.tlast or (None if self.enters else "every beat")
        return {"bytes": self.bytes, "tlast": last, "layout": _described(self.layout)}

    def lines(self) -> list[str]:
        """The same in words: a line for the stream, and one for every field."""
        last = "no tlast: a beat is a packet" if not self.facts()["tlast"] else f"tlast: {self.facts()['tlast']}"
        return [f"{self.name}: {self.bytes} bytes, {last}", *_words(self.layout, "", 0)]


def bytes_of(width: int) -> int:
    """The fewest of 1, 2, 4, 8 ... bytes that hold so many bits."""
    return 1 << (max(1, -(-width // 8)) - 1).bit_length()


def _leaves(shape: Any) -> Iterator[tuple[Shape, int]]:
    """Shape and bytes of every field that is no structure itself, in order; between their bits is nothing."""
    if isinstance(shape, data.ArrayLayout):
        for _ in range(shape.length):
            yield from _leaves(shape.elem_shape)
    elif isinstance(shape, data.StructLayout):
        for _, field in shape:
            yield from _leaves(field.shape)
    else:
        leaf = Shape.cast(shape)
        if leaf.width:
            yield leaf, bytes_of(leaf.width)


def _size(shape: Any) -> int:
    return sum(size for _, size in _leaves(shape))


def _described(shape: Any) -> Any:
    if isinstance(shape, data.ArrayLayout):
        return {"array": shape.length, "of": _described(shape.elem_shape)}
    if isinstance(shape, data.StructLayout):
        fields, at = {}, 0
        for key, field in shape:
            fields[str(key)] = {"offset": at} | _described(field.shape)
            at += _size(field.shape)
        return fields
    leaf = Shape.cast(shape)
    return {"bytes": bytes_of(leaf.width) if leaf.width else 0, "width": leaf.width, "signed": leaf.signed}


def _words(shape: Any, name: str, at: int) -> Iterator[str]:
    """Lines of the fields, arrays in one; bytes from `at` on."""
    if isinstance(shape, data.StructLayout):
        for key, field in shape:
            yield from _words(field.shape, str(key), at)
            at += _size(field.shape)
        return
    places, size, inner = "", _size(shape), shape
    while isinstance(inner, data.ArrayLayout):
        places, inner = f"{places}[{inner.length}]", inner.elem_shape
    leaf = Shape.cast(inner)
    if leaf.width:
        where = f"byte {at}" if size == 1 else f"bytes {at} to {at + size - 1}"
        bits = 8 * bytes_of(leaf.width)
        counts = "" if leaf.width == bits else f", {leaf.width} bits count"
        yield f"  {where}: {name}{places} {'int' if leaf.signed else 'uint'}{bits}{counts}"


def to_bytes(value: Value, layout: data.Layout) -> Value:
    """tdata of `value`, a beat of the layout."""
    parts, at = [], 0
    for leaf, size in _leaves(layout):
        field = value[at : at + leaf.width]
        fill = field[-1] if leaf.signed else Const(0, 1)
        parts.append(Cat(field, fill.replicate(8 * size - leaf.width)))
        at += leaf.width
    return Cat(parts)


def from_bytes(tdata: Value, layout: data.Layout) -> tuple[Value, Value]:
    """A beat of the layout, and whether a bit beside its fields is not as the extension of the field has it."""
    parts, stray, at = [], [], 0
    for leaf, size in _leaves(layout):
        field, beside = tdata[at : at + leaf.width], tdata[at + leaf.width : at + 8 * size]
        parts.append(field)
        if len(beside):
            stray.append(beside != (field[-1].replicate(len(beside)) if leaf.signed else 0))
        at += 8 * size
    return Cat(parts), reduce(or_, stray, Const(0, 1))
