# SPDX-License-Identifier: Apache-2.0
"""Which networks to measure: random, by mutual information, by Spearman correlation (IISWC 2020), A-optimal."""

from collections.abc import Callable

import numpy as np

from .checks import check_size
from .model import LatencyModel
from .table import Latencies

Choose = Callable[[Latencies, LatencyModel, int, int], list[int]]
BINS = 5
"""Intervals of equal population that latencies fall into, for their mutual information."""


def random_signature(known: Latencies, _: LatencyModel, size: int, seed: int = 0) -> list[int]:
    """RS: any networks."""
    check_size(size, len(known.networks))
    return sorted(np.random.default_rng(seed).choice(len(known.networks), size, replace=False).tolist())


def mutual_information_signature(known: Latencies, _: LatencyModel, size: int, seed: int = 0) -> list[int]:
    """MIS: one after the other the network that tells most of all others beyond what those chosen tell."""
    check_size(size, len(known.networks))
    ranks = np.argsort(np.argsort(known.logs, 1), 1)
    binned = ranks * BINS // known.logs.shape[1]
    count = len(known.networks)
    tells = np.array([[_mutual_information(binned[i], binned[j]) for j in range(count)] for i in range(count)])
    chosen: list[int] = []
    told = np.zeros(count)
    for _round in range(size):
        gain = np.maximum(tells - told, 0).sum(1)
        gain[chosen] = -1
        chosen.append(int(np.argmax(gain)))
        told = np.maximum(told, tells[chosen[-1]])
    return chosen


def spearman_signature(known: Latencies, _: LatencyModel, size: int, seed: int = 0) -> list[int]:
    """SCCS: one after the other the network whose ranking of devices is most like those of the networks not covered.

    The threshold is the highest at which so many networks cover all others.
    """
    check_size(size, len(known.networks))
    ranks = np.argsort(np.argsort(known.logs, 1), 1).astype(np.float64)
    alike = np.asarray(np.corrcoef(ranks)).reshape(len(ranks), len(ranks))
    covers: list[int] = []
    for threshold in np.linspace(0.999, 0.5, 500):
        left, covers = set(range(len(alike))), []
        while left and len(covers) < size:
            others = sorted(left)
            reached = (alike[np.ix_(others, others)] >= threshold).sum(1)
            covers.append(others[int(np.argmax(reached))])
            left -= set(np.flatnonzero(alike[covers[-1]] >= threshold).tolist())
        if not left and len(covers) == size:
            break
    spare = [int(i) for i in np.argsort(alike.sum(1)) if i not in covers]
    return covers + spare[: size - len(covers)]


def optimal_signature(_: Latencies, model: LatencyModel, size: int, seed: int = 0) -> list[int]:
    """A-optimal: one after the other the network that takes most from the variance left of all latencies.

    A log latency counts by the latency: between the errors in percent, which all weigh the same, and those in
    milliseconds, which weigh by its square and leave the choice to a few slow networks.
    """
    check_size(size, len(model.mean))
    weight = np.exp(model.mean - model.mean.max())
    left = model.covariance.copy()
    chosen: list[int] = []
    for _round in range(size):
        known = np.diag(left) + model.noise
        gain = (left**2 * weight[:, None]).sum(0) / known
        gain[chosen] = -1
        chosen.append(int(np.argmax(gain)))
        at = chosen[-1]
        left = left - np.outer(left[:, at], left[:, at]) / known[at]
    return chosen


CHOICES: dict[str, Choose] = {
    "RS": random_signature,
    "MIS": mutual_information_signature,
    "SCCS": spearman_signature,
    "A-optimal": optimal_signature,
}


def _mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """Of two sequences of intervals, in nats."""
    joint = np.zeros((BINS, BINS))
    np.add.at(joint, (a, b), 1 / len(a))
    alone = joint.sum(1)[:, None] * joint.sum(0)[None]
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / alone[there])).sum())
