# SPDX-License-Identifier: Apache-2.0
"""Cell libraries: areas, pins with their capacitances and tables, flip-flops and clock gates, read when asked for."""

import gzip
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError

from .cells import CARRY, NAND, SUM, Arc, Cell, InternalPower, Pin, Table
from .liberty_syntax import Group, LibertyError, parse, without_comments

_CELL = re.compile(r'\bcell\s*\(\s*"?([\w$]+)"?\s*\)\s*\{')


@dataclass
class CellLibrary:
    """A liberty file: where it lies, and its text as it is there, unpacked."""

    path: Path
    source: bytes
    _spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    _cells: dict[str, Cell] = field(default_factory=dict)

    def __post_init__(self):
        self.text = without_comments(self.source.decode(errors="replace"))
        starts = [(match.group(1), match.start()) for match in _CELL.finditer(self.text)]
        ends = [*(start for _, start in starts), len(self.text)][1:]
        self._spans = {name: (start, end) for (name, start), end in zip(starts, ends, strict=True)}

    @cached_property
    def head(self) -> Group:
        """The library's own attributes and templates."""
        first = min((start for start, _ in self._spans.values()), default=len(self.text))
        return parse(self.text[:first] + "}")

    @property
    def name(self) -> str:
        """What the library calls itself."""
        return self.head.names[0] if self.head.names else self.path.stem

    @property
    def voltage(self) -> float:
        """Volts."""
        return self.head.number("nom_voltage") or next(
            (group.number("voltage") for group in self.head.all("operating_conditions")), 1.0
        )

    @property
    def seconds(self) -> float:
        """The unit of time, in seconds."""
        return _unit(self.head.text("time_unit", "1ns"), "s")

    @property
    def farads(self) -> float:
        """The unit of capacitance, in farads."""
        scale, unit = (self.head.values.get("capacitive_load_unit") or ["1", "pf"])[:2]
        return float(scale) * _unit(f"1{unit.lower()}", "f")

    @property
    def joules(self) -> float:
        """The unit of internal energy, in joules: capacitance times the square of the unit of voltage."""
        return self.farads * _unit(self.head.text("voltage_unit", "1V").lower(), "v") ** 2

    @property
    def leakage_watts(self) -> float:
        """The unit of leakage, in watts."""
        return _unit(self.head.text("leakage_power_unit", "1nW").lower(), "w")

    @property
    def names(self) -> Collection[str]:
        """Names of all cells."""
        return self._spans.keys()

    def cell(self, name: str) -> Cell:
        """One cell; a name that the library does not have is refused."""
        if name not in self._cells:
            if name not in self._spans:
                raise UserError(f"cell {name} is not in library {self.path.name}")
            try:
                self._cells[name] = self._read(parse(self.text[slice(*self._spans[name])]))
            except LibertyError as error:
                raise UserError(f"library {self.path.name}: cell {name} cannot be read: {str(error)[:SAID]}") from error
        return self._cells[name]

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells."""
        return [self.cell(name) for name in self._spans]

    @cached_property
    def smallest_nand(self) -> Cell:
        """The smallest two-input NAND: what areas are compared by."""
        nands = [cell for cell in self.cells if len(cell.outputs) == 1 and cell.computes(cell.outputs[0], 2, NAND)]
        if not nands:
            raise UserError(f"library {self.path.name} has no NAND of two inputs: logic cannot be mapped to it")
        return min(nands, key=lambda cell: cell.area)

    def adder(self, bits: int) -> tuple[str, list[str], str, str] | None:
        """The smallest full (3) or half (2) adder: its name, inputs, carry and sum; None where there is none."""
        adders = []
        for cell in self.cells:
            carries = [pin for pin in cell.outputs if cell.computes(pin, bits, CARRY[bits])]
            sums = [pin for pin in cell.outputs if cell.computes(pin, bits, SUM[bits])]
            if carries and sums:
                adders.append((cell.area, cell.name, cell.inputs, carries[0], sums[0]))
        return min(adders)[1:] if adders else None

    def check(self) -> None:
        """Refuse a library that logic with registers cannot be mapped to."""
        if not any(cell.is_register and not cell.unusual for cell in self.cells):
            raise UserError(f"library {self.path.name} has no flip-flop (an ff group with clocked_on and next_state)")
        _ = self.smallest_nand

    def _read(self, group: Group) -> Cell:
        pins = {name: self._pin(pin, name) for pin in group.all("pin") for name in pin.names}
        leakages = [leak.number("value") for leak in group.all("leakage_power")]
        mean = sum(leakages) / len(leakages) if leakages else 0.0
        state, next_state, clock, gate, unusual = ("", ""), "", "", "", ""
        for ff in group.all("ff"):
            names = [*ff.names, "", ""]
            state, next_state = (names[0], names[1]), ff.text("next_state")
            edge = ff.text("clocked_on").replace(" ", "")
            clock = edge.strip("()!'")
            if ff.text("clear") or ff.text("preset") or edge not in pins:
                unusual = "a flip-flop with clear, preset or an inverted clock"
        if group.text("clock_gating_integrated_cell"):
            enables = [pin for pin in group.all("pin") if pin.text("clock_gate_enable_pin") == "true"]
            clocks = [pin for pin in group.all("pin") if pin.text("clock_gate_clock_pin") == "true"]
            if enables and clocks:
                gate, clock = enables[0].names[0], clocks[0].names[0]
        elif list(group.all("latch")) or list(group.all("statetable")):
            unusual = "a latch"
        return Cell(
            name=group.names[0],
            area=group.number("area"),
            leakage=group.number("cell_leakage_power", mean),
            pins=pins,
            state=state,
            next_state=next_state,
            clock=clock,
            gate=gate,
            unusual=unusual,
        )

    def _pin(self, group: Group, name: str) -> Pin:
        powers = []
        for power in group.all("internal_power"):
            tables = [self._table(t) for kind in ("rise_power", "fall_power", "power") for t in power.all(kind)]
            if tables:
                powers.append(InternalPower(power.text("related_pin"), tuple(tables)))
        arcs = []
        for timing in group.all("timing"):
            slews = {e: self._table(t) for e in ("rise", "fall") for t in timing.all(f"{e}_transition")}
            kinds = [(e, kind) for e in ("rise", "fall") for kind in (f"cell_{e}", f"{e}_constraint")]
            delays = {e: self._table(t) for e, kind in kinds for t in timing.all(kind)}
            if slews or delays:
                kind = timing.text("timing_type", "combinational")
                arcs.append(Arc(timing.text("related_pin"), kind, timing.text("timing_sense"), slews, delays))
        return Pin(
            name=name,
            direction=group.text("direction"),
            capacitance=group.number("capacitance", self.head.number("default_input_pin_cap")),
            function=group.text("function"),
            powers=tuple(powers),
            arcs=tuple(arcs),
            clock=group.text("clock") == "true",
        )

    def _table(self, group: Group) -> Table:
        """A table with the axes of its template where it has none of its own."""
        template = next((t for t in self.head.groups if t.names[:1] == group.names[:1] and group.names), None)
        axes = []
        for number in ("1", "2"):
            given = group.values.get(f"index_{number}") or (
                template.values.get(f"index_{number}") if template else None
            )
            axes.append(_numbers(given) if given else np.zeros(1))
        load_first = template is not None and "capacitance" in template.text("variable_1")
        values = _numbers(group.values.get("values", []))
        if values.size != axes[0].size * axes[1].size:
            raise LibertyError(f"a table has {values.size} values for {axes[0].size} x {axes[1].size} points")
        values = values.reshape(axes[0].size, axes[1].size)
        return Table(axes[1], axes[0], values.T) if load_first else Table(axes[0], axes[1], values)


def _numbers(texts: list[str]) -> np.ndarray:
    try:
        return np.array([float(word) for text in texts for word in re.split(r"[\s,]+", text.strip()) if word])
    except ValueError as error:
        raise LibertyError(str(error)) from None


def _unit(text: str, symbol: str) -> float:
    match = re.fullmatch(r"\s*([\d.]+)\s*([munpf]?)" + symbol + r"\s*", text)
    if not match:
        raise LibertyError(f"unit {text!r} is not understood")
    return float(match.group(1)) * {"": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}[match.group(2)]


LARGEST = 2**28
"""Bytes of the largest liberty file read, whatever a small .gz unpacks to."""
SAID = 200
"""Letters of a damaged file that an error repeats at most."""


def content(path: Path) -> bytes:
    """The bytes of a liberty file, unpacked when its name ends in .gz."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        reason = error.strerror or "it is not gzip"
        raise UserError(f"library {str(path)!r} cannot be read: {reason}") from error
    except (EOFError, zlib.error) as error:
        raise UserError(f"library {str(path)!r} cannot be read: it is cut off") from error
    if len(data) > LARGEST:
        raise UserError(f"library {str(path)!r} must be of at most {LARGEST} bytes, unpacked; leave cells out")
    return data


def read(path: Path) -> CellLibrary:
    """Read a liberty file; what is none, or lacks a flip-flop or a NAND, is refused."""
    library = CellLibrary(path, content(path))
    try:
        kind = library.head.kind
    except LibertyError as error:
        raise UserError(f"library {path.name} is not a liberty file: {str(error)[:SAID]}") from error
    if kind != "library":
        raise UserError(f"library {path.name} is not a liberty file: it begins with {kind[:40]!r}")
    for name in ("voltage", "seconds", "farads", "joules", "leakage_watts"):
        try:
            value = getattr(library, name)
        except ValueError as error:
            raise UserError(f"library {path.name} has units that cannot be read: {str(error)[:SAID]}") from error
        if not 0 < value < float("inf"):
            raise UserError(f"library {path.name} must have units above 0, not {value} {name}")
    library.check()
    return library
