# SPDX-License-Identifier: Apache-2.0
"""The matrix product once more, one step of one PE at a time in plain integers, to check the golden model against.

Reads like the rules: nothing is shared with the fast model but the containers of the result.
"""

import numpy as np

from sysmt.base import plugins
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.product import Product


def matmul(x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int | None = None) -> Product:
    """The same contract as `sysmt.sim.golden.matmul.matmul`, about a million times slower per product."""
    t = pe.throttle(threads)
    pe_step = plugins.load("tb.references.kinds", "reference", pe.kind)
    xs, ws = x.tolist(), w.tolist()
    k = len(ws)
    steps = pe.steps(k, threads)
    together = pe.pairs_per_thread
    sums = np.zeros((len(xs), len(ws[0])), np.int32)
    counters = golden_of(pe).counters()
    for m, row in enumerate(xs):
        for n in range(len(ws[0])):
            for step in range(steps):
                places = [(thread * steps + step) * together + i for thread in range(t) for i in range(together)]
                pairs = [(row[p], ws[p][n]) if p < k else (0, 0) for p in places]
                value, counted = pe_step(pairs, pe)
                sums[m, n] += value
                counters += counted
    return Product(sums, counters)
