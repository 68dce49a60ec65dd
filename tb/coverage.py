# SPDX-License-Identifier: Apache-2.0
"""Functional coverage of thread conflicts: which situations the operands that were driven have been in."""

from collections import Counter
from itertools import product

import numpy as np


class ConflictCoverage:
    """Counts bins over operand vectors; `check` fails when a mandatory one is empty.

    Bins
    ----
    active=<n>
        n threads were active.
    n=<n> x=<fits|wide> w=<fits|wide>
        An active thread with such operands, when n threads were active.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self.bins: Counter[str] = Counter()

    def sample(self, x: np.ndarray, w: np.ndarray) -> None:
        """Add operand vectors: x uint8 [..., threads], w int8 [..., threads]."""
        active = (x != 0) & (w != 0)
        count = active.sum(-1)
        for n, seen in zip(*np.unique(count, return_counts=True), strict=True):
            self.bins[f"active={n}"] += int(seen)
        x_fits, w_fits = x < 16, (w >= -8) & (w <= 7)
        for n in range(1, self.threads + 1):
            here = active & (count == n)[..., None]
            for xf, wf in product((True, False), repeat=2):
                self.bins[_name(n, xf, wf)] += int((here & (x_fits == xf) & (w_fits == wf)).sum())

    def mandatory(self) -> list[str]:
        """Every number of active threads, with every combination of widths. (x wide, w fits: where roles swap.)"""
        counts = [f"active={n}" for n in range(self.threads + 1)]
        crosses = product(range(1, self.threads + 1), (True, False), (True, False))
        return counts + [_name(*cross) for cross in crosses]

    def check(self) -> None:
        """Fail when a mandatory bin is empty."""
        empty = [name for name in self.mandatory() if not self.bins[name]]
        assert not empty, f"coverage: nothing was seen of {', '.join(empty)}"


def _name(n: int, x_fits: bool, w_fits: bool) -> str:
    return f"n={n} x={'fits' if x_fits else 'wide'} w={'fits' if w_fits else 'wide'}"
