# SPDX-License-Identifier: Apache-2.0
"""Cycles as SCALE-Sim reports them, in closed form (Samajdar et al., ISPASS 2020; equal to version 3.0.0).

A layer is a product of P output pixels, N filters and K = taps x channels. One of the three stays in the array:

| dataflow | down the rows | across the columns | streams through, T | one fold |
|---|---|---|---|---|
| `os` outputs | P | N | K | T + R + C - 2 |
| `ws` weights | K | N | P | T + 2R + C - 2 |
| `is` inputs | K | P | N | T + 2R + C - 2 |

Folds do not overlap; a layer is folds x fold - 1. The `os` form leaves out the drain.
"""

from dataclasses import dataclass

from sysmt.base.errors import UserError
from sysmt.sim.nn.layer import Layer

from .array import ceil_div

DATAFLOWS = ("os", "ws", "is")


@dataclass(frozen=True)
class Folds:
    """How a product folds onto the array: `count` folds of `cycles` cycles each."""

    count: int
    cycles: int


def folds(m: int, k: int, n: int, rows: int, cols: int, dataflow: str = "os") -> Folds:
    """Folds of a product [m, k] x [k, n] on a rows x cols array."""
    if dataflow not in DATAFLOWS:
        raise UserError(f"dataflow must be one of {', '.join(DATAFLOWS)}, not {dataflow!r}")
    down, across, through = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[dataflow]
    fill = rows if dataflow == "os" else 2 * rows
    return Folds(ceil_div(down, rows) * ceil_div(across, cols), through + fill + cols - 2)


@dataclass(frozen=True)
class ScaleSimCycles:
    """SCALE-Sim's cycle model.

    Parameters
    ----------
    rows, cols : int
        Size of the array.
    dataflow : "os", "ws" or "is"
        What stays in the array: outputs, weights, inputs.
    """

    rows: int
    cols: int
    dataflow: str = "os"

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates of the whole array in one cycle."""
        return self.rows * self.cols

    def layer_cycles(self, layer: Layer) -> int:
        """Cycles of one layer.

        A layer whose filters see one channel each is one product per channel, each counted as a layer of its own, as
        SCALE-Sim does with layers whose name contains "DP". It has no dataflow for FuSe stages: they are treated alike.
        """
        p = layer.products
        fold = folds(p.m, p.k, p.n, self.rows, self.cols, self.dataflow)
        return p.count * (fold.count * fold.cycles - 1)
