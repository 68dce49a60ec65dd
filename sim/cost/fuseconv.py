# SPDX-License-Identifier: Apache-2.0
"""The published cycle model of FuSeConv (Selvam, Ganesan & Kumar, DATE 2021), as its authors' scripts compute it.

Its particulars, all kept because the published totals need them:

- output sizes are (padded - kernel + stride) / stride and are not rounded down; the cycles of each product are cut to
  an integer;
- a fold costs K + x + y - 1, with x, y the rows and columns it uses; folds do not overlap; the fraction of a pixel
  that an unrounded size leaves is a fraction of a row;
- a FuSe stage runs through all of its padded input and the sum is divided by the stride.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from sysmt.sim.nn.layer import Layer


@dataclass(frozen=True)
class FuseConvCycles:
    """The published cycle model.

    Parameters
    ----------
    rows, cols : int
        Size of the array (X, Y of the paper).
    floor : bool
        Round output sizes down first. The published totals do not.
    """

    rows: int
    cols: int
    floor: bool = False

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates of the whole array in one cycle."""
        return self.rows * self.cols

    def layer_cycles(self, layer: Layer) -> int:
        """Cycles of one layer: fuse layers in the row-broadcast dataflow, all others as matrix products."""
        if layer.kind in ("fuse_row", "fuse_col"):
            return self._fuse(layer)
        down, across = layer.out_size if self.floor else layer.geometry.exact_size
        p = layer.products
        return p.count * gemm_cycles(layer.batch * down * across, p.k, p.n, self.rows, self.cols)

    def _fuse(self, layer: Layer) -> int:
        """A 1-D stage: ceil(lines / rows) / stride * (cols + K) * ceil(length / cols), lines being rows of the image.

        Kx1 with rows and columns swapped.
        """
        along = layer.kind == "fuse_row"
        rows, cols = (self.rows, self.cols) if along else (self.cols, self.rows)
        padded = layer.geometry.padded
        image_rows = layer.batch * padded[not along] * layer.outputs
        folds_per_row = math.ceil(Fraction(padded[along], cols))
        folds = Fraction(math.ceil(Fraction(image_rows, rows)), layer.stride[along]) * folds_per_row
        return math.ceil(folds * (cols + layer.kernel[along]))


def gemm_cycles(m: int | Fraction, k: int, n: int, rows: int, cols: int) -> int:
    """Cycles of a product [m, k] x [k, n] in folds of rows x cols outputs, each k + rows used + cols used - 1."""
    total = Fraction(0)
    for used_rows, down in _folds(m, rows):
        for used_cols, across in _folds(n, cols):
            total += down * across * (k + used_rows + used_cols - 1)
    return math.floor(total)


def _folds(size: int | Fraction, limit: int) -> list[tuple[int | Fraction, int]]:
    """What folding `size` at `limit` gives: (used, how often), the full folds and the rest."""
    full, rest = divmod(size, limit)
    return [(limit, int(full))] * (full > 0) + [(rest, 1)] * (rest > 0)
