# SPDX-License-Identifier: Apache-2.0
"""Latencies that many devices share, each of them measured on a few networks of its own: what all of them say of all.

Log latencies are one normal distribution, as in `model.py`, found by expectation-maximisation. The noise of measuring
has heavy tails (Student's t) and a size of its own on every device: phones throttle, and some run single networks
twice as slow as anything else says; one such measurement must not move what is predicted of a device.
"""

from dataclasses import dataclass, replace

import numpy as np

from .checks import check_measured
from .model import FOLDS, Prior
from .table import Latencies

SHARED = Prior(neighbours=0.05, reach=40.0, alike=0.3, width=2.0, noise=0.01)
"""Where little is measured, networks of like layers tell more of each other than where all is."""
FREEDOM = 3.0
"""Degrees of freedom of the noise."""
ALIKE = 3.0
"""The prior of the covariance counts as so many devices, and the noise that is expected as so many measurements."""
ROUNDS = 40
WEIGHT = 1.5
"""A squared log error counts by the latency to this power: between the errors in percent (0) and in ms (2)."""


@dataclass(frozen=True, eq=False)
class SharedModel:
    """Distribution of the log latencies of devices that were measured in part.

    Parameters
    ----------
    known : Latencies
        NaN where nothing was measured.
    mean : float [networks]
    covariance : float [networks, networks]
        Without the noise of measuring.
    noise : float [devices]
        Scale of its variance.
    trust : float [networks, devices]
        What a measurement weighs: 4/3 where it is as expected, near 0 where it is far off.
    stretch : float
        Factor on the standard deviations of predictions (`calibrated`).
    """

    known: Latencies
    mean: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray
    trust: np.ndarray
    stretch: float = 1.0

    @classmethod
    def fit(
        cls, known: Latencies, features: np.ndarray | None = None, prior: Prior = SHARED, rounds: int = ROUNDS
    ) -> "SharedModel":
        """From devices that were each measured on some networks; a `UserError` where one was on none."""
        check_measured(known)
        base, seen = prior.covariance(features, len(known.networks)), ~np.isnan(known.logs)
        speed = np.where(seen, known.logs, 0).sum(0) / seen.sum(0)
        rest = np.where(seen, known.logs - speed, 0).sum(1) / np.maximum(seen.sum(1), 1)
        # A network that nobody measured begins with what its neighbours and its like show.
        some = np.flatnonzero(seen.any(1))
        inner = base[np.ix_(some, some)] + prior.noise * np.eye(len(some))
        mean = base[:, some] @ np.linalg.solve(inner, rest[some]) + speed.mean()
        noise, trust = np.full(len(known.devices), prior.noise), np.ones(seen.shape)
        model = cls(known, mean, base + speed.var(), noise, trust)
        for _ in range(rounds):
            model = model._improved(base, prior.noise)
        return model

    def given(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean, float [networks, devices], and covariance, float [devices, networks, networks], of log latencies."""
        mean, of, solved = self._conditioned()
        return mean, self.covariance - of.transpose(0, 2, 1) @ solved

    def _conditioned(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The mean given what was measured; covariances of measured and all networks, and those over the former's.

        Float [networks, devices] and twice [devices, measurements, networks], devices of fewer measurements with zeros.
        """
        seen = ~np.isnan(self.known.logs.T)
        places = np.argsort(~seen, 1, kind="stable")[:, : seen.sum(1).max()]
        there = np.take_along_axis(seen, places, 1)
        of = np.where(there[..., None], self.covariance[places], 0.0)
        inner = np.where(there[:, None], np.take_along_axis(of, places[:, None], 2), 0.0)
        noise = self.noise[:, None] / np.take_along_axis(self.trust.T, places, 1)
        inner[:, range(places.shape[1]), range(places.shape[1])] += np.where(there, noise, 1.0)
        solved = np.linalg.solve(inner, of)
        off = np.where(there, np.take_along_axis(self.known.logs.T, places, 1) - self.mean[places], 0.0)
        mean = self.mean[:, None] + np.einsum("dkn,dk->nd", solved, off)
        return mean, of, solved

    def _variance(self, of: np.ndarray, solved: np.ndarray) -> np.ndarray:
        """What is left of the log latencies', float [networks, devices]."""
        left: np.ndarray = np.maximum(np.diag(self.covariance)[:, None] - np.einsum("dkn,dkn->nd", of, solved), 0)
        return left

    def _improved(self, base: np.ndarray, noise: float) -> "SharedModel":
        """One round of expectation-maximisation; `base` and `noise` are those of the prior."""
        seen, count = ~np.isnan(self.known.logs), len(self.known.devices)
        filled, of, solved = self._conditioned()
        off = np.where(seen, (self.known.logs - filled) ** 2 + self._variance(of, solved), 0.0)
        trust = np.where(seen, (FREEDOM + 1) / (FREEDOM + off / self.noise), 1.0)
        noises = (ALIKE * noise + (trust * off).sum(0)) / (ALIKE + seen.sum(0))
        mean = filled.mean(1)
        apart = filled - mean[:, None]
        told = np.tensordot(of, solved, ((0, 1), (0, 1)))
        covariance = self.covariance + (apart @ apart.T - told + ALIKE * base) / count
        return replace(self, mean=mean, covariance=covariance, noise=noises, trust=trust)

    def calibrated(self, features: np.ndarray | None = None, prior: Prior = SHARED) -> "SharedModel":
        """With intervals that hold 95 % of the measurements, each predicted without it; fitted as `fit` was."""
        seen, misses = ~np.isnan(self.known.logs), []
        turn = np.where(seen & (seen.sum(0) > 1), (np.cumsum(seen, 0) + np.arange(seen.shape[1])) % FOLDS, FOLDS)
        for fold in range(FOLDS):
            hidden = turn == fold
            model = self.fit(self.known.where(~hidden), features, prior)
            mean, of, solved = model._conditioned()
            deviation = np.sqrt(model._variance(of, solved) + model.noise)
            misses.append((np.abs(self.known.logs - mean) / deviation)[hidden])
        return replace(self, stretch=float(np.quantile(np.concatenate(misses), 0.95)) / 1.96)

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Milliseconds of every network on every device, and the factor up and down to the ends of the 95 % interval.

        Both float [networks, devices]; what was measured is as measured, with a factor of 1.
        """
        mean, of, solved = self._conditioned()
        deviation, seen = np.sqrt(self._variance(of, solved) + self.noise), ~np.isnan(self.known.logs)
        milliseconds = np.where(seen, self.known.milliseconds, np.exp(mean))
        return milliseconds, np.where(seen, 1.0, np.exp(1.96 * self.stretch * deviation))

    def next_networks(self) -> np.ndarray:
        """For every device the place of the network to measure next, which takes most from what is uncertain of it."""
        mean, left = self.given()
        own = left.diagonal(0, 1, 2)
        weight = np.exp(WEIGHT * (mean - mean.max(0))).T
        variance = own + self.noise[:, None]
        gain = (left**2 @ weight[..., None])[..., 0] / variance
        # Its own latency is known afterwards, noise and all.
        gain += weight * (variance - own**2 / variance)
        gain[~np.isnan(self.known.logs.T)] = -1
        found: np.ndarray = np.argmax(gain, 1)
        return found
