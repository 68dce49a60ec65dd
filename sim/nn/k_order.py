# SPDX-License-Identifier: Apache-2.0
"""An order of K: which operand every place of a reduction takes, and which places take none."""

import numpy as np

HOLE = -1
"""A place without operand: zeros, so that the other threads have the step to themselves."""


def ordered(operand: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Put the columns of [L, K] into an order [at least K], zeros into its holes."""
    found = operand.take(order, axis=1, mode="wrap")
    found[:, order == HOLE] = 0
    return found
