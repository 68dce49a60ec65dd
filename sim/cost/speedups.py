# SPDX-License-Identifier: Apache-2.0
"""FuSeConv's speed-ups: published, by the published cycle model, and on our own array."""

from dataclasses import dataclass
from typing import Any

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.networks import NETWORKS, VARIANTS, network

from .evaluate import CycleReport, evaluate

PUBLISHED: dict[str, dict[str, float]] = {
    "mobilenet_v1": {"full": 4.1, "half": 6.76, "full50": 2.3, "half50": 2.36},
    "mobilenet_v2": {"full": 5.1, "half": 7.23, "full50": 2.0, "half50": 2.1},
    "mobilenet_v3_small": {"full": 3.02, "half": 4.16, "full50": 1.6, "half50": 1.68},
    "mobilenet_v3_large": {"full": 3.61, "half": 5.45, "full50": 1.76, "half50": 1.83},
    "mnasnet_b1": {"full": 5.06, "half": 7.15, "full50": 1.88, "half50": 1.97},
}
"""Speed-ups over the depthwise baseline on a 64x64 array (FuSeConv, DATE 2021, and its authors' repository)."""

COMPARED = tuple(variant for variant in VARIANTS if variant != "baseline")
SIZES = (8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Speedup:
    """Speed-up of one variant of one network over its depthwise baseline."""

    network: str
    variant: str
    published: float
    model: float
    rtl: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values: `published`, `fuseconv` (the published model), `rtl` (our array)."""
        return {
            "network": self.network,
            "variant": self.variant,
            "published": self.published,
            "fuseconv": self.model,
            "rtl": self.rtl,
        }


def speedup(name: str, variant: str, config: ArrayConfig, method: str) -> float:
    """Cycles of a network's depthwise baseline over those of a variant, same array and method."""
    return _total(name, "baseline", config, method) / _total(name, variant, config, method)


def speedups(config: ArrayConfig) -> list[Speedup]:
    """The paper's table for every network and variant, beside both models on a given one-thread array."""
    return [
        Speedup(
            name,
            variant,
            PUBLISHED[name][variant],
            speedup(name, variant, config, "fuseconv"),
            speedup(name, variant, config, "rtl"),
        )
        for name in NETWORKS
        for variant in COMPARED
    ]


def stage_speedups(name: str, variant: str, config: ArrayConfig, method: str) -> list[float]:
    """Speed-up of the spatial stage of every block: depthwise over its 1xK and Kx1 stages together."""
    before = _stages(_evaluate(name, "baseline", config, method))
    after = _stages(_evaluate(name, variant, config, method))
    return [before[block] / after[block] for block in before]


def size_speedups(name: str, variant: str, method: str) -> list[float]:
    """Speed-up on square one-thread arrays of `SIZES`."""
    return [speedup(name, variant, ArrayConfig(rows=size, cols=size), method) for size in SIZES]


def _total(name: str, variant: str, config: ArrayConfig, method: str) -> int:
    return _evaluate(name, variant, config, method).total


def _evaluate(name: str, variant: str, config: ArrayConfig, method: str) -> CycleReport:
    """As in the paper, a depthwise layer is a product per channel."""
    return evaluate(network(name, variant), config, method=method, optimise=False)


def _stages(report: CycleReport) -> dict[str, int]:
    """Cycles of the spatial stage of every block, by the name of the block."""
    cycles: dict[str, int] = {}
    for row in report.layers:
        if row.layer.kind in ("depthwise", "fuse_row", "fuse_col"):
            block = row.layer.name.partition(".")[0]
            cycles[block] = cycles.get(block, 0) + row.cycles
    return cycles
