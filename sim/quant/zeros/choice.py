# SPDX-License-Identifier: Apache-2.0
"""How much every layer predicts: thresholds (or windows), and the loss that they are expected to cost.

The loss of a layer is the share of the sum of its outputs that is lost to wrong predictions, and a network's is the sum
over its layers (ECCV 2020, section 3.3, and the authors' code). The paper fits curves to both loss and savings and
optimises their parameters; here both are known at every threshold of a grid, and a Lagrangian chooses among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .patterns import WINDOWS, neighbours
from .predictor import Predictor
from .sites import Mask, Site

PRICES = 400
"""Prices that are tried for the frontier of savings and loss."""
LEAST_LOSS = 0.005
"""Expected loss of the most cautious choice that is of interest."""
THRESHOLDS = tuple(np.round(np.arange(-0.2, 1.0, 0.04), 2).tolist())


@dataclass(frozen=True, eq=False)
class Option:
    """One setting of one layer, by calibration inputs.

    Parameters
    ----------
    setting : float or None
        A threshold or the side of a window; None predicts nothing.
    saved : float
        Multiply-accumulates left out, per input.
    loss : float
        Share of the sum of the outputs that is lost.
    mask : function or None
        What is left out.
    """

    setting: float | None
    saved: float
    loss: float
    mask: Mask | None


NOTHING = Option(None, 0.0, 0.0, None)


def by_threshold(site: Site, predictor: Predictor, values: np.ndarray) -> tuple[Option, ...]:
    """The options of a trained predictor: outputs [B, H, W, C] whose score is no higher than the threshold go."""
    scores, total = predictor.scores(values), max(1, int(values.sum(dtype=np.int64)))
    options = [NOTHING]
    for threshold in THRESHOLDS:
        left_out = scores <= threshold
        saved = site.macs * float(np.count_nonzero(left_out)) / len(values)
        loss = float(values.sum(where=left_out, dtype=np.int64)) / total

        def mask(v: np.ndarray, threshold: float = threshold) -> np.ndarray:
            predicted: np.ndarray = predictor.scores(v) <= threshold
            return predicted

        options.append(Option(threshold, saved, loss, mask))
    return tuple(options)


def by_neighbours(site: Site, values: np.ndarray) -> tuple[Option, ...]:
    """The options of the heuristic: a size of windows each."""
    total, options = max(1, int(values.sum(dtype=np.int64))), [NOTHING]
    for window in WINDOWS:
        left_out = neighbours(values, window)
        saved = site.macs * float(np.count_nonzero(left_out)) / len(values)
        loss = float(values.sum(where=left_out, dtype=np.int64)) / total

        def mask(v: np.ndarray, window: int = window) -> np.ndarray:
            return neighbours(v, window)

        options.append(Option(window, saved, loss, mask))
    return tuple(options)


def by_truth(site: Site, values: np.ndarray) -> tuple[Option, ...]:
    """What a predictor would save that knows everything and computes nothing before."""
    zeros = float(np.count_nonzero(values == 0)) / len(values)
    return NOTHING, Option(0.0, site.macs * zeros, 0.0, lambda v: v == 0)


def chosen(options: Sequence[Sequence[Option]], price: float) -> tuple[Option, ...]:
    """Per layer the option that saves most when a whole unit of loss costs `price` multiply-accumulates."""
    return tuple(max(row, key=lambda option: (option.saved - price * option.loss, -option.loss)) for row in options)


def frontier(options: Sequence[Sequence[Option]], points: int) -> list[tuple[Option, ...]]:
    """So many choices from cautious to bold, their expected losses spaced geometrically as far as there are such."""
    rates = [option.saved / option.loss for row in options for option in row if option.loss > 0 and option.saved > 0]
    dearest, cheapest = 2 * max(rates, default=1.0), min(rates, default=1.0) / 100
    every: dict[tuple[float | None, ...], tuple[Option, ...]] = {}
    for price in (*np.geomspace(dearest, cheapest, PRICES), 0.0):
        choice = chosen(options, float(price))
        if any(option.mask for option in choice):
            every.setdefault(tuple(option.setting for option in choice), choice)
    choices = list(every.values())
    losses = np.array([sum(option.loss for option in choice) for choice in choices])
    wanted = np.geomspace(LEAST_LOSS, max(LEAST_LOSS, losses.max(initial=0)), points)
    places = dict.fromkeys(int(np.abs(np.log(losses + 1e-9) - np.log(w)).argmin()) for w in wanted if len(losses))
    return [choices[place] for place in places]
