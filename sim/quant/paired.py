# SPDX-License-Identifier: Apache-2.0
"""The accuracy drop between two runs over the same inputs, with an interval: only inputs that differ count.

Interval: Bonett and Price, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on Paired
Data", Journal of Educational and Behavioral Statistics 37 (2012): Wald's, with one added to either count of differing
pairs. (McNemar's test looks at the same two counts.)
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

Z_95 = 1.959964
"""Of the normal distribution, the quantile that leaves 2.5 % on either side."""


@dataclass(frozen=True)
class PairedDrop:
    """An accuracy drop, as fractions of 1, with its 95 % interval, and its standard error."""

    drop: float
    low: float
    high: float
    error: float


def paired_drop(before: np.ndarray, after: np.ndarray) -> PairedDrop:
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
    return PairedDrop((lost - won) / n, p - q - Z_95 * error, p - q + Z_95 * error, error)
