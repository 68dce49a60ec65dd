# SPDX-License-Identifier: Apache-2.0
"""What an approximate run of a network loses against its exact one: answers, margins, scores."""

from dataclasses import dataclass
from math import sqrt

import numpy as np


@dataclass(frozen=True)
class Smooth:
    """Loss of a smooth measure of accuracy, as fractions of 1, and its standard error."""

    loss: float
    error: float


def score_error(exact: np.ndarray, scores: np.ndarray) -> float:
    """Mean squared deviation of the scores [B, ...] of a network."""
    return float(np.mean((scores.astype(np.float64) - exact) ** 2))


def smooth_loss(exact: np.ndarray, scores: np.ndarray, right: np.ndarray) -> Smooth:
    """Accuracy lost, an answer counted by how sure it is instead of as right or wrong.

    The margin of an input is the score of its right answer over the best other one. NB-SMT moves margins by some
    standard deviation; an answer counts by the probability that it is right if its margin were moved by as much at
    random. Inputs that happen to sit next to the border then weigh half on either side, and the same number of inputs
    says several times more than top-1 does.

    Parameters
    ----------
    exact, scores : array [B, classes]
    right : int [B]
        The right answers.
    """
    before, after = _margins(exact, right), _margins(scores, right)
    spread = max(float(np.std(after - before)), 1e-9)
    each = _probability(before / spread) - _probability(after / spread)
    return Smooth(float(each.mean()), float(each.std() / sqrt(len(each))))


def _margins(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    scores = scores.reshape(len(scores), -1).astype(np.float64)
    mine = np.take_along_axis(scores, right[:, None], axis=1)[:, 0]
    others = scores.copy()
    np.put_along_axis(others, right[:, None], -np.inf, axis=1)
    return mine - others.max(axis=1)


def _probability(z: np.ndarray) -> np.ndarray:
    """The logistic curve that is closest to the normal distribution's."""
    return 1 / (1 + np.exp(np.clip(-1.702 * z, -500, 500)))
