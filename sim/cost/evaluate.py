# SPDX-License-Identifier: Apache-2.0
"""One interface to the three cycle models: layers and an array in, cycles and utilisation of every layer out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.layer import Layer

from .fuseconv import FuseConvCycles
from .rtl import RtlCycles
from .scalesim import DATAFLOWS, ScaleSimCycles

METHODS = ("rtl", "fuseconv", "scalesim")


class CycleModel(Protocol):
    """How many cycles layers take on one array, by one way of counting: all that a report needs."""

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates of the whole array in one cycle."""

    def layer_cycles(self, layer: Layer) -> int:
        """Cycles of one layer on its own."""


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
    optimise: bool = True,
) -> CycleReport:
    """Cycles of every layer.

    Parameters
    ----------
    layers : iterable of Layer
        What `sysmt.sim.nn.readers.read_network` returns, or a single product.
    config : ArrayConfig
        The array. `fuseconv` and `scalesim` look at its size only.
    method : "rtl", "fuseconv" or "scalesim"
        Our own array; the published model of FuSeConv; SCALE-Sim.
    dataflow : "os", "ws" or "is"
        What stays in the array; only `scalesim` knows others than `os`.
    threads : int, optional
        Threads that `rtl` throttles the array to.
    optimise : bool
        `rtl` runs depthwise layers as is fastest (`depthwise_lowering`); else channel by channel.

    Raises
    ------
    UserError
        Unknown or contradictory choices; a layer that the array cannot run, named.
    """
    return cycles_of(layers, cycle_model(config, method, dataflow, threads, optimise))


def cycle_model(
    config: ArrayConfig,
    method: str = "rtl",
    dataflow: str = "os",
    threads: int | None = None,
    optimise: bool = True,
) -> CycleModel:
    """The cycle model of a name: choices as for `evaluate`."""
    if not isinstance(method, str) or method not in METHODS:
        raise UserError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if not isinstance(dataflow, str) or dataflow not in DATAFLOWS:
        raise UserError(f"dataflow must be one of {', '.join(DATAFLOWS)}, not {dataflow!r}")
    if dataflow != "os" and method != "scalesim":
        raise UserError(f"dataflow must be os with method {method}, not {dataflow!r}; method scalesim has all three")
    if config.pe.threads != 1 and method != "rtl":
        raise UserError(f"threads must be 1 with method {method}, not {config.pe.threads}; method rtl has threads")
    config.pe.throttle(threads)
    if method == "rtl":
        return RtlCycles(config, threads, optimise)
    if method == "fuseconv":
        return FuseConvCycles(config.rows, config.cols)
    return ScaleSimCycles(config.rows, config.cols, dataflow)


def cycles_of(layers: Iterable[Layer], model: CycleModel) -> CycleReport:
    """Cycles of every layer by one model."""
    rows = []
    counts = isinstance(model, RtlCycles) and model.config.pe.dense_threads < model.config.pe.threads
    for layer in layers:
        if layer.sparsity[0] < layer.sparsity[1] and not counts:
            n, m = layer.sparsity
            raise UserError(
                f"sparsity of layer {layer.name} must be dense, such as 1:1, not {n}:{m}: only arrays with stc count "
                "it; take one (kind sparq), or remove it to count dense weights"
            )
        try:
            cycles = model.layer_cycles(layer)
        except ConfigError as error:
            raise ConfigError(f"layer {layer.name}: {error}") from error
        rows.append(LayerCycles(layer, cycles, layer.macs / (cycles * model.macs_per_cycle)))
    if not rows:
        raise UserError("layers must be at least one, not none")
    return CycleReport(tuple(rows))
