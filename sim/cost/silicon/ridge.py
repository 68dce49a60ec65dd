# SPDX-License-Identifier: Apache-2.0
"""Least squares on relative residuals with a prior for every coefficient, and the interval of every prediction.

A figure is a sum of parts that grow in a known way: so many bits of registers, so many multipliers. What one of them
takes is known roughly beforehand; how far the data may move it away from that is chosen by the error of samples that
were left out (leave-one-out, in closed form).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

TRUSTS = tuple(float(10.0**power) for power in np.arange(-4, 1.51, 0.25))
"""Squared ratios of the deviation of a sample to that of a coefficient, to choose from."""
NORMAL_95 = 1.96


@dataclass(frozen=True, eq=False)
class Fit:
    """A linear model of one quantity, in parts that are fitted separately and added up.

    Members
    -------
    means : tuple of float [features]
        Coefficients of every part.
    spreads : tuple of float [features, features]
        Their covariance, in units of `deviation` squared.
    deviation : float
        Of a sample: 1.96 times it is the half of an interval that holds 95 % of samples that took no part.
    left_out : float [samples]
        Residual of every sample, predicted without it.
    """

    means: tuple[np.ndarray, ...]
    spreads: tuple[np.ndarray, ...]
    deviation: float
    left_out: np.ndarray

    def predict(self, parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The quantity and its deviation, float [configurations] each, from features [configurations, features]."""
        value = sum((part @ mean for part, mean in zip(parts, self.means, strict=True)), np.zeros(len(parts[0])))
        return value, self.deviation * np.sqrt(self.scales(parts))

    def scales(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Variance of predictions in units of that of a sample, but for the sample's own."""
        total = np.zeros(len(parts[0]))
        for part, spread in zip(parts, self.spreads, strict=True):
            total += ((part @ spread) * part).sum(1)
        return total


def fit(
    parts: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    priors: Sequence[tuple[np.ndarray, np.ndarray]],
    least: float = 0.0,
) -> Fit:
    """Fit each part to its target; residuals of the parts of a sample are added up.

    Parameters
    ----------
    parts : float [samples, features] each
    targets : float [samples] each
        Scaled so that residuals of all samples weigh the same.
    priors : (float [features], float [features]) each
        Mean and deviation of every coefficient.
    least : float
        Deviation of a sample, at least: few samples say little of it.
    """
    fits = [_choose(parts, targets, priors, trust) for trust in TRUSTS]
    best = min(fits, key=lambda found: float((found.left_out**2).mean()))
    return replace(best, deviation=max(best.deviation, least))


def _choose(
    parts: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    priors: Sequence[tuple[np.ndarray, np.ndarray]],
    trust: float,
) -> Fit:
    samples = len(targets[0])
    residuals, own = np.zeros(samples), np.zeros(samples)
    means, spreads = [], []
    for part, target, (mean, wide) in zip(parts, targets, priors, strict=True):
        # In units of the prior's deviation, so that features that no sample has do no harm.
        scaled = part * wide
        spread = np.linalg.inv(scaled.T @ scaled + trust * np.eye(len(mean)))
        moved = spread @ scaled.T @ (target - part @ mean)
        hat = ((scaled @ spread) * scaled).sum(1)
        away = target - part @ mean - scaled @ moved
        residuals += away / (1 - hat)
        # Of a sample that is left out, the variance of its prediction is hat / (1 - hat) of its own.
        own += hat / (1 - hat)
        means.append(mean + wide * moved)
        spreads.append(wide[:, None] * spread * wide)
    ratios = np.sort(np.abs(residuals) / np.sqrt(1 + own))
    # The quantile that holds a further sample, too (conformal prediction), and Student's: few samples may be lucky.
    widest = ratios[min(int(np.ceil((samples + 1) * 0.95)), samples) - 1]
    deviation = float(widest) * _student(max(samples - 1, 1)) / NORMAL_95**2
    return Fit(tuple(means), tuple(spreads), max(deviation, 1e-9), residuals)


def _student(freedom: int) -> float:
    """The quantile of Student's distribution that 2.5 % are beyond: its expansion around that of the normal one."""
    return NORMAL_95 + 2.37 / freedom + 2.8 / freedom**2
