# SPDX-License-Identifier: Apache-2.0
"""How far NB-SMT takes a layer's sums off when certain operands share a step: what a permutation of K is chosen by.

Two threads that are both active are off by `f(x) g(w)` each, f and g the policy's own
(`sysmt.sim.golden.kind.Sharing`). Summed over outputs, the squared error of operands i and j in one step is then, per
row,

    mean(f_i f_i a_j) (g_i g_i . b_j) + the mirror + 2 mean(f_i f_j) (g_i . g_j)

with a and b "not zero" of x and w (b is 1 where, as in SPARQ, only activations count): exact for the rows looked at,
not an estimate. Recalibration takes the mean of the error away; the means' squares are then left out. On four threads
the number of active operands of a step decides between no error, the two-thread rule and 4b x 4b; there the squared
errors of a step's operands are added up, their products and means left out, and zero weights count as active.

NB-SMT: Shomron and Weiser, MICRO 2020, sections 3 and 4.2.
"""

from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.nbsmt_terms import W, X, terms
from sysmt.sim.golden.rounding import fits_w, fits_x, reduce_w, reduce_x
from sysmt.sim.nn.permutation import PADDING_SLOT


@dataclass(frozen=True, kw_only=True, eq=False)
class SharingError:
    """The operands of one layer, seen through one policy that detects zeros.

    Parameters
    ----------
    x : uint8 [M, K]
        Or distances from a zero point, int16: what they lose has their sign.
    w : int8 [K, N]
    pe : PEConfig
        Of a kind and policy with `GoldenKind.sharing`.
    weight : float64 [N]
        What a squared error of one column counts.
    centred : bool
        Whether the mean of the error does not count, because recalibration takes it away.
    """

    x: np.ndarray
    w: np.ndarray
    pe: PEConfig
    weight: np.ndarray
    centred: bool = False

    def pairs(self) -> np.ndarray:
        """Squared error of every pair of operands that shares a step, per row: float64 [K, K], the diagonal 0."""
        sharing = golden_of(self.pe).sharing(self.pe)
        assert sharing is not None
        f, a = sharing.x[np.abs(self.x)] * np.sign(self.x), (self.x != 0).astype(np.float32)
        g = sharing.w[self.w.view(np.uint8)].astype(np.float64)
        b = ((self.w != 0) | (not sharing.weights_count)).astype(np.float64)
        squares, products = self._mean(f * f, a), self._mean(f, f)
        if self.centred:
            means = self._mean(f, a)
            squares, products = squares - means**2, products - means * means.T
        errors: np.ndarray = squares * ((g * g * self.weight) @ b.T)
        errors += errors.T + 2 * products * ((g * self.weight) @ g.T)
        np.fill_diagonal(errors, 0)
        return errors

    @staticmethod
    def _mean(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        mean: np.ndarray = (left.T @ right).astype(np.float64) / len(left)
        return mean

    def fours(self, groups: np.ndarray) -> np.ndarray:
        """Squared error that joining two groups adds, per row.

        Parameters
        ----------
        groups : int64 [G, 2]
            Operands that share a step already, `PADDING_SLOT` where there is none.

        Returns
        -------
        float64 [G, G], the diagonal 0
        """
        count, two, four = (self._of(values, groups) for values in (self.x != 0, *self._alone))
        states = [(count == n).astype(np.float32) for n in range(3)]
        some = states[1] + states[2]

        def met(error: np.ndarray, own: np.ndarray, others: np.ndarray) -> np.ndarray:
            return self._mean(error * own, others)

        # Behind the four-thread rule when three or more are active, behind the two-thread rule when two are; what two
        # operands of one group do to each other is there without the other group as well.
        errors: np.ndarray = met(four, states[1], states[2]) + met(four, states[2], some)
        errors += met(two, states[1], states[1]) - met(two, states[2], some)
        errors += errors.T
        np.fill_diagonal(errors, 0)
        return errors

    @cached_property
    def _alone(self) -> tuple[np.ndarray, np.ndarray]:
        """Squared error of every operand under the two-thread and the four-thread rule: float32 [M, K] each."""
        assert isinstance(self.pe, NbSmtConfig)
        deviation = terms(replace(self.pe, threads=2), 2)[1]
        codes = self.w.view(np.uint8)
        two = (deviation.x**2)[self.x] * ((deviation.w**2)[codes] @ self.weight).astype(np.float32)
        x4, w4 = reduce_x(X, self.pe.rounding), reduce_w(W, self.pe.rounding)
        if self.pe.rules.checks_width:
            x4, w4 = np.where(fits_x(X), X, x4), np.where(fits_w(W), W, w4)
        dx, dw, w4 = (x4 - X)[self.x], (w4 - W)[codes], w4[codes]
        # x4 w4 - x w = dx w4 + x dw
        parts = [(a * b) @ self.weight for a, b in ((w4, w4), (w4, dw), (dw, dw))]
        dx, x = dx.astype(np.float32), self.x.astype(np.float32)
        kept, mixed, lost = (part.astype(np.float32) for part in parts)
        return two, dx * dx * kept + dx * x * (2 * mixed) + x * x * lost

    @staticmethod
    def _of(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Sum over the members of every group: [M, K] to float32 [M, G]."""
        kept = np.where(groups == PADDING_SLOT, values.shape[1], groups)
        padded = np.zeros((len(values), values.shape[1] + 1), np.float32)
        padded[:, :-1] = values
        return reduce(np.add, (padded[:, kept[:, member]] for member in range(groups.shape[1])))
