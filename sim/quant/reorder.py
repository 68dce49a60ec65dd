# SPDX-License-Identifier: Apache-2.0
"""Static reordering of K: which operands share a step, and which have one to themselves.

NB-SMT reorders statistically (Shomron and Weiser, MICRO 2020, section 4.2): operands that are often wide should meet
ones that are often zero. Operands are put into groups of T, one per thread, so that the squared error that the groups
make on calibration inputs (`sysmt.sim.quant.sensitivity`) is small: in pairs first, for four threads
pairs are then joined once more.

With a price of time, operands that would do more harm than a step is worth stay alone: the order then has holes, zeros
in the place of an operand, and K is longer. The array knows nothing of it; where the policy detects zeros, a step with
one active thread is exact. This turns the threads of a layer into anything between one and T.

A permutation is kept only if it reduces fewer products on calibration inputs that it was not made from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.sim.golden.nbsmt import split
from sysmt.sim.golden.nbsmt_counters import count
from sysmt.sim.nn.k_order import HOLE, ordered

from .matching import groups, match_at
from .sensitivity import Harm

ROWS = 4_096
"""Rows of a layer's product that an order is made from, and as many that judge it."""

Time = Callable[[int], float]
"""Cycles of a layer by its steps."""


@dataclass(frozen=True, eq=False)
class Reordered:
    """An order of K (None where it does not reduce fewer held-out products), and the squared error it makes per row."""

    order: np.ndarray | None
    harm: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Reorderer:
    """Finds orders of K for one layer.

    Parameters
    ----------
    x : uint8 [M, K]
        Activations of calibration inputs. The first half makes the order, the second judges it.
    w : int8 [K, N]
    pe : NbSmtConfig
        Of a policy that detects zeros: the others reduce alike in any order.
    threads : int
    weight : float64 [N], optional
        What a squared error of one column counts; 1 by default.
    centred : bool
        Whether recalibration will take the mean of the error away.
    """

    x: np.ndarray
    w: np.ndarray
    pe: NbSmtConfig
    threads: int
    weight: np.ndarray | None = None
    centred: bool = False

    def __post_init__(self):
        half = len(self.x) // 2
        step = max(1, half // ROWS)
        made, held = self.x[:half:step], self.x[half::step]
        weight = np.ones(self.w.shape[1]) if self.weight is None else self.weight
        harm = Harm(x=made, w=self.w, pe=self.pe, weight=weight, centred=self.centred)
        natural = split(held, self.threads), split(self.w.T, self.threads)
        for name, value in (
            ("_held", held),
            ("_harm", harm),
            ("_pairs", harm.pairs()),
            ("_before", count(*natural, self.pe).reduced),
        ):
            object.__setattr__(self, name, value)

    def at(self, price: float = inf, time: Time = float) -> Reordered:
        """The order at a price of time.

        Parameters
        ----------
        price : float
            Squared error that a unit of time is worth; inf packs K as densely as can be.
        time : function of steps
        """
        partner = match_at(self._pairs, price, time)
        found = groups(partner)
        together = found[found[:, 1] != HOLE]
        harm = float(self._pairs[together[:, 0], together[:, 1]].sum())
        if self.threads == 4:
            found, more = self._joined(found, price, time)
            harm += more
        order = found.T.ravel()
        before, after = self.judge(order)
        return Reordered(order if after < before else None, harm)

    def judge(self, order: np.ndarray) -> tuple[int, int]:
        """Products reduced in the natural order and in this one, on rows that no order was made from."""
        x, w = ordered(self._held, order), ordered(self.w.T, order)
        return self._before, count(split(x, self.threads), split(w, self.threads), self.pe).reduced

    def _joined(self, pairs: np.ndarray, price: float, time: Time) -> tuple[np.ndarray, float]:
        """Join pairs to fours: int64 [steps, 4], and the harm that it adds."""
        cost = self._harm.fours(pairs)
        fours = groups(match_at(cost, price, time))
        with_hole = np.vstack([pairs, [HOLE, HOLE]])  # index -1, alone, is a pair of holes
        joined = fours[fours[:, 1] != HOLE]
        return with_hole[fours].reshape(-1, 4), float(cost[joined[:, 0], joined[:, 1]].sum())
