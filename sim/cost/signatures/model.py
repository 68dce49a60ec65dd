# SPDX-License-Identifier: Apache-2.0
"""Log latencies of all networks on a device as one normal distribution, conditioned on the few that were measured.

The covariance between networks is that of the devices known so far, and a prior that holds for any device: networks
that are neighbours in the table were measured together and share what the device did then (heat, clock), and networks
of like layers share what it is good at. The conditional mean is a ridge regression on the signature; the conditional
variance is the interval of every prediction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .checks import check_complete, check_signature, measured_logs
from .table import Latencies

FOLDS = 5
"""Parts of the known devices that intervals are calibrated on."""


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Covariance that holds for any device, in squared log latency.

    Members
    -------
    neighbours, reach : float
        Of networks beside each other in the table, and over how many places it falls to 1/e.
    alike, width : float
        Of networks with the same layers, and at which distance of their standardised features it falls.
    noise : float
        Variance of a measurement.
    """

    neighbours: float = 0.2
    reach: float = 40.0
    alike: float = 0.05
    width: float = 1.0
    noise: float = 0.03

    def covariance(self, features: np.ndarray | None, networks: int) -> np.ndarray:
        """Between networks, float [networks, networks]; without features, of the neighbours alone."""
        places = np.arange(networks)
        total: np.ndarray = self.neighbours * np.exp(-np.abs(places[:, None] - places) / self.reach)
        if features is not None:
            apart = ((features[:, None] - features[None]) ** 2).sum(-1)
            total = total + self.alike * np.exp(-apart / (2 * self.width**2))
        return total


@dataclass(frozen=True, eq=False)
class LatencyModel:
    """Distribution of the log latencies of a device.

    Parameters
    ----------
    mean : float [networks]
    covariance : float [networks, networks]
        Without the noise of measuring.
    noise : float
    stretch : float
        Factor on the standard deviations of predictions (`BlendedModel.calibrated`).
    """

    mean: np.ndarray
    covariance: np.ndarray
    noise: float
    stretch: float = 1.0

    @classmethod
    def fit(cls, known: Latencies, features: np.ndarray | None = None, prior: Prior | None = None) -> "LatencyModel":
        """From devices that were measured on every network; a `UserError` where a measurement is missing."""
        check_complete(known)
        prior = prior or Prior()
        mean = known.logs.mean(1)
        apart = known.logs - mean[:, None]
        own = apart @ apart.T / apart.shape[1]
        return cls(mean, own + prior.covariance(features, len(mean)), prior.noise)

    def given(self, places: Sequence[int], logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean, float [networks, devices], and covariance of all log latencies, given those at `places`."""
        inner = self.covariance[np.ix_(places, places)] + self.noise * np.eye(len(places))
        gain = np.linalg.solve(inner, self.covariance[list(places)]).T
        mean = self.mean[:, None] + gain @ (logs - self.mean[list(places)][:, None])
        return mean, self.covariance - gain @ self.covariance[list(places)]

    def predict(self, signature: Sequence[int], milliseconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Milliseconds of every network on devices known by their signature.

        Parameters
        ----------
        signature : list of int
            Places of the networks that were measured.
        milliseconds : float [signature, devices]

        Returns
        -------
        milliseconds, factor : float [networks, devices], float [networks]
            The prediction, and the factor up and down to the ends of its 95 % interval.

        Raises
        ------
        UserError
            A place that is no network, or twice the same; a latency that is missing or not above 0.
        """
        places = check_signature(signature, len(self.mean))
        mean, left = self.given(places, measured_logs(milliseconds, places))
        return np.exp(mean), interval_factor(self, left)

    def deviation(self, left: np.ndarray) -> np.ndarray:
        """Standard deviation of every log latency, from the covariance that is left."""
        deviation: np.ndarray = np.sqrt(np.maximum(np.diag(left), 0) + self.noise)
        return deviation


def interval_factor(model: LatencyModel, left: np.ndarray) -> np.ndarray:
    """The factor up and down to the ends of the 95 % interval of every latency."""
    factor: np.ndarray = np.exp(1.96 * model.stretch * model.deviation(left))
    return factor
