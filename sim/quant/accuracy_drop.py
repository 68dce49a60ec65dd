# SPDX-License-Identifier: Apache-2.0
"""The accuracy drop of an approximate run of a network against its exact one, estimated from few inputs, with an error.

Counting the answers that turn from right to wrong on some hundred inputs says little: a handful decide. Here every
margin (the score of an answer over the best other one) meets every change of margin that was seen, on whatever input.
The same inputs then say more, because those that are near the border need not be those that moved. It holds as far as
the change of a margin does not depend on the margin.

The estimate is a two-sample U-statistic with a kernel of one margin and one change (Hoeffding, "A Class of Statistics
with Asymptotically Normal Distribution", Annals of Mathematical Statistics 1948; Lehmann, "Consistency and Unbiasedness
of Certain Nonparametric Tests", ibid. 1951, for two samples). Its standard error is the first-order one, from the means
per margin and per change; both come from the same inputs, and their covariance is left out. Bounds take the normal
approximation.

An input may come in several views, its mirror image for one. They count as one input that is known better: the error
is that of the means over an input's views, so views that tell the same do not make it smaller.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np


@dataclass(frozen=True)
class DropEstimate:
    """An accuracy drop as a fraction of 1, and its standard error."""

    drop: float
    error: float

    def bound(self, deviations: float) -> float:
        """The drop with so many standard errors added."""
        return self.drop + deviations * self.error


def score_error(exact: np.ndarray, scores: np.ndarray) -> float:
    """Mean squared deviation of the scores [B, ...] of a network."""
    return float(np.mean((scores.astype(np.float64) - exact) ** 2))


def labelled_drop(exact: np.ndarray, scores: np.ndarray, right: np.ndarray, views: int = 1) -> DropEstimate:
    """Drop of top-1 accuracy against labels.

    Parameters
    ----------
    exact, scores : array [B, classes]
    right : int [B]
        The right answers.
    views : int
        Of every input: all inputs in one view, then all in the next.
    """
    margins = _margins(exact, right)
    changes = _margins(scores, right) - margins
    stays = 1 - _below(changes, -margins, right=True)
    # The same by the other side of the pair: what a change leaves of all margins.
    leaves = 1 - _below(margins, -changes, right=True)
    return _estimate((margins > 0) - stays, np.mean(margins > 0) - leaves, views)


def expected_drop(exact: np.ndarray, scores: np.ndarray, scale: float, views: int = 1) -> DropEstimate:
    """Drop of top-1 accuracy if answers are right as often as the exact network believes: needs no labels.

    An answer that changes costs the difference of the two probabilities, always something. Inputs that the network was
    trained on have wider margins than others: there this says too little.

    Parameters
    ----------
    exact, scores : array [B, classes]
    scale : float
        Makes scores the logarithms of the exact network's probabilities, up to a constant.
    views : int
        As for `labelled_drop`.
    """
    exact = exact.reshape(len(exact), -1).astype(np.float64)
    answers = exact.argmax(axis=1)
    margins = _margins(exact, answers)
    changes = _margins(scores, answers) - margins
    share = np.exp(scale * (exact - exact.max(axis=1, keepdims=True)))
    ranked = np.sort(share / share.sum(axis=1, keepdims=True), axis=1)
    worth = ranked[:, -1] - ranked[:, -2]
    return _estimate(worth * _below(changes, -margins), _below(margins, -changes, worth), views)


def _below(
    values: np.ndarray, limits: np.ndarray, weights: np.ndarray | None = None, right: bool = False
) -> np.ndarray:
    """Share of the values, weighted, that lie below each limit (`right`: or at it)."""
    order = np.argsort(values, kind="stable")
    sums = np.concatenate([[0], np.cumsum(np.ones(len(values)) if weights is None else weights[order])])
    return sums[np.searchsorted(values[order], limits, "right" if right else "left")] / len(values)


def _estimate(inputs: np.ndarray, changes: np.ndarray, views: int) -> DropEstimate:
    """Mean over pairs, from the means per input and per change; its error is that of a two-sample U-statistic."""
    inputs, changes = (each.reshape(views, -1).mean(axis=0) for each in (inputs, changes))
    return DropEstimate(float(inputs.mean()), sqrt((inputs.var() + changes.var()) / len(inputs)))


def _margins(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    scores = scores.reshape(len(scores), -1).astype(np.float64)
    own = np.take_along_axis(scores, right[:, None], axis=1)[:, 0]
    others = scores.copy()
    np.put_along_axis(others, right[:, None], -np.inf, axis=1)
    margins: np.ndarray = own - others.max(axis=1)
    return margins
