# SPDX-License-Identifier: Apache-2.0
"""One interface to the three cycle models: layers and an array in, cycles and utilisation of every layer out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.networks import Layer

from . import fuseconv, rtl, scalesim
from .scalesim import DATAFLOWS

METHODS = ("rtl", "fuseconv", "scalesim")


@dataclass(frozen=True)
class LayerCycles:
    """What one layer takes. `utilisation` is the share of the array's multiply-accumulate slots put to use, 0 to 1."""

    layer: Layer
    cycles: int
    utilisation: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as reports print them."""
        return {
            "name": self.layer.name,
            "kind": self.layer.kind,
            "shape": self.layer.shape(),
            "macs": self.layer.macs,
            "cycles": self.cycles,
            "utilisation": self.utilisation,
        }


@dataclass(frozen=True)
class CycleReport:
    """Cycles of all layers, one after the other."""

    layers: tuple[LayerCycles, ...]

    @property
    def total(self) -> int:
        """Cycles of the whole network."""
        return sum(row.cycles for row in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """`total` and `layers` as plain values."""
        return {"total": self.total, "layers": [row.as_dict() for row in self.layers]}


def evaluate(
    layers: Iterable[Layer],
    config: ArrayConfig,
    *,
    method: str = "rtl",
    dataflow: str = "os",
    threads: int | None = None,
) -> CycleReport:
    """Cycles of every layer.

    Parameters
    ----------
    layers : iterable of Layer
        A network, a topology file, or a single product.
    config : ArrayConfig
        The array. `fuseconv` and `scalesim` look at its size only.
    method : "rtl", "fuseconv" or "scalesim"
        Our own array; the published model of FuSeConv; SCALE-Sim.
    dataflow : "os", "ws" or "is"
        What stays in the array; only `scalesim` knows others than `os`.
    threads : int, optional
        Threads that `rtl` throttles the array to.

    Raises
    ------
    UserError
        Unknown or contradictory choices; a layer that the array cannot run, named.
    """
    if method not in METHODS:
        raise UserError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if dataflow not in DATAFLOWS:
        raise UserError(f"dataflow must be one of {', '.join(DATAFLOWS)}, not {dataflow!r}")
    if dataflow != "os" and method != "scalesim":
        raise UserError(f"dataflow must be os with method {method}, not {dataflow!r}; method scalesim has all three")
    if config.pe.threads != 1 and method != "rtl":
        raise UserError(f"threads must be 1 with method {method}, not {config.pe.threads}; method rtl has threads")
    slots = config.rows * config.cols * config.pe.throttle(threads)
    rows = []
    for layer in layers:
        try:
            cycles = _cycles(layer, config, method, dataflow, threads)
        except ConfigError as error:
            raise ConfigError(f"layer {layer.name}: {error}") from error
        rows.append(LayerCycles(layer, cycles, layer.macs / (cycles * slots)))
    if not rows:
        raise UserError("layers must be at least one, not none")
    return CycleReport(tuple(rows))


def _cycles(layer: Layer, config: ArrayConfig, method: str, dataflow: str, threads: int | None) -> int:
    if method == "rtl":
        return rtl.layer_cycles(layer, config, threads)
    if method == "fuseconv":
        return fuseconv.layer_cycles(layer, config.rows, config.cols)
    return scalesim.layer_cycles(layer, config.rows, config.cols, dataflow)
