# SPDX-License-Identifier: Apache-2.0
"""Energy of a mapped design from the toggles of its nets and the liberty's tables.

Per transition of an output, half of C V^2 of its load (`switching`) and the internal energy of the table of the input
that made it: where inputs toggle unequally, each table counts by the share of its input's toggles. Per transition of an
input, that pin's own table; per clock edge, that of the clock pin and half of C V^2 of it (`clock`). Tables are
read at the slews of `sysmt.sim.flow.slews`, the mean of rise and fall. Leakage is the cell's mean over its states.

No wires, no clock tree, no drivers of the ports.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .blocks import BLOCKS
from .cells import Cell, InternalPower
from .flat import NONE, Flat
from .slews import EDGES, edges, loads

ASSUMPTIONS = "no wires, no clock tree, ideal slews at ports and clock"
PARTS = ("switching", "internal", "clock", "leakage")

Weigh = Callable[[Cell, str, InternalPower], float]
"""Weight of one table of an output pin."""


@dataclass(frozen=True)
class Activity:
    """What happened in some time.

    Members
    -------
    toggles : [nets]
        Transitions of every net.
    clocked : [cells]
        Rising edges at the clock pin of every flip-flop and clock gate.
    seconds : float
        How long it took, for the leakage.
    """

    toggles: np.ndarray
    clocked: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Energy:
    """Joules: by part (`PARTS`) and by block (`sysmt.sim.flow.blocks.BLOCKS`); both have the same sum."""

    parts: dict[str, float]
    blocks: dict[str, float]

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.parts.values())


class EnergyModel:
    """Energy per event of every cell of a design; loads and slews are found once."""

    def __init__(self, flat: Flat):
        self.flat = flat
        self.load = loads(flat)
        self.slew = edges(flat, self.load).slew

    def energy(self, activity: Activity, weigh: Weigh | None = None) -> Energy:
        """Sum what happened, as `cells` says."""
        per_cell = self.cells(activity, weigh)
        blocks = np.bincount(self.flat.block, sum(per_cell.values()), len(BLOCKS))
        return Energy(
            {part: float(values.sum()) for part, values in per_cell.items()},
            {block: float(value) for block, value in zip(BLOCKS, blocks, strict=True) if value},
        )

    def cells(self, activity: Activity, weigh: Weigh | None = None) -> dict[str, np.ndarray]:
        """Joules of every cell, by part.

        Parameters
        ----------
        activity : Activity
        weigh : callable, optional
            Gives every table of an output its weight, in place of the share of its input's toggles: other tools have
            other rules.
        """
        flat, library = self.flat, self.flat.library
        per_cell = {part: np.zeros(len(flat.kind)) for part in PARTS}
        half = 0.5 * library.farads * library.voltage**2
        for number, cell in enumerate(flat.kinds):
            cells = flat.of(number)
            toggles = self._toggles(cell, cells, activity)
            for i, pin in enumerate(cell.outputs):
                nets = flat.pins[cells, len(cell.inputs) + i]
                made = np.where(nets == NONE, 0, toggles(pin))
                load = np.where(nets == NONE, 0.0, self.load[nets])
                per_cell["switching"][cells] += made * half * load
                each = self._output(cell, cells, pin, load, toggles, weigh)
                per_cell["internal"][cells] += made * library.joules * each
            for pin in cell.inputs:
                edges = toggles(pin) * library.joules
                part = "clock" if pin == cell.clock else "internal"
                for power in cell.pins[pin].powers:
                    per_cell[part][cells] += edges * self._mean(power, cell, cells, pin, np.zeros(len(cells)))
                if pin == cell.clock:
                    per_cell[part][cells] += toggles(pin) * half * cell.pins[pin].capacitance
            per_cell["leakage"][cells] = cell.leakage * library.leakage_watts * activity.seconds
        return per_cell

    def _toggles(self, cell: Cell, cells: np.ndarray, activity: Activity) -> Callable[[str], np.ndarray]:
        """Transitions of a pin of every cell of a kind; a clock pin has two per edge that reached it."""
        names = [*cell.inputs, *cell.outputs]

        def of(pin: str) -> np.ndarray:
            if pin == cell.clock:
                return 2.0 * activity.clocked[cells]
            nets = self.flat.pins[cells, names.index(pin)]
            return np.where(nets == NONE, 0, activity.toggles[nets])

        return of

    def _output(
        self,
        cell: Cell,
        cells: np.ndarray,
        pin: str,
        load: np.ndarray,
        toggles: Callable[[str], np.ndarray],
        weigh: Weigh | None,
    ) -> np.ndarray:
        """Internal energy of one transition of an output."""
        powers = cell.pins[pin].powers
        if not powers:
            return np.zeros(len(cells))
        energies, weights = [], []
        for power in powers:
            related = power.related if power.related in cell.inputs else ""
            energies.append(self._mean(power, cell, cells, related, load))
            weights.append(toggles(related) if related else np.ones(len(cells)))
        if weigh is not None:
            weighted = [weigh(cell, pin, power) * each for power, each in zip(powers, energies, strict=True)]
            return np.sum(weighted, axis=0)
        weight = np.array(weights, float)
        weight[:, weight.sum(axis=0) == 0] = 1.0
        return (np.array(energies) * weight).sum(axis=0) / weight.sum(axis=0)

    def _mean(self, power: InternalPower, cell: Cell, cells: np.ndarray, pin: str, load: np.ndarray) -> np.ndarray:
        """A table at the slews of the pin that makes the transition, mean of rise and fall."""
        if not pin or pin == cell.clock:
            slews = [np.zeros(len(cells))]
        else:
            nets = np.maximum(self.flat.pins[cells, cell.inputs.index(pin)], 0)
            slews = [self.slew[edge][nets] for edge in EDGES]
        return np.mean([power(slew, load) for slew in slews], axis=0)
