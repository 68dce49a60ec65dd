# SPDX-License-Identifier: Apache-2.0
"""Golden model of SPARQ."""

import numpy as np

from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden import sparq_stc
from sysmt.sim.golden.kind import GoldenKind, Sharing
from sysmt.sim.golden.nbsmt import split, sum_of_terms
from sysmt.sim.golden.nbsmt_terms import EXACT, W
from sysmt.sim.golden.product import Product
from sysmt.sim.golden.sparq import SparqCounters, count, halves, magnitudes, operands, takes_halves, trimmed


class GoldenSparq(GoldenKind):
    """See `GoldenKind`."""

    counters = SparqCounters

    def product(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int, counting: bool) -> Product:
        assert isinstance(pe, SparqConfig)
        counters = SparqCounters()
        if pe.stc:
            full = threads == pe.threads
            self.check_weights(w, pe, threads)
            sums = sparq_stc.sums(x, w, pe) if full else self._sums(x, w)
            return Product(sums, sparq_stc.count(x, w, pe, threads) if counting else counters)
        if counting:
            counters = count(self.x_fed(x, pe, threads), self.w_fed(w.T, pe, threads).T, pe, threads)
        multiplied = operands(x, pe) if threads == pe.threads else magnitudes(x)
        sums = self._sums(multiplied, w)
        if x.dtype != np.uint8 and (x < 0).any():
            sums -= 2 * self._sums(np.where(x < 0, multiplied, np.uint8(0)), w)
        return Product(sums, counters)

    @staticmethod
    def _sums(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Plainly: x uint8 [M, K], w int8 [K, N] to int32 [M, N]."""
        return sum_of_terms(split(x, 1), split(w.T, 1), EXACT)

    def by_channel(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, active: int) -> SparqCounters:
        assert isinstance(pe, SparqConfig)
        if pe.stc:
            return SparqCounters(active=active, busy=active, alone=active)
        total = SparqCounters()
        for c, filters in enumerate(np.split(w, x.shape[2], axis=1)):
            total += count(self.x_fed(x[:, :, c], pe, 1), self.w_fed(filters.T, pe, 1).T, pe, 1)
        return total

    def sharing(self, pe: PEConfig) -> Sharing | None:
        assert isinstance(pe, SparqConfig)
        if not pe.vsparq or pe.stc:
            return None
        lost = trimmed(pe.narrow, pe.trim).astype(np.float32) - trimmed(pe.narrow.alone, pe.trim)
        return Sharing(lost, W.astype(np.float32), weights_count=False, together=2)

    def slots(self, groups: np.ndarray) -> np.ndarray:
        order: np.ndarray = groups.ravel()
        return order

    def reduced(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int) -> int:
        assert isinstance(pe, SparqConfig)
        return (sparq_stc.count if pe.stc else count)(x, w, pe, threads).reduced

    def x_fed(self, x: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
        assert isinstance(pe, SparqConfig)
        if pe.stc:
            return sparq_stc.spread(x) if threads < pe.threads else x
        return halves(x) if takes_halves(pe, threads) else x

    def w_fed(self, w: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
        assert isinstance(pe, SparqConfig)
        if pe.stc:
            self.check_weights(w.T, pe, threads)
            if threads < pe.threads:
                return sparq_stc.spread(w)
        return w.repeat(2, axis=1) if takes_halves(pe, threads) else w

    def check_weights(self, w: np.ndarray, pe: PEConfig, threads: int) -> None:
        assert isinstance(pe, SparqConfig)
        if pe.stc and threads == pe.threads:
            sparq_stc.check_weights(w)

    def most_threads(self, w: np.ndarray, pe: PEConfig) -> int:
        assert isinstance(pe, SparqConfig)
        return pe.dense_threads if pe.stc and not sparq_stc.is_sparse(w) else pe.threads

    def with_zeros(self, w: np.ndarray, pe: PEConfig) -> np.ndarray:
        assert isinstance(pe, SparqConfig)
        return sparq_stc.first_two(w) if pe.stc else w

    def w_stored(self, w: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
        assert isinstance(pe, SparqConfig)
        return sparq_stc.stored(w, pe, threads) if pe.stc else super().w_stored(w, pe, threads)

    def w_read(self, words: np.ndarray, lanes: int, pe: PEConfig, threads: int) -> np.ndarray:
        assert isinstance(pe, SparqConfig)
        return sparq_stc.read(words, lanes, pe, threads) if pe.stc else super().w_read(words, lanes, pe, threads)

    def k_order(self, k: int, pe: PEConfig, threads: int) -> np.ndarray:
        """Neighbours in one step: thread p has the first operand of pair p, thread `pairs` + p the second.

        With `stc` the first two and the second two of four; on fewer threads two each, of which `x_fed` gives one.
        """
        assert isinstance(pe, SparqConfig)
        if pe.stc:
            together = threads * pe.pairs_per_thread
            thread, place = np.divmod(np.arange(together), pe.pairs_per_thread)
            if threads == pe.threads:
                thread = thread % pe.pairs * 2 + thread // pe.pairs
            own = thread * pe.pairs_per_thread + place
            return own[:, None] + np.arange(-(-k // together)) * together
        first = np.arange(-(-k // threads)) * threads
        thread = np.arange(threads)
        if threads == pe.threads:
            thread = thread % pe.pairs * 2 + thread // pe.pairs
        return thread[:, None] + first


KIND = GoldenSparq()
