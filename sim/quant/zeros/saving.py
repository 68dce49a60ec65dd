# SPDX-License-Identifier: Apache-2.0
"""What an output-stationary array saves of predicted zeros.

A tile holds as many pixels as the array has rows, of as many channels as it has columns, and all of them take as long.
`rows`: a pixel that is predicted zero in all channels of a tile is left out, and the tile filled with others; what is
computed before anything is predicted is tiles of its own. `gated`: nothing becomes shorter, and operands of a predicted
output are held still: the share of the multiply-accumulates that do not toggle.
"""

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
    k: int, depthwise: bool, values: np.ndarray, left_out: np.ndarray, computed: np.ndarray, config: ArrayConfig
) -> Saving:
    """Count one layer.

    Parameters
    ----------
    k : int
        Products of one output.
    depthwise : bool
        Whether it is depthwise: the block-diagonal products that it becomes (`sysmt.sim.nn.depthwise`) have a row
        for several channels and pixels, so that no row is left out.
    values : array [B, H, W, C]
        Outputs, 0 for zero.
    left_out : bool [B, H, W, C]
        Which of them are predicted zero.
    computed : bool [H, W]
        What is computed before.
    config : ArrayConfig
        The array; every layer on one thread.
    """
    tiles, tiles_exact = (0, 0) if depthwise else _tiles(left_out, computed, config)
    steps = config.pe.steps(k, 1)
    return Saving(
        cycles=sequence_cycles([(tiles, steps)], config) if tiles else 0,
        cycles_exact=sequence_cycles([(tiles_exact, steps)], config) if tiles_exact else 0,
        outputs=values.size,
        left_out=int(np.count_nonzero(left_out)),
        wrong=int(np.count_nonzero(left_out & (values != 0))),
    )


def _tiles(left_out: np.ndarray, computed: np.ndarray, config: ArrayConfig) -> tuple[int, int]:
    """Tiles with rows left out, and all of them."""
    batch, height, width, channels = left_out.shape
    first = ceil_div(int(np.count_nonzero(computed)), config.rows)
    found = exact = 0
    for channel in range(0, channels, config.cols):
        group = left_out[..., channel : channel + config.cols]
        kept = (~group[:, ~computed].all(axis=2)).sum(axis=1)
        found += batch * first + int((-(-kept // config.rows)).sum())
        exact += batch * ceil_div(height * width, config.rows)
    return found, exact
