# SPDX-License-Identifier: Apache-2.0
"""How much accuracy is lost, and how surely: the same inputs answered twice, so only those that differ count.

Interval: Bonett and Price, "Confidence Intervals for a Ratio and a Difference of Paired Proportions" (2012): Wald
with one added to either count of differing pairs.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

Z_95 = 1.959964


@dataclass(frozen=True)
class Loss:
    """Accuracy lost, as fractions of 1, with its 95 % interval, and its standard error."""

    loss: float
    low: float
    high: float
    error: float


def paired_loss(before: np.ndarray, after: np.ndarray) -> Loss:
    """Compare two runs over the same inputs.

    Parameters
    ----------
    before, after : bool [B]
        Whether the answer was right.
    """
    n = len(before)
    lost, won = int(np.sum(before & ~after)), int(np.sum(~before & after))
    p, q = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    error = sqrt((p + q - (p - q) ** 2) / (n + 2))
    return Loss((lost - won) / n, p - q - Z_95 * error, p - q + Z_95 * error, error)
