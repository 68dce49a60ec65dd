# SPDX-License-Identifier: Apache-2.0
"""Parameters of the toy PE: of two neighbours along K that are both non-zero, each loses its low bits."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sysmt.hdl.params.checks import in_range, one_of
from sysmt.hdl.params.pe import PEConfig


@dataclass(frozen=True, kw_only=True)
class ToyConfig(PEConfig):
    """A field, two operand pairs per thread and a counter that no other kind has."""

    kind: str = "toy"
    dropped: int = 4

    CODE: ClassVar[int] = 15
    EVENTS: ClassVar[tuple[str, ...]] = ("active", "busy", "collisions", "reduced", "neighbours")

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range("dropped", self.dropped, 1, 7)
        one_of("threads", self.threads, (1, 2))
        one_of("pipeline", self.pipeline, (0, 1))

    @property
    def pairs_per_thread(self) -> int:
        return 2

    @property
    def options(self) -> int:
        return self.dropped << 9

    @classmethod
    def options_of(cls, bits: int) -> dict[str, Any]:
        return {"dropped": bits >> 9}


KIND = ToyConfig
