# SPDX-License-Identifier: Apache-2.0
"""Static reordering: a permutation of K, which says what operands share a step and which have one to themselves.

NB-SMT reorders statistically (Shomron and Weiser, MICRO 2020, section 4.2): operands that are often wide should meet
ones that are often zero. Operands are put into groups of T, one per thread, so that the squared error that the groups
make on calibration inputs (`sysmt.sim.quant.sharing_error`) is small: in pairs first, for four threads
pairs are then joined once more.

With a Lagrange multiplier of time, operands whose error would cost more than a step is worth stay alone: the
permutation then has padding slots, zeros in the place of an operand, and K is longer. The array knows nothing of it;
where the policy detects zeros, a step with one active thread is exact. This turns the threads of a layer into anything
between one and T.

A permutation is kept only if it reduces fewer products on calibration inputs that it was not made from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.nn.permutation import PADDING_SLOT, permuted

from .matching import groups, match_at
from .sharing_error import SharingError

ROWS = 4_096
"""Rows of a layer's product that a permutation is made from, and as many that it is validated on."""

Time = Callable[[int], float]
"""Cycles of a layer by its groups of operands that share a step."""


@dataclass(frozen=True, eq=False)
class Reordering:
    """A permutation of K (None where it does not reduce fewer validation products), and its squared error per row."""

    permutation: np.ndarray | None
    error: float


class Reorderer:
    """Finds permutations of K for one layer.

    Parameters
    ----------
    x : uint8 [M, K]
        Activations of calibration inputs (`LayerTrace.operands`). The first half makes the permutation, the second
        validates it.
    w : int8 [K, N]
    pe : PEConfig
        With `GoldenKind.sharing`: the others reduce alike in any order.
    threads : int
    weight : float64 [N], optional
        What a squared error of one column counts; 1 by default.
    centred : bool
        Whether recalibration will take the mean of the error away.
    """

    def __init__(
        self,
        *,
        x: np.ndarray,
        w: np.ndarray,
        pe: PEConfig,
        threads: int,
        weight: np.ndarray | None = None,
        centred: bool = False,
    ) -> None:
        self.w, self.pe, self.threads = w, pe, threads
        sharing = golden_of(pe).sharing(pe)
        assert sharing is not None
        self.together = sharing.together
        half = len(x) // 2
        step = max(1, half // ROWS)
        self._validation = x[half::step]
        self._error = SharingError(
            x=x[:half:step], w=w, pe=pe, weight=np.ones(w.shape[1]) if weight is None else weight, centred=centred
        )
        self._pairs = self._error.pairs()
        self._reduced = self._count(self._validation, w.T)

    def at(self, multiplier: float = inf, time: Time = float) -> Reordering:
        """The permutation at a Lagrange multiplier.

        Parameters
        ----------
        multiplier : float
            Squared error that a unit of time is worth; inf packs K as densely as can be.
        time : function of the groups that share
        """
        steps = groups(match_at(self._pairs, multiplier, time))
        together = steps[steps[:, 1] != PADDING_SLOT]
        error = float(self._pairs[together[:, 0], together[:, 1]].sum())
        if self.together == 4:
            steps, more = self._joined(steps, multiplier, time)
            error += more
        permutation = golden_of(self.pe).slots(steps)
        natural, reduced = self.validate(permutation)
        return Reordering(permutation if reduced < natural else None, error)

    def validate(self, permutation: np.ndarray) -> tuple[int, int]:
        """Products reduced in the natural order and in this one, on rows that no permutation was made from."""
        return self._reduced, self._count(permuted(self._validation, permutation), permuted(self.w.T, permutation))

    def _count(self, x: np.ndarray, w: np.ndarray) -> int:
        """Reduced products of x [M, slots] and w [N, slots]."""
        return golden_of(self.pe).reduced(x, w.T, self.pe, self.threads)

    def _joined(self, pairs: np.ndarray, multiplier: float, time: Time) -> tuple[np.ndarray, float]:
        """Join pairs to fours: int64 [steps, 4], and the error that it adds."""
        cost = self._error.fours(pairs)
        fours = groups(match_at(cost, multiplier, time))
        padded = np.vstack([pairs, [PADDING_SLOT, PADDING_SLOT]])  # index -1, alone, is a pair of padding slots
        joined = fours[fours[:, 1] != PADDING_SLOT]
        return padded[fours].reshape(-1, 4), float(cost[joined[:, 0], joined[:, 1]].sum())
