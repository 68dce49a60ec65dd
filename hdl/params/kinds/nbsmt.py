# SPDX-License-Identifier: Apache-2.0
"""Parameters of NB-SMT (Shomron and Weiser, MICRO 2020): 1, 2 or 4 threads on one 8b x 8b multiplier."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sysmt.hdl.params.checks import one_of
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.policy import POLICIES, Policy

ROUNDINGS = ("nearest", "truncate")


@dataclass(frozen=True, kw_only=True)
class NbSmtConfig(PEConfig):
    """A PE whose threads share one multiplier. One thread is the conventional PE, and exact.

    Parameters
    ----------
    threads : 1, 2 or 4
        Threads that share the multiplier.
    policy : str
        When and how an operand is reduced to 4 bits (`POLICIES`; MICRO 2020, section 3). No effect on one thread.
    rounding : "nearest" or "truncate"
        How the 4 bits are made.
    """

    policy: str = "S+A"
    rounding: str = "nearest"

    CODE: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("policy", self.policy, tuple(POLICIES))
        one_of("rounding", self.rounding, ROUNDINGS)

    @property
    def rules(self) -> Policy:
        """The policy, parsed."""
        return POLICIES[self.policy]

    @property
    def exact_alone(self) -> bool:
        """As `PEConfig.exact_alone`: one thread, or a policy that detects zeros."""
        return self.threads == 1 or self.rules.detects_zeros

    @property
    def mode_width(self) -> int:
        """As `PEConfig.mode_width`; a policy that detects zeros needs no mode."""
        return 0 if self.rules.detects_zeros else {1: 0, 2: 1, 4: 2}[self.threads]

    @property
    def max_product(self) -> int:
        """Exact, or reduced: a reduced x is at most 240, a reduced w at least -128."""
        return 255 * 128

    @property
    def options(self) -> int:
        """`policy` in 4 bits, `rounding` in the fifth."""
        return list(POLICIES).index(self.policy) | ROUNDINGS.index(self.rounding) << 4

    @classmethod
    def options_of(cls, bits: int) -> dict[str, Any]:
        """The fields of `options`."""
        return {"policy": list(POLICIES)[bits & 15], "rounding": ROUNDINGS[bits >> 4]}


KIND = NbSmtConfig
