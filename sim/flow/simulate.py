# SPDX-License-Identifier: Apache-2.0
"""Cycle simulation of flat netlists, 64 independent streams at once, with the toggles of every net counted.

Bit j of a net's word is its value in stream j. Two ways to count:

- `zero` delays: all gates settle at once; every net toggles at most once a cycle, glitches are left out;
- `unit` delays: every gate takes one unit of time, and every change on the way counts, also those that a real gate
  would swallow because they are too short. The truth is in between.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sysmt.base.errors import UserError

from .flat import NONE, Flat
from .kernels import DEEPEST, Fanout, GateTable, Programs, Wavefront, levelled, next_states, settle, sweep, write
from .logic import decisions
from .stored_words import StoredWords

LANES = 64
DELAYS = ("zero", "unit")
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(eq=False)
class _Functions:
    """Programs of truth tables, one after the other."""

    starts: list[int] = field(default_factory=lambda: [0])
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    known: dict[tuple[int, int], int] = field(default_factory=dict)

    def number(self, table: int, inputs: int) -> int:
        """The program of a function; equal ones are one."""
        if (table, inputs) not in self.known:
            program = decisions(table, inputs)
            if len(program) > DEEPEST - 2:
                raise UserError(f"a function of {inputs} inputs is too large to be simulated")
            self.known[table, inputs] = len(self.starts) - 1
            self.rows += program
            self.starts.append(len(self.rows))
        return self.known[table, inputs]

    def arrays(self) -> Programs:
        """As the compiled loops take them."""
        return Programs(np.array(self.starts, np.int64), np.array(self.rows, np.int64).reshape(-1, 3))


class CellSimulation:
    """A design that runs, from an all-zero state.

    Parameters
    ----------
    flat : Flat
    delays : "zero" or "unit"

    Members
    -------
    toggles : int64 [nets]
        Changes of every net since counting was switched on, over all streams.
    clocked : int64 [cells]
        Rising edges that reached the clock pin of every flip-flop and clock gate, over all streams.
    counting : bool
    memories : list of StoredWords
        What the design's memories hold, from zero on, and how often they were accessed while counting.
    """

    def __init__(self, flat: Flat, delays: str = "unit"):
        self.flat, self.delays = flat, delays
        self.counting = False
        self.values = np.zeros(flat.nets, np.uint64)
        self.values[1] = _ALL
        self.toggles = np.zeros(flat.nets, np.int64)
        self.clocked = np.zeros(len(flat.kind), np.int64)
        functions = _Functions()
        gates, self._registers = _parts(flat, functions)
        self._programs = functions.arrays()
        order = _levels(gates, flat.nets)
        self._gates = GateTable(gates.program[order], gates.ins[order], gates.out[order])
        self._fanout = _fanout(self._gates.ins, flat.nets)
        self._changed = np.zeros(flat.nets, np.int64)
        self._wavefront = Wavefront(
            due=np.zeros(len(order), np.int64),
            words=np.zeros(len(order), np.uint64),
            stamps=np.full(len(order), -1, np.int64),
            stamp=np.zeros(1, np.int64),
        )
        self.memories = [StoredWords(memory) for memory in flat.memories]
        self._sweep(np.zeros(flat.nets, np.int64))

    def _sweep(self, toggles: np.ndarray) -> None:
        sweep(self.values, self._gates, self._programs, toggles)

    def port(self, name: str) -> np.ndarray:
        """The words of a port, bit 0 first."""
        return self.values[self.flat.ports[name][1]]

    def cycle(self, inputs: dict[str, np.ndarray]) -> None:
        """One rising edge, after which the inputs named have new words; then everything settles."""
        values, registers = self.values, self._registers
        taken = next_states(values, registers.gates, registers.enable, self._programs)
        if self.counting:
            enables = np.where(registers.enable == NONE, _ALL, values[registers.enable])
            self.clocked[registers.cells] += np.bitwise_count(enables).astype(np.int64)
            self.clocked[registers.clock_gates] += LANES
        nets = [registers.gates.out, *(self.flat.ports[name][1] for name in inputs)]
        words = [taken, *inputs.values()]
        for memory in self.memories:
            memory.edge(values, self.counting)
            nets.append(memory.data)
            words.append(memory.read)
        counts = self.toggles if self.counting else np.zeros(self.flat.nets, np.int64)
        changed = write(values, np.concatenate(nets), np.concatenate(words), counts, self._changed)
        if self.delays == "zero":
            self._sweep(counts)
        else:
            settle(
                values,
                changed,
                self._changed,
                self._gates,
                self._programs,
                self._fanout,
                self._wavefront,
                counts,
            )


class _Registers(NamedTuple):
    """Registers: as gates that write their outputs, their cells, the nets of their enables, and the clock gates."""

    gates: GateTable
    cells: np.ndarray
    enable: np.ndarray
    clock_gates: np.ndarray


def _parts(flat: Flat, functions: _Functions) -> tuple[GateTable, _Registers]:
    """GateTable and registers as arrays."""
    program, ins, out = [], [], []
    registers: list[list[np.ndarray]] = [[], [], [], [], []]
    gated: dict[int, int] = {}
    gate_cells: list[np.ndarray] = []
    width = max((len(cell.inputs) + 1 for cell in flat.kinds), default=1)

    def padded(columns: np.ndarray) -> np.ndarray:
        return np.pad(np.maximum(columns, 0), ((0, 0), (0, width - columns.shape[1])))

    for number, cell in enumerate(flat.kinds):
        if cell.gate:
            cells = flat.of(number)
            gate_cells.append(cells)
            pins = {pin: flat.pins[cells, i] for i, pin in enumerate((*cell.inputs, *cell.outputs))}
            if np.any(pins[cell.clock] != flat.clock):
                raise UserError(f"cell {cell.name} must have its clock from the port, not from another clock gate")
            gated |= dict(zip(pins[cell.outputs[0]].tolist(), pins[cell.gate].tolist(), strict=True))
    for number, cell in enumerate(flat.kinds):
        cells = flat.of(number)
        inputs = flat.pins[cells, : len(cell.inputs)]
        outputs = flat.pins[cells, len(cell.inputs) : len(cell.inputs) + len(cell.outputs)]
        if cell.gate:
            continue
        if cell.is_register:
            used = [i for i, pin in enumerate(cell.outputs) if np.any(outputs[:, i] != NONE)]
            if any(cell.pins[cell.outputs[i]].function.strip("() ") != cell.state[0] for i in used) or len(used) > 1:
                raise UserError(f"cell {cell.name} must be used by its true output alone to be simulated")
            q = outputs[:, used[0]] if used else np.full(len(cells), NONE)
            clocks = inputs[:, cell.inputs.index(cell.clock)]
            strays = set(clocks.tolist()) - {flat.clock} - set(gated)
            if strays:
                raise UserError(f"cell {cell.name} must be clocked by the port clk or a clock gate to be simulated")
            rows = np.column_stack([np.maximum(inputs, 0), np.maximum(q, 0)])
            number_of = functions.number(cell.table(""), len(cell.inputs) + 1)
            enables = np.array([gated.get(net, NONE) for net in clocks.tolist()], np.int64)
            columns = (np.full(len(cells), number_of), padded(rows), q, cells, enables)
            for column, values in zip(registers, columns, strict=True):
                column.append(values[q != NONE])
            continue
        for i, pin in enumerate(cell.outputs):
            used = outputs[:, i] != NONE
            number_of = functions.number(cell.table(pin), len(cell.inputs))
            program.append(np.full(int(used.sum()), number_of))
            ins.append(padded(inputs[used]))
            out.append(outputs[used, i])
    next_program, next_ins, q_nets, register_cells, enable = (np.concatenate(column) for column in registers)
    clock_gates = np.concatenate([np.zeros(0, np.int64), *gate_cells])
    return (
        GateTable(np.concatenate(program), np.concatenate(ins), np.concatenate(out)),
        _Registers(GateTable(next_program, next_ins, q_nets), register_cells, enable, clock_gates),
    )


def _levels(gates: GateTable, nets: int) -> np.ndarray:
    """GateTable in an order in which every input comes before; a loop is refused."""
    placed, count = levelled(gates.ins, gates.out, nets)
    if count < len(gates.out):
        raise UserError(f"a combinational loop through {len(gates.out) - count} gates cannot be simulated: break it")
    return placed


def _fanout(ins: np.ndarray, nets: int) -> Fanout:
    """The gates that each net leads to, net after net."""
    gates = np.repeat(np.arange(len(ins)), ins.shape[1])
    flat = ins.ravel()
    connected = flat > 1
    order = np.argsort(flat[connected], kind="stable")
    return Fanout(np.searchsorted(flat[connected][order], np.arange(nets + 1)), gates[connected][order])
