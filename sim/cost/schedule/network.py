# SPDX-License-Identifier: Apache-2.0
"""The best schedule of every layer of a network, beside the driver's own."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.sim.cost.runs.order import chosen_runs, plain_runs
from sysmt.sim.cost.runs.product import AccelProduct, PlannedRun, link_bytes
from sysmt.sim.nn.layer import Layer

from .count import Schedule, counted
from .layers import DEFAULT_UNROLL, nest_of, product_nest, product_unrolling, unrollings
from .machine import HOPS, Machine
from .machines import machine_of_accelerator
from .nest import Nest
from .search import search

VALUE = {
    "energy": lambda found: found.energy,
    "cycles": lambda found: found.cycles,
    "traffic": lambda found: found.traffic,
}
"""What is least, by objective."""


class Subject(Protocol):
    """What is scheduled: a layer, or what a compiler made of one."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def kind(self) -> str:
        """Of the layer."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""


@dataclass(frozen=True)
class LayerSchedule:
    """A layer with its best schedule.

    Members
    -------
    layer : Layer
    count : int
        Equal nests that the layer is; the schedule is of one.
    best : Schedule
    driver : Schedule or None
        On the accelerator the blocking and order that the driver takes, on the engine those of the compiler, counted in
        the same way.
    link_bytes : (int, int) or None
        On the accelerator, bytes over the host link in the driver's order and in the plain one, frames included.
    """

    layer: Subject
    count: int
    best: Schedule
    driver: Schedule | None = None
    link_bytes: tuple[int, int] | None = None

    @property
    def energy(self) -> float:
        """Energy of the whole layer."""
        return self.count * self.best.energy

    @property
    def cycles(self) -> float:
        """Cycles of the whole layer."""
        return self.count * self.best.cycles

    @property
    def traffic(self) -> float:
        """Bytes of the whole layer that pass the outermost level."""
        return self.count * self.best.traffic

    @property
    def intensity(self) -> float:
        """Multiply-accumulates per byte of the outermost level."""
        return self.best.nest.macs / self.best.traffic

    @property
    def roof(self) -> float:
        """Multiply-accumulates per cycle that array and outermost bandwidth allow at this intensity."""
        machine = self.best.machine
        bandwidth = machine.levels[-1].bandwidth
        peak = float(machine.macs_per_cycle)
        return min(peak, self.intensity * bandwidth) if bandwidth else peak

    def as_dict(self) -> dict[str, Any]:
        """Plain values, of the whole layer; the blocking is of one of its nests."""
        own = {} if self.driver is None else {"driver": self.driver.as_dict()}
        if self.link_bytes is not None:
            own["link_bytes"] = {"driver": self.link_bytes[0], "plain": self.link_bytes[1]}
        return {
            "name": self.layer.name,
            "kind": self.layer.kind,
            "macs": self.layer.macs,
            "nests": self.count,
            "energy": self.energy,
            "cycles": self.cycles,
            "stall_cycles": self.count * (self.best.cycles - self.best.compute_cycles),
            "traffic_bytes": self.traffic,
            "macs_per_byte": self.intensity,
            "macs_per_cycle": self.best.nest.macs / self.best.cycles,
            "roof_macs_per_cycle": self.roof,
            "schedule": self.best.as_dict(),
            **own,
        }


@dataclass(frozen=True)
class NetworkSchedule:
    """All layers of a network on one machine."""

    machine: Machine
    objective: str
    layers: tuple[LayerSchedule, ...]

    @property
    def energy(self) -> float:
        """Energy of the network."""
        return sum(row.energy for row in self.layers)

    @property
    def cycles(self) -> float:
        """Cycles of the network, layer after layer."""
        return sum(row.cycles for row in self.layers)

    @property
    def levels(self) -> dict[str, float]:
        """Energy per level and of the hops."""
        at = self.machine.array_level + 1
        names = [level.name for level in self.machine.levels]
        names.insert(at, HOPS)
        return {name: sum(row.count * row.best.levels[i] for row in self.layers) for i, name in enumerate(names)}

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "machine": self.machine.as_dict(),
            "objective": self.objective,
            "energy": self.energy,
            "levels": self.levels,
            "cycles": self.cycles,
            "traffic_bytes": sum(row.traffic for row in self.layers),
            "layers": [row.as_dict() for row in self.layers],
        }


def schedule_network(
    layers: Iterable[Layer], machine: Machine, objective: str = "energy", unroll: str = DEFAULT_UNROLL
) -> NetworkSchedule:
    """The best schedule of every layer.

    Parameters
    ----------
    layers : iterable of Layer
    machine : Machine
    objective : "energy", "cycles" or "traffic"
    unroll : str
        Two loops, down and across, or `all` (`sysmt.sim.cost.schedule.layers.unrollings`).

    Raises
    ------
    UserError
        A layer for which no blocking fits, named; no layers.
    """
    rows = []
    for layer in layers:
        count, nest = nest_of(layer)
        try:
            rows.append(LayerSchedule(layer, count, _best(nest, machine, objective, unroll)))
        except ConfigError as error:
            raise ConfigError(f"layer {layer.name}: {error}") from error
    if not rows:
        raise UserError("layers must be at least one, not none")
    return NetworkSchedule(machine, objective, tuple(rows))


def schedule_on_accelerator(
    layers: Iterable[Layer], config: AccelConfig, objective: str = "energy", machine: Machine | None = None
) -> NetworkSchedule:
    """The best schedule of every layer on this project's accelerator, as products, beside the driver's.

    Parameters
    ----------
    layers, objective
        As for `schedule_network`.
    config : AccelConfig
        The accelerator, whose driver is asked for its runs.
    machine : Machine, optional
        With other energies; by default `machine_of_accelerator(config)`.
    """
    machine = machine or machine_of_accelerator(config)
    rows = []
    for layer in layers:
        count, nest = product_nest(layer, machine)
        p = layer.products
        try:
            product = AccelProduct(p.m, p.k, p.n, config, config.array.pe.threads)
        except ConfigError as error:
            raise ConfigError(f"layer {layer.name}: {error}") from error
        runs = chosen_runs(product)
        driver = _of_runs(nest, machine, product, runs)
        best = min(_padded(nest, machine, objective), driver, key=VALUE[objective])
        sent = (link_bytes(product, runs).total, link_bytes(product, plain_runs(product)).total)
        rows.append(LayerSchedule(layer, count, best, driver, (count * sent[0], count * sent[1])))
    if not rows:
        raise UserError("layers must be at least one, not none")
    return NetworkSchedule(machine, objective, tuple(rows))


@lru_cache(maxsize=1024)
def _best(nest: Nest, machine: Machine, objective: str, unroll: str) -> Schedule:
    """The best of all unrollings that a choice means; the first of equals."""
    found, refused = [], None
    for unrolling in unrollings(unroll, nest, machine):
        try:
            found.append(search(nest, machine, unrolling, objective))
        except ConfigError as error:
            refused = refused or error
    if not found:
        assert refused is not None
        raise refused
    return min(found, key=VALUE[objective])


@lru_cache(maxsize=1024)
def _padded(nest: Nest, machine: Machine, objective: str) -> Schedule:
    """The best schedule of a product in whole tiles."""
    return search(nest, machine, product_unrolling(machine), objective)


def _of_runs(nest: Nest, machine: Machine, product: AccelProduct, runs: list[PlannedRun]) -> Schedule:
    """The blocking and the order of runs as a schedule: sums stay in the array, and over runs the operand that changes
    less often."""
    inner = {
        "OX": max(run.m_tiles for run in runs),
        "OC": max(run.n_tiles for run in runs),
        "IC": max(run.steps for run in runs),
    }
    tiles = {"OX": product.m_tiles, "OC": product.n_tiles, "IC": product.steps}
    blocking = dict.fromkeys(nest.size, (1, 1, 1)) | {loop: (1, n, -(-tiles[loop] // n)) for loop, n in inner.items()}
    changes = [
        sum(a != b for a, b in zip(held, held[2:], strict=False))
        for held in ([(run.m_tile, run.first) for run in runs], [(run.n_tile, run.first) for run in runs])
    ]
    stays = "input" if changes[0] <= changes[1] else "weights"
    return counted(nest, machine, product_unrolling(machine), blocking, ("output", stays))
