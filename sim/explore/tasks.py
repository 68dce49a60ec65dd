# SPDX-License-Identifier: Apache-2.0
"""The pieces of work of an exploration: cycles, silicon, accuracy. Each can be sent to another process."""

from collections.abc import Sequence
from dataclasses import dataclass

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.batch import UNABLE, Planned, batch_cycles
from sysmt.sim.nn.layer import Layer

from .accuracy import Judged, judge
from .silicon import Facts, Target


@dataclass(frozen=True)
class CycleTask:
    """Cycles of a network on some arrays; None on one that cannot run it."""

    layers: tuple[Layer, ...]
    plan: tuple[Planned | None, ...] | None
    arrays: Sequence[ArrayConfig]

    def __call__(self) -> list[int | None]:
        """A number per array."""
        cycles = batch_cycles(self.layers, self.arrays, self.plan)
        able = (cycles != UNABLE).all(axis=1)
        return [int(row.sum()) if runs else None for row, runs in zip(cycles, able, strict=True)]


@dataclass(frozen=True)
class SiliconTask:
    """What some arrays take on a target."""

    target: Target
    arrays: Sequence[ArrayConfig]

    def __call__(self) -> list[Facts | None]:
        """Facts per array."""
        return self.target.predict(self.arrays)


@dataclass(frozen=True)
class AccuracyTask:
    """What one PE does to a model's answers."""

    judged: Judged
    pe: PEConfig

    def __call__(self) -> dict[str, object]:
        """As `judge`."""
        return judge(self.judged, self.pe)
