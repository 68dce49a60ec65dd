# SPDX-License-Identifier: Apache-2.0
"""Parameters of the kind `shift`: a PE that shifts where others multiply."""

from dataclasses import dataclass
from typing import ClassVar

from sysmt.hdl.params.checks import one_of
from sysmt.hdl.params.pe import PEConfig


@dataclass(frozen=True, kw_only=True)
class ShiftConfig(PEConfig):
    """Weights count as the power of two below their magnitude: 100 as 64, -3 as -2. One thread.

    It has no fields of its own; what is common to all kinds (`acc_width`, `pipeline`, ...) is in `PEConfig`.
    """

    kind: str = "shift"

    CODE: ClassVar[int] = 14  # in the identity register of accelerators

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("threads", self.threads, (1,))
        one_of("pipeline", self.pipeline, (0, 1))  # no registers inside the multiplier


KIND = ShiftConfig
