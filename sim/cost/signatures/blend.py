# SPDX-License-Identifier: Apache-2.0
"""The normal distribution of log latencies, blended with a curve over devices where the distribution has a line.

A device that is slow in another way than any straight line says (caches that are too small, another generation of
cores) is still like some known devices. Kernel ridge regression of the profile of a device, its log latencies less
their mean over the signature, on its signature finds those: a Gaussian kernel beside a linear one, one problem for all
networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sysmt.base.errors import UserError

from .checks import check_signature, measured_logs
from .model import FOLDS, LatencyModel, Prior, interval_factor
from .table import Latencies

WIDTH = 0.3
"""Of the Gaussian kernel, in log latency: devices at this distance still tell of each other."""
LINEAR = 0.5
"""Weight of the linear kernel."""
RIDGE = 0.1
SHARE = 0.3
"""Of the curve in the blend. From 0.3 to 0.5, and with half or twice the width, scores are the same."""


def profiles(known: Latencies, signature: Sequence[int], logs: np.ndarray) -> np.ndarray:
    """Log latencies of every network on devices of which `logs`, float [signature, devices], were measured.

    Returns
    -------
    float [networks, devices]
        From kernel ridge regression over the known devices.
    """
    measured = known.logs[list(signature)]
    profile = known.logs - measured.mean(0)
    mean, centre = profile.mean(1, keepdims=True), measured.mean(1, keepdims=True)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        apart = ((a[:, :, None] - b[:, None, :]) ** 2).mean(0)
        line = ((a - centre)[:, :, None] * (b - centre)[:, None, :]).mean(0)
        found: np.ndarray = np.exp(-apart / (2 * WIDTH**2)) + LINEAR * line
        return found

    inner = kernel(measured, measured) + RIDGE * np.eye(measured.shape[1])
    weights = np.linalg.solve(inner, (profile - mean).T)
    found: np.ndarray = mean + logs.mean(0) + (kernel(logs, measured) @ weights).T
    return found


@dataclass(frozen=True, eq=False)
class BlendedModel:
    """Both, fitted to the same devices.

    Parameters
    ----------
    model : LatencyModel
        Chooses the signature, and gives the shape of intervals.
    known : Latencies
    """

    model: LatencyModel
    known: Latencies

    @classmethod
    def fit(cls, known: Latencies, features: np.ndarray | None = None, prior: Prior | None = None) -> "BlendedModel":
        """From devices that were measured on every network."""
        return cls(LatencyModel.fit(known, features, prior), known)

    def given(self, signature: Sequence[int], logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `LatencyModel.given`."""
        mean, left = self.model.given(signature, logs)
        return (1 - SHARE) * mean + SHARE * profiles(self.known, signature, logs), left

    def predict(self, signature: Sequence[int], milliseconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `LatencyModel.predict`."""
        places = check_signature(signature, len(self.known.networks))
        mean, left = self.given(places, measured_logs(milliseconds, places))
        return np.exp(mean), interval_factor(self.model, left)

    def calibrated(
        self, signature: Sequence[int], features: np.ndarray | None = None, prior: Prior | None = None
    ) -> "BlendedModel":
        """With intervals that hold 95 % of the latencies of the known devices, each predicted from others."""
        signature = check_signature(signature, len(self.known.networks))
        if len(self.known.devices) < 2:
            raise UserError("devices must be at least 2 for intervals, each predicted from others, not 1")
        order, misses = np.arange(len(self.known.devices)), []
        for fold in range(min(FOLDS, len(order))):
            model = self.fit(self.known.on(order[order % FOLDS != fold]), features, prior)
            logs = self.known.logs[:, order % FOLDS == fold]
            mean, left = model.given(signature, logs[signature])
            misses.append(np.delete(np.abs(logs - mean) / model.model.deviation(left)[:, None], signature, axis=0))
        widest = float(np.quantile(np.concatenate(misses, 1), 0.95))
        return replace(self, model=replace(self.model, stretch=widest / 1.96))
