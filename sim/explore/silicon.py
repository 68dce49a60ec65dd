# SPDX-License-Identifier: Apache-2.0
"""What a configuration takes on a target, before it is synthesised: the one place where the explorer asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import ArrayConfig

from .keys import key_of, sources_key

ESTIMATED = ("nbsmt",)
"""Kinds of PE whose LUTs the estimate of boards knows."""

Facts = dict[str, Any]
"""What is predicted of one configuration: `area` [value, low, high] in the target's unit; `mhz`, `femtojoules` (per
multiply-accumulate) likewise where known; `fits`, whether the board holds it."""


class Target(Protocol):
    """What configurations are built for."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def style(self) -> str:
        """`target` of the arrays: how their functions are written."""

    @property
    def unit(self) -> str:
        """Of areas."""

    @property
    def clock_mhz(self) -> float | None:
        """The clock that all configurations run at; None where each has its own."""

    @property
    def key(self) -> str:
        """The key of all that predictions depend on."""

    def predict(self, configs: Sequence[ArrayConfig]) -> list[Facts | None]:
        """The facts of every configuration; None of one that cannot be built for this target."""


@dataclass(frozen=True)
class Abstract:
    """No target: an array costs what it has of multipliers, and time is counted in cycles."""

    name: str = "any target"
    style: str = "asic"
    unit: str = "PEs"
    clock_mhz: float | None = None

    @property
    def key(self) -> str:
        """As `Target.key`."""
        return key_of(self.name)

    def predict(self, configs: Sequence[ArrayConfig]) -> list[Facts | None]:
        """As `Target.predict`."""
        return [{"area": [float(config.rows * config.cols)] * 3, "fits": True} for config in configs]


@dataclass(frozen=True)
class OnBoard:
    """An accelerator on a board, at the board's clock: LUTs, and whether all resources suffice."""

    name: str
    style: str = "fpga"
    unit: str = "LUTs"

    @property
    def clock_mhz(self) -> float:
        """As `Target.clock_mhz`."""
        return self._board.clock_hz / 1e6

    @property
    def key(self) -> str:
        """As `Target.key`."""
        return key_of(self.name, sources_key("sysmt.boards", "sysmt.hdl.params", "sysmt.sim.cost", "sysmt.sim.flow"))

    def predict(self, configs: Sequence[ArrayConfig]) -> list[Facts | None]:
        """As `Target.predict`."""
        from sysmt.boards.flow.estimate import DOUBT, needs

        found: list[Facts | None] = []
        for array in configs:
            if array.pe.kind not in ESTIMATED:
                found.append(None)
                continue
            try:
                config = self._board.around(array)
            except ConfigError:
                found.append(None)
                continue
            used = needs(self._board, config)
            fits = all(used[name] <= self._board.part.capacity[name] for name in used)
            area = float(used["LUT"])
            found.append({"area": [area, area / DOUBT["LUT"], area * DOUBT["LUT"]], "resources": used, "fits": fits})
        return found

    @property
    def _board(self) -> Any:
        from sysmt.boards.definitions import board  # needs the extra `boards`

        return board(self.name)
