# SPDX-License-Identifier: Apache-2.0
"""Cells of a library: pins, functions, and tables of delay and energy."""

from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError

from .logic import LogicError, truth_table

BUFFER = 0b10
NAND = 0b0111
CARRY = {2: 0b1000, 3: 0b11101000}
SUM = {2: 0b0110, 3: 0b10010110}
"""Truth tables of functions that cells are looked for by; carry and sum by the number of bits added."""


@dataclass(frozen=True, eq=False)
class Table:
    """Values over one or two axes, called with arrays; linear between the points and beyond them.

    An axis of the load comes second; a table over the load alone has one point on the first.
    """

    slew: np.ndarray
    load: np.ndarray
    values: np.ndarray

    def __call__(self, slew: np.ndarray, load: np.ndarray) -> np.ndarray:
        i, s = _place(self.slew, slew)
        j, t = _place(self.load, load)
        v = self.values
        i1, j1 = np.minimum(i + 1, len(self.slew) - 1), np.minimum(j + 1, len(self.load) - 1)
        return (1 - s) * ((1 - t) * v[i, j] + t * v[i, j1]) + s * ((1 - t) * v[i1, j] + t * v[i1, j1])


def _place(axis: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(axis) == 1:
        return np.zeros(np.shape(at), np.int64), np.zeros(np.shape(at))
    i = np.clip(np.searchsorted(axis, at) - 1, 0, len(axis) - 2)
    return i, (at - axis[i]) / (axis[i + 1] - axis[i])


@dataclass(frozen=True, eq=False)
class InternalPower:
    """Internal energy of one transition of a pin, in the library's units; the mean of rise and fall counts."""

    related: str
    tables: tuple[Table, ...]

    def __call__(self, slew: np.ndarray, load: np.ndarray) -> np.ndarray:
        return np.mean([table(slew, load) for table in self.tables], axis=0)


@dataclass(frozen=True, eq=False)
class Arc:
    """Delays and output slews from a related pin; `sense` tells which edges make which.

    Of a constraint, `delays` is how long before the related pin the data must be there.
    """

    related: str
    kind: str
    sense: str
    slews: dict[str, Table]
    delays: dict[str, Table]


@dataclass(frozen=True, eq=False)
class Pin:
    """A pin of a cell."""

    name: str
    direction: str
    capacitance: float
    function: str
    powers: tuple[InternalPower, ...]
    arcs: tuple[Arc, ...]
    clock: bool


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell: `next_state` and `clock` are those of a flip-flop, `gate` the enable of a clock gate; else empty."""

    name: str
    area: float
    leakage: float
    pins: dict[str, Pin]
    state: tuple[str, str] = ("", "")
    next_state: str = ""
    clock: str = ""
    gate: str = ""
    unusual: str = ""

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs, in the order of the truth tables."""
        return [name for name, pin in self.pins.items() if pin.direction == "input"]

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [name for name, pin in self.pins.items() if pin.direction == "output"]

    @property
    def is_register(self) -> bool:
        """Whether it is a flip-flop."""
        return bool(self.next_state)

    @property
    def is_buffer(self) -> bool:
        """Whether its output is its one input, and nothing else is special about it."""
        return len(self.outputs) == 1 and self.computes(self.outputs[0], 1, BUFFER)

    def computes(self, pin: str, inputs: int, table: int) -> bool:
        """Whether an output is this function of so many inputs, and the cell holds no state."""
        function = self.pins[pin].function
        if self.is_register or self.unusual or self.gate or not function or len(self.inputs) != inputs:
            return False
        try:
            return truth_table(function, self.inputs) == table
        except LogicError:
            return False

    def table(self, pin: str) -> int:
        """Truth table of an output; of the next state, with pin "", whose last input is the state itself."""
        expression = self.pins[pin].function if pin else self.next_state
        try:
            return truth_table(expression, self.inputs if pin else [*self.inputs, self.state[0]])
        except LogicError as error:
            raise UserError(f"cell {self.name} cannot be simulated: {error}") from error
