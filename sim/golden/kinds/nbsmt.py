# SPDX-License-Identifier: Apache-2.0
"""Golden model of NB-SMT."""

from dataclasses import replace

import numpy as np

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import GoldenKind, Sharing
from sysmt.sim.golden.nbsmt import split, sum_of_terms
from sysmt.sim.golden.nbsmt_counters import count
from sysmt.sim.golden.nbsmt_terms import terms
from sysmt.sim.golden.product import Counters, Product


class GoldenNbSmt(GoldenKind):
    """See `GoldenKind`."""

    def product(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int, counting: bool) -> Product:
        assert isinstance(pe, NbSmtConfig)
        by_thread = split(x, threads), split(w.T, threads)
        counters = count(*by_thread, pe) if counting else Counters()
        return Product(sum_of_terms(*by_thread, terms(pe, threads)), counters)

    def sharing(self, pe: PEConfig) -> Sharing | None:
        assert isinstance(pe, NbSmtConfig)
        if pe.threads == 1 or not pe.rules.detects_zeros:
            return None
        deviation = terms(replace(pe, threads=2), 2)[1]
        return Sharing(deviation.x, deviation.w, weights_count=True, together=pe.threads)

    def reduced(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int) -> int:
        assert isinstance(pe, NbSmtConfig)
        return count(split(x, threads), split(w.T, threads), pe).reduced


KIND = GoldenNbSmt()
