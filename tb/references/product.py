# SPDX-License-Identifier: Apache-2.0
"""The matrix product once more, one step of one PE at a time in plain integers, to check the golden model against.

Reads like the rules: nothing is shared with the fast model but the containers of the result.
"""

import numpy as np

from sysmt.base import plugins
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.product import Product


def matmul(x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int | None = None, zero: int = 0) -> Product:
    """The same contract as `sysmt.sim.golden.matmul.matmul`, about a million times slower per product."""
    t = pe.throttle(threads)
    pe_step = plugins.load("tb.references.kinds", "reference", pe.kind)
    xs, ws = getattr(pe_step, "fed", _as_they_are)([[v - zero for v in row] for row in x.tolist()], w.tolist(), t, pe)
    k = len(ws)
    steps = pe.steps(k, threads)
    places_of = getattr(pe_step, "places", _contiguous)
    sums = np.zeros((len(xs), len(ws[0])), np.int32)
    counters = golden_of(pe).counters()
    for m, row in enumerate(xs):
        for n in range(len(ws[0])):
            for step in range(steps):
                places = places_of(step, steps, t, pe)
                pairs = [(row[p], ws[p][n]) if p < k else (0, 0) for p in places]
                value, counted = pe_step(pairs, pe)
                sums[m, n] += value
                counters += counted
            sums[m, n] += zero * sum(row[n] for row in w.tolist())
    return Product(sums, counters)


def _contiguous(step: int, steps: int, threads: int, pe: PEConfig) -> list[int]:
    """The places of K that a step takes where the kind says nothing else: every thread has its part of K."""
    together = pe.pairs_per_thread
    return [(thread * steps + step) * together + i for thread in range(threads) for i in range(together)]


def _as_they_are(x: list[list[int]], w: list[list[int]], *_: object) -> tuple[list[list[int]], list[list[int]]]:
    return x, w
