# SPDX-License-Identifier: Apache-2.0
"""What an output-stationary array saves of predicted zeros.

A tile holds as many pixels as the array has rows, of as many channels as it has columns, and all of them take as long.
`rows`: a pixel that is predicted zero in all channels of a tile is left out, and the tile filled with others; what is
computed before anything is predicted is tiles of its own. `gated`: nothing becomes shorter, and operands of a predicted
output are held still: the share of the multiply-accumulates that do not toggle.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.array import ceil_div, sequence_cycles


@dataclass(frozen=True)
class Saving:
    """Of one layer and all inputs seen.

    Parameters
    ----------
    cycles, cycles_exact : int
        With rows left out, and without.
    outputs, left_out, wrong : int
        All outputs; those predicted zero; of these the ones that are not zero.
    """

    cycles: int = 0
    cycles_exact: int = 0
    outputs: int = 0
    left_out: int = 0
    wrong: int = 0

    def __add__(self, other: "Saving") -> "Saving":
        return Saving(
            self.cycles + other.cycles,
            self.cycles_exact + other.cycles_exact,
            self.outputs + other.outputs,
            self.left_out + other.left_out,
            self.wrong + other.wrong,
        )


def saving(
    k: int, per_channel: bool, values: np.ndarray, left_out: np.ndarray, computed: np.ndarray, config: ArrayConfig
) -> Saving:
    """Count one layer.

    Parameters
    ----------
    k : int
        Products of one output.
    per_channel : bool
        Whether every channel is a product of its own, one column wide, as in depthwise layers.
    values : array [B, H, W, C]
        Outputs, 0 for zero.
    left_out : bool [B, H, W, C]
        Which of them are predicted zero.
    computed : bool [H, W]
        What is computed before.
    config : ArrayConfig
        The array; every layer on one thread.
    """
    batch = len(values)
    steps = config.pe.steps(k, 1)
    pixels = values.shape[1] * values.shape[2]
    first = int(np.count_nonzero(computed))
    exact, found = 0, 0
    for group in _groups(left_out, 1 if per_channel else config.cols):
        exact += batch * ceil_div(pixels, config.rows)
        kept = (~group[:, ~computed].all(axis=2)).sum(axis=1)
        found += batch * ceil_div(first, config.rows) + int((-(-kept // config.rows)).sum())
    return Saving(
        cycles=sequence_cycles([(found, steps)], config),
        cycles_exact=sequence_cycles([(exact, steps)], config),
        outputs=values.size,
        left_out=int(np.count_nonzero(left_out)),
        wrong=int(np.count_nonzero(left_out & (values != 0))),
    )


def _groups(left_out: np.ndarray, columns: int) -> Iterator[np.ndarray]:
    """The channels of one tile after the other."""
    for channel in range(0, left_out.shape[3], columns):
        yield left_out[..., channel : channel + columns]
