# SPDX-License-Identifier: Apache-2.0
"""Golden model of the toy PE."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import GoldenKind
from sysmt.sim.golden.product import Counters, Product


@dataclass(frozen=True)
class ToyCounters(Counters):
    """With one event more."""

    neighbours: int = 0


class GoldenToy(GoldenKind):
    """See `GoldenKind`."""

    counters = ToyCounters

    def product(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int, counting: bool) -> Product:
        order = self.k_order(x.shape[1], pe, threads)
        room = int(order.max()) + 1
        xs = np.pad(x, ((0, 0), (0, room - x.shape[1]))).astype(np.int32)[:, order]
        ws = np.pad(w, ((0, room - w.shape[0]), (0, 0))).astype(np.int32)[order]
        neighbour = xs[:, np.arange(len(order)) ^ 1] != 0
        short = np.where(neighbour, xs >> pe.dropped << pe.dropped, xs)
        sums = np.einsum("mps,psn->mn", short, ws).astype(np.int32)
        active = (xs[..., None] != 0) & (ws != 0)
        counted = (
            active.sum(),
            active.any(axis=1).sum(),
            0,
            (neighbour & (xs % (1 << pe.dropped) != 0)).sum() * w.shape[1],
            (neighbour & (xs != 0))[:, ::2].sum() * w.shape[1],
        )
        return Product(sums, ToyCounters(*map(int, counted)) if counting else ToyCounters())


KIND = GoldenToy()
