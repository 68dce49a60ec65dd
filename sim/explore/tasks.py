# SPDX-License-Identifier: Apache-2.0
"""The pieces of work of an exploration: cycles, bytes, silicon, accuracy. Each can be sent to another process."""

from collections.abc import Sequence
from dataclasses import dataclass

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.batch import UNABLE, Planned, batch_cycles
from sysmt.sim.cost.rtl import most_threads
from sysmt.sim.cost.runs.order import chosen_runs
from sysmt.sim.cost.runs.product import AccelProduct, link_bytes
from sysmt.sim.cost.silicon import Built
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
    """What some designs take on a target."""

    target: Target
    designs: Sequence[Built]

    def __call__(self) -> list[Facts]:
        """Facts per design."""
        return self.target.predict(self.designs)


@dataclass(frozen=True)
class LinkTask:
    """Bytes over the host link for one input of a network on some accelerators, in the order that the driver takes;
    None on one that cannot run it."""

    layers: tuple[Layer, ...]
    plan: tuple[Planned | None, ...] | None
    accelerators: Sequence[AccelConfig]

    def __call__(self) -> list[int | None]:
        """A number per accelerator."""
        return [self._bytes(config) for config in self.accelerators]

    def _bytes(self, config: AccelConfig) -> int | None:
        total = 0
        plan = self.plan or (None,) * len(self.layers)
        for layer, planned in zip(self.layers, plan, strict=True):
            p = layer.products
            threads, k = most_threads(layer, config.array.pe), p.k
            if planned is not None:
                threads, k = planned.threads, planned.slots
            try:
                product = AccelProduct(p.m, k, p.n, config, threads)
            except ConfigError:
                return None
            total += p.count * link_bytes(product, chosen_runs(product)).total
        return total


@dataclass(frozen=True)
class AccuracyTask:
    """What one PE does to a model's answers."""

    judged: Judged
    pe: PEConfig

    def __call__(self) -> dict[str, object]:
        """As `judge`."""
        return judge(self.judged, self.pe)
