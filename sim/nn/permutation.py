# SPDX-License-Identifier: Apache-2.0
"""A permutation of K with padding slots: which operand every slot of a reduction takes, and which slots take none."""

import numpy as np

PADDING_SLOT = -1
"""A slot without operand: zeros, so that the other threads have the step to themselves."""


def permuted(operand: np.ndarray, permutation: np.ndarray, padding: int = 0) -> np.ndarray:
    """The columns of [L, K] in the slots of a permutation [at least K], and `padding` in its padding slots."""
    columns = operand.take(permutation, axis=1, mode="wrap")
    columns[:, permutation == PADDING_SLOT] = padding
    return columns
