# SPDX-License-Identifier: Apache-2.0
"""How far predictions are off for configurations that took no part in the fit, and which ones to synthesise first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError

from .components import COMPONENTS, components
from .predict import SiliconModel
from .samples import Sample

NOISE = 0.02
"""Deviation of a sample that the choice of samples reckons with, relative."""


@dataclass(frozen=True)
class Score:
    """Errors of a figure.

    Members
    -------
    predicted : int
        Configurations that were predicted.
    median, worst : float
        Of the relative errors.
    covered : float
        Share of the measured figures within their 95 % intervals.
    """

    predicted: int
    median: float
    worst: float
    covered: float


def telling(samples: Sequence[Sample], number: int, size: str = "gates") -> list[int]:
    """Places of the samples that, once synthesised, say most about all of them.

    One after the other the one that takes most from the variance left of all relative figures (A-optimal); nothing that
    was measured is looked at.

    Parameters
    ----------
    samples : sequence of Sample
    number : int
    size : str
        Of `Component`: what is to be predicted.
    """
    sizes = np.array([getattr(facts, size) for facts in COMPONENTS.values()])
    counts = [components(sample.config) for sample in samples]
    rough = np.array([[row.get(name, 0.0) for name in COMPONENTS] for row in counts]) * sizes
    parts = rough / rough.sum(1, keepdims=True)
    left = parts @ parts.T
    chosen: list[int] = []
    for _ in range(min(number, len(samples))):
        known = np.diag(left) + NOISE**2
        gain = (left**2).sum(0) / known
        gain[chosen] = -1
        at = int(np.argmax(gain))
        chosen.append(at)
        left = left - np.outer(left[:, at], left[:, at]) / known[at]
    return chosen


def held_out(target: str, samples: Sequence[Sample], places: Sequence[int]) -> dict[str, Score]:
    """Scores per figure of a model of `target` fitted to some of its samples, on the others.

    Parameters
    ----------
    target : str
    samples : sequence of Sample
        Those of other targets serve as in `SiliconModel.of`.
    places : sequence of int
        Those that fit, among the samples of the target.
    """
    own = [sample for sample in samples if sample.target == target]
    others = [sample for sample in samples if sample.target != target]
    chosen = set(places)
    known = [sample for place, sample in enumerate(own) if place in chosen]
    unknown = [sample for place, sample in enumerate(own) if place not in chosen]
    return _scores([_ratios(SiliconModel.of(target, [*others, *known]), unknown)])


def one_by_one(target: str, samples: Sequence[Sample]) -> dict[str, Score]:
    """As `held_out`: every sample of the target predicted from all others."""
    own = [sample for sample in samples if sample.target == target]
    found = []
    for left_out in own:
        rest = [sample for sample in samples if sample is not left_out]
        try:
            found.append(_ratios(SiliconModel.of(target, rest), [left_out]))
        except UserError:  # The only sample of a figure.
            continue
    return _scores(found)


def _ratios(model: SiliconModel, unknown: Sequence[Sample]) -> dict[str, list[tuple[float, bool]]]:
    """Relative errors of every figure, and whether the interval holds what was measured."""
    found: dict[str, list[tuple[float, bool]]] = {}
    if not unknown:
        return found
    configs, placed = [sample.config for sample in unknown], [sample.placed for sample in unknown]
    for name, table in model.predict(configs, placed).items():
        for sample, (value, low, high) in zip(unknown, table.tolist(), strict=True):
            if sample.measured.get(name):
                true = sample.measured[name]
                found.setdefault(name, []).append((value / true - 1, low <= true <= high))
    return found


def _scores(parts: Sequence[dict[str, list[tuple[float, bool]]]]) -> dict[str, Score]:
    names = list(dict.fromkeys(name for part in parts for name in part))
    scores = {}
    for name in names:
        rows = [row for part in parts for row in part.get(name, [])]
        errors = np.abs([error for error, _ in rows])
        covered = float(np.mean([inside for _, inside in rows]))
        scores[name] = Score(len(rows), float(np.median(errors)), float(errors.max()), covered)
    return scores
