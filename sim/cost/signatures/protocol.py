# SPDX-License-Identifier: Apache-2.0
"""The authors' protocol: devices that no model saw, known by a signature; devices that share few measurements."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from sysmt.base.choice import choose

from .blend import BlendedModel
from .choice import CHOICES, optimal_signature
from .model import LatencyModel, Prior
from .shared import SHARED, SharedModel
from .table import Latencies

TRAINING = 0.7
"""Share of the devices that choose the signature and fit the model."""
FIRST = 4
"""Random networks that a device measures before it is asked for others."""
ASKING_ROUNDS = 10
INNER_SPLITS = 4
"""Splits of the known devices that a prior is chosen by."""
PRIORS = tuple(
    Prior(neighbours=neighbours, reach=reach, alike=alike, width=1.0, noise=noise)
    for neighbours, reach, alike, noise in product((0.01, 0.05, 0.2), (10.0, 40.0), (0.01, 0.05), (0.01, 0.03))
)
"""Priors to choose from."""


@dataclass(frozen=True)
class Score:
    """How good predictions are.

    Members
    -------
    r2 : float
        Coefficient of determination of the latencies.
    error : float
        Mean relative error.
    covered : float
        Share of the latencies within their 95 % intervals.
    """

    r2: float
    error: float
    covered: float


def determination(true: np.ndarray, predicted: np.ndarray) -> float:
    """R2: 1 minus the squared errors over the squared distances from the mean."""
    return float(1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum())


def unseen_devices(
    known: Latencies,
    unknown: Latencies,
    features: np.ndarray | None,
    choice: str = "A-optimal",
    size: int = 8,
    seed: int = 0,
    prior: Prior | None = None,
) -> Score:
    """Latencies outside the signature on devices that took no part in fitting or choosing.

    Parameters
    ----------
    known, unknown : Latencies
        Devices that fit and choose, and those that are predicted.
    features : float [networks, features] or None
    choice : "RS", "MIS", "SCCS" or "A-optimal"
    size : int
        Networks in the signature.
    seed : int
        Of RS.
    prior : Prior, optional
        `chosen_prior` is the one that the known devices choose.

    Raises
    ------
    UserError
        Unknown choice.
    """
    fitted = BlendedModel.fit(known, features, prior)
    signature = choose("choice", choice, CHOICES)(known, fitted.model, size, seed)
    model = fitted.calibrated(signature, features, prior)
    predicted, factor = model.predict(signature, unknown.milliseconds[signature])
    return _score(unknown.milliseconds, predicted, factor[:, None], signature)


def chosen_prior(known: Latencies, features: np.ndarray | None, size: int = 8) -> Prior:
    """The prior of `PRIORS` that predicts some of the known devices best from the others, A-optimal signatures."""
    parts = [split(known, seed) for seed in range(INNER_SPLITS)]

    def worth(prior: Prior) -> float:
        return sum(_plain_r2(inner, outer, features, size, prior) for inner, outer in parts)

    return max(PRIORS, key=worth)


def _plain_r2(known: Latencies, unknown: Latencies, features: np.ndarray | None, size: int, prior: Prior) -> float:
    model = LatencyModel.fit(known, features, prior)
    signature = optimal_signature(known, model, size)
    predicted, _ = model.predict(signature, unknown.milliseconds[signature])
    return determination(np.delete(unknown.milliseconds, signature, 0), np.delete(predicted, signature, 0))


def split(latencies: Latencies, seed: int) -> tuple[Latencies, Latencies]:
    """Devices in random order: the first 70 %, and the others."""
    order = np.random.default_rng(seed).permutation(len(latencies.devices))
    first = round(TRAINING * len(order))
    return latencies.on(order[:first]), latencies.on(order[first:])


def collaborative(
    latencies: Latencies,
    features: np.ndarray | None,
    each: int = 11,
    seed: int = 0,
    prior: Prior = SHARED,
    *,
    asked: bool = False,
) -> Score:
    """Every device measures `each` networks of its own, and nothing else is known: all other latencies.

    R2 and errors are over the whole table, as it would be used: measured where measured, predicted elsewhere; `covered`
    is of the predicted ones.

    Parameters
    ----------
    latencies : Latencies
    features : float [networks, features] or None
    each : int
    seed : int
        Of what is measured.
    prior : Prior
    asked : bool
        After `FIRST` random ones, a device measures what the model of all measurements until then asks it for
        (`SharedModel.next_networks`), one network of all devices after the other; otherwise random ones.
    """
    random = np.random.default_rng(seed)
    seen = np.zeros(latencies.milliseconds.shape, bool)
    for device in range(len(latencies.devices)):
        seen[random.choice(len(seen), FIRST if asked else each, replace=False), device] = True
    for _ in range(each - FIRST if asked else 0):
        model = SharedModel.fit(latencies.where(seen), features, prior, ASKING_ROUNDS)
        seen[model.next_networks(), range(len(latencies.devices))] = True
    return _filled(latencies, seen, features, prior)


def tenths(latencies: Latencies, features: np.ndarray | None, seed: int = 0, prior: Prior = SHARED) -> Score:
    """Every latency from nine tenths of the table, itself not among them: what all others say of one.

    What is left is noise to any model that shares measurements: no smaller share of them tells more.
    """
    part = np.random.default_rng(seed).integers(0, 10, latencies.milliseconds.shape)
    predicted, factor = np.empty(part.shape), np.empty(part.shape)
    for tenth in range(10):
        hidden = part == tenth
        found, wide = SharedModel.fit(latencies.where(~hidden), features, prior).predict()
        predicted[hidden], factor[hidden] = found[hidden], wide[hidden]
    return _score(latencies.milliseconds, predicted, factor, [])


def _filled(latencies: Latencies, seen: np.ndarray, features: np.ndarray | None, prior: Prior) -> Score:
    """Of a table that is measured where `seen` says so."""
    model = SharedModel.fit(latencies.where(seen), features, prior).calibrated(features, prior)
    predicted, factor = model.predict()
    score = _score(latencies.milliseconds, predicted, factor, [])
    inside = np.abs(np.log(predicted / latencies.milliseconds)) <= np.log(factor)
    return replace(score, covered=float(inside[~seen].mean()))


def low_rank(latencies: Latencies, factors: int) -> Score:
    """What so many numbers per device can say at best, every latency known: a bound on models of few factors.

    Log latencies as a mean per network, one per device, and `factors` products of a number of either, by least
    squares.
    """
    mean = latencies.logs.mean(1, keepdims=True)
    speed = (latencies.logs - mean).mean(0)
    left, size, right = np.linalg.svd(latencies.logs - mean - speed, full_matrices=False)
    predicted = np.exp(mean + speed + (left[:, :factors] * size[:factors]) @ right[:factors])
    return _score(latencies.milliseconds, predicted, np.full(predicted.shape, np.inf), [])


def _score(true: np.ndarray, predicted: np.ndarray, factor: np.ndarray, without: list[int]) -> Score:
    rest = [i for i in range(len(true)) if i not in without]
    ratio = np.abs(np.log(predicted / true))
    covered = (ratio <= np.log(np.broadcast_to(factor, true.shape)))[rest].mean()
    error = np.abs(predicted / true - 1)[rest].mean()
    return Score(determination(true[rest], predicted[rest]), float(error), float(covered))
