# SPDX-License-Identifier: Apache-2.0
"""Configuration of SMT-SA (Shomron, Horowitz and Weiser, IEEE CAL 2019): an array whose threads wait, and lose nothing.

It is no kind of PE of `ArrayConfig`: no controller moves it in lockstep, its cycles depend on its operands, and every
thread of every row and column is a stream of its own.
"""

from dataclasses import dataclass

from sysmt.base.errors import ConfigError

from .array import ArrayConfig
from .checks import in_range, one_of
from .config import Config
from .pe import THREADS, PEConfig

LINK = 2
"""Operands that a thread can have between two neighbouring PEs."""


@dataclass(frozen=True, kw_only=True)
class SmtSaConfig(Config):
    """An array of SMT-SA.

    Parameters
    ----------
    rows, cols : int
        PEs down and across, 1 to 256.
    threads : 1, 2 or 4
        Parts of K that move through the array, each at a pace of its own.
    queue : int
        Operand pairs that wait in a PE, per thread, 1 to 64.
    acc_width : int
        Bits of the partial sum, 17 to 32.
    """

    rows: int = 16
    cols: int = 16
    threads: int = 2
    queue: int = 4
    acc_width: int = 32

    def __post_init__(self) -> None:
        in_range("rows", self.rows, 1, 256)
        in_range("cols", self.cols, 1, 256)
        one_of("threads", self.threads, THREADS)
        in_range("queue", self.queue, 1, 64)
        in_range("acc_width", self.acc_width, 17, 32)

    @property
    def conventional(self) -> ArrayConfig:
        """The one-thread array of the same size that its speed-up is against, and whose sums it computes."""
        return ArrayConfig(rows=self.rows, cols=self.cols, pe=PEConfig(acc_width=self.acc_width))

    @property
    def k_max(self) -> int:
        """Longest reduction that cannot overflow the accumulator, whatever the operands."""
        return self.conventional.pe.k_max

    def check_k(self, k: int) -> None:
        """Refuse a reduction length that is empty or could overflow the accumulator."""
        self.conventional.pe.check_k(k)

    def steps(self, k: int) -> int:
        """Operands that every thread brings for a reduction of length `k`: ceil(k / threads)."""
        if k < 1:
            raise ConfigError(f"K must be at least 1, not {k}")
        return -(-k // self.threads)
