# SPDX-License-Identifier: Apache-2.0
"""What a kind of processing element gives to the golden models, and where it is found."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from sysmt.base import plugins
from sysmt.hdl.params.pe import PEConfig

from .product import Counters, Product


class Sharing(NamedTuple):
    """What an operand pair is off by while it shares its step with others: f(x) g(w).

    Members
    -------
    x, w : float32 [256]
        f and g, tabulated over the operand's byte.
    weights_count : bool
        Whether it shares a step only with operand pairs whose weight, too, is not zero.
    together : int
        Operands that share with one another.
    """

    x: np.ndarray
    w: np.ndarray
    weights_count: bool
    together: int


class GoldenKind(ABC):
    """The golden model of one kind of PE: a module in `sysmt.sim.golden.kinds` holds such an object as `KIND`.

    Activations are uint8; of PEs with `PEConfig.zero_width`, distances from the zero point, int16
    (`sysmt.sim.golden.zero_point.distances`).
    """

    counters: type[Counters] = Counters
    """What it counts: fields as `PEConfig.EVENTS` of the kind."""

    @abstractmethod
    def product(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int, counting: bool) -> Product:
        """The matrix product that an array of these PEs computes, bit for bit.

        Parameters
        ----------
        x : uint8 or int16 [M, K]
        w : int8 [K, N]
            Checked by `check_operands`.
        pe : PEConfig
            Of this kind.
        threads : int
            Threads to run on.
        counting : bool
            Whether the counters are wanted; without, they are all 0.
        """

    def by_channel(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, active: int) -> Counters:
        """Counters of products of their own per channel on one thread, of which `active` have no zero operand.

        Parameters
        ----------
        x : uint8 or int16 [M, K, C]
        w : int8 [K, N]
            N is a multiple of C, a channel's filters side by side.
        """
        return self.counters(active=active, busy=active)

    def sharing(self, pe: PEConfig) -> Sharing | None:
        """What the order of K decides on, for operands that share a step; None where it makes no difference."""
        return None

    def slots(self, groups: np.ndarray) -> np.ndarray:
        """The order of K in which the operands of each group [groups, together] share a step."""
        order: np.ndarray = groups.T.ravel()
        return order

    def reduced(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int) -> int:
        """The counter `reduced` of a product x [M, K], w [K, N]."""
        return self.product(x, w, pe, threads, True).counters.reduced

    def x_fed(self, x: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
        """The activations [M, K] as the array is given them, in the order of K: as they are.

        A kind whose steps cannot take an operand as a whole gives a longer K with the same product.
        """
        return x

    def w_fed(self, w: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
        """The weights [N, K] that go with `x_fed`."""
        return w

    def check_weights(self, w: np.ndarray, pe: PEConfig, threads: int) -> None:
        """Refuse weights [K, N] that the array cannot multiply by (`UserError`, one line)."""
        return

    def most_threads(self, w: np.ndarray, pe: PEConfig) -> int:
        """Most threads on which the array multiplies by weights [K, N]."""
        return pe.threads

    def with_zeros(self, w: np.ndarray, pe: PEConfig) -> np.ndarray:
        """Weights [K, N], with zeros where `check_weights` wants them on all threads."""
        return w

    def w_stored(self, w: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
        """Weights of steps on so many threads as memories hold them.

        int8 [words, lanes, operand pairs of a PE] to uint8 [words, `PEConfig.weight_bytes`]; on fewer threads than all
        a word may have the operand pairs of several steps.
        """
        return np.ascontiguousarray(w).reshape(len(w), -1).view(np.uint8)

    def w_read(self, words: np.ndarray, lanes: int, pe: PEConfig, threads: int) -> np.ndarray:
        """The weights that `w_stored` made `words` of."""
        return words.view(np.int8).reshape(len(words), lanes, pe.products)

    def k_order(self, k: int, pe: PEConfig, threads: int) -> np.ndarray:
        """Which place of the K of `x_fed` every operand pair takes in every step: int64 [pairs that run, steps].

        Places from `k` on are zero operands. By default thread t has the t-th contiguous part of K (MICRO 2020,
        section 3), and the pairs of one thread are neighbours.
        """
        steps = pe.steps(k, threads)
        thread, pair = np.divmod(np.arange(threads * pe.pairs_per_thread), pe.pairs_per_thread)
        return (thread[:, None] * steps + np.arange(steps)) * pe.pairs_per_thread + pair[:, None]


def golden_of(pe: PEConfig) -> GoldenKind:
    """The golden model of the configuration's kind."""
    found: GoldenKind = plugins.load("sysmt.sim.golden.kinds", "golden", pe.kind)
    return found
