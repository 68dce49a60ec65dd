# SPDX-License-Identifier: Apache-2.0
"""What every unit of the engine does in every cycle: at work, or waiting for which other unit."""

from enum import IntEnum

import numpy as np


class Activity(IntEnum):
    """What a unit spends a cycle on.

    Work is a step of the array; a word taken or a column written by the filler; a beat of the requantisers; a read of
    the activation memory, one for the filler or for a residual. The array drains where the sums of the tile before are
    in the way, or are all that is left of the layer. All wait for weights from an SDRAM, behind the descriptor.
    """

    WORKS = 0
    RESIDUAL = 1
    DRAINS = 2
    WAITS_FILLER = 3
    WAITS_ARRAY = 4
    WAITS_REQUANTISER = 5
    WAITS_MEMORY = 6
    WAITS_WEIGHTS = 7
    FETCHES = 8
    IDLE = 9


class Record:
    """The activities of a layer's cycles, of each unit a byte per cycle.

    Members
    -------
    array, filler, requantiser, memory : bytearray
    """

    UNITS = ("array", "filler", "requantiser", "memory")

    def __init__(self) -> None:
        self.array, self.filler, self.requantiser, self.memory = (bytearray() for _ in self.UNITS)

    def add(self, array: Activity, filler: Activity, requantiser: Activity, memory: Activity) -> None:
        """One cycle."""
        self.array.append(array)
        self.filler.append(filler)
        self.requantiser.append(requantiser)
        self.memory.append(memory)

    def spend(self, activity: Activity, cycles: int = 1) -> None:
        """Cycles in which all units do the same."""
        for unit in self.UNITS:
            getattr(self, unit).extend([activity] * cycles)

    def insert(self, position: int, activity: Activity, cycles: int) -> None:
        """Cycles in which all units do the same, before the one at `position`."""
        for unit in self.UNITS:
            getattr(self, unit)[position:position] = bytes([activity] * cycles)

    def counts(self) -> dict[str, np.ndarray]:
        """Cycles of every unit by activity: int64 [activities]."""
        return {unit: np.bincount(getattr(self, unit), minlength=len(Activity)) for unit in self.UNITS}


def shares(records: list[Record], bins: int) -> dict[str, np.ndarray]:
    """Layers one after the other, in as many spans of equal length: of every unit float64 [activities, bins].

    Every span's shares add up to 1. A run that has fewer cycles than `bins` gets a span per cycle.
    """
    found: dict[str, np.ndarray] = {}
    for unit in Record.UNITS:
        doing = np.frombuffer(b"".join(getattr(record, unit) for record in records), np.uint8)
        edges = np.linspace(0, len(doing), min(bins, len(doing)) + 1).astype(int)
        sums = np.stack([np.add.reduceat(doing == activity, edges[:-1], dtype=np.int64) for activity in Activity])
        found[unit] = sums / np.diff(edges)
    return found
