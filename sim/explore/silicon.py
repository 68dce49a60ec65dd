# SPDX-License-Identifier: Apache-2.0
"""What configurations are built for, and what they are expected to take there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.silicon import Built
from sysmt.sim.cost.silicon.predict import CELLS, Silicon, predict_all

from .designs import ACCELERATOR, ARRAY, ENGINE, STREAM, around, in_words
from .keys import key_of, sources_key
from .routing import fullest, parts_timed

if TYPE_CHECKING:
    from sysmt.boards.flow.board import BoardDefinition

Facts = dict[str, Any]
"""What is predicted of one configuration: `area` [value, low, high] in the target's unit; `mhz`, `femtojoules` (per
multiply-accumulate) likewise where known; `logic` and `memory_area`, of which area in cells is the sum where there are
memories; `luts`, `dsps`, `rams`; on a board `full`, the share of its LUTs; `fits`, whether the board holds it."""
PREDICTING = ("sysmt.sim.cost", "sysmt.hdl.params")
"""The packages that predictions are made by."""

DIGITS = 6


class Target(Protocol):
    """What configurations are built for."""

    @property
    def name(self) -> str:
        """For people; of a board what it is called."""

    @property
    def style(self) -> str:
        """`target` of the arrays: how their functions are written."""

    @property
    def unit(self) -> str:
        """Of areas."""

    @property
    def design(self) -> str:
        """What stands around the array (`sysmt.sim.explore.designs`)."""

    @property
    def fill(self) -> float:
        """The share of the LUTs up to which a design is expected to be routed."""

    @property
    def key(self) -> str:
        """The key of all that predictions depend on."""

    def build(self, array: ArrayConfig, fields: Mapping[str, Any]) -> Built:
        """The design around an array, with fields of what stands around it.

        Raises
        ------
        ConfigError
            It cannot be built for this target.
        """

    def predict(self, configs: Sequence[Built]) -> list[Facts]:
        """The facts of every configuration."""

    def clock_mhz(self, config: Built) -> float | None:
        """The clock that a configuration is given; None where it has what it reaches."""


@dataclass(frozen=True)
class Abstract:
    """No target: an array costs what it has of processing elements, and time is counted in cycles."""

    name: str = "any target"
    style: str = "asic"
    unit: str = "PEs"
    design: str = ARRAY
    fill: float = 1.0

    @property
    def key(self) -> str:
        """As `Target.key`."""
        return key_of(self.name)

    def build(self, array: ArrayConfig, fields: Mapping[str, Any]) -> Built:
        """As `Target.build`."""
        return around(self.design, array, fields)

    def predict(self, configs: Sequence[Built]) -> list[Facts]:
        """As `Target.predict`."""
        arrays = [config if isinstance(config, ArrayConfig) else config.array for config in configs]
        return [{"area": [float(array.rows * array.cols)] * 3, "fits": True} for array in arrays]

    def clock_mhz(self, config: Built) -> None:
        """As `Target.clock_mhz`."""


@dataclass(frozen=True)
class InCells:
    """An array, or a design around it, in standard cells, each at the clock that it reaches.

    Parameters
    ----------
    library : str
        One of `sysmt.sim.cost.silicon.predict.CELLS`.
    file : str, optional
        The liberty file, to synthesise with.
    design : str
        What stands around the array.
    """

    library: str
    file: str | None = None
    style: str = "asic"
    unit: str = "um2"
    design: str = ARRAY
    fill: float = 1.0

    @classmethod
    def of(cls, name: str, design: str = ARRAY) -> "InCells":
        """Of the name of a library, or of a liberty file whose name begins with one.

        Raises
        ------
        UserError
            Nothing is known of such cells, or there is no such file.
        """
        if name in CELLS:
            return cls(name, design=design)
        path = Path(name)
        if not name.endswith((".lib", ".lib.gz")):
            raise UserError(f"{must_be_one_of('liberty', name, CELLS)}, or a file of its cells (.lib, .lib.gz)")
        if not path.is_file():
            raise UserError(f"liberty {name!r} must be a file, and is none")
        for library in CELLS:
            if path.name.startswith(library):
                return cls(library, name, design=design)
        raise UserError(
            f"liberty {name!r} must be of cells that something was synthesised for, called {', '.join(CELLS)}...: "
            "of others nothing can be predicted"
        )

    @property
    def name(self) -> str:
        """As `Target.name`."""
        return self.library

    @property
    def key(self) -> str:
        """As `Target.key`."""
        return key_of(self.library, sources_key(*PREDICTING))

    def build(self, array: ArrayConfig, fields: Mapping[str, Any]) -> Built:
        """As `Target.build`."""
        return around(self.design, array, fields)

    def predict(self, configs: Sequence[Built]) -> list[Facts]:
        """As `Target.predict`."""
        return [_in_cells(silicon) for silicon in predict_all(configs, self.library)]

    def clock_mhz(self, config: Built) -> None:
        """As `Target.clock_mhz`."""


def _in_cells(silicon: Silicon) -> Facts:
    """Facts of a design in cells: where it has memories, its area is theirs and that of its logic."""
    facts = _intervals(silicon, ("area", "mhz", "femtojoules", "memory_area")) | {"fits": True}
    if silicon.memory_area is not None:
        facts["logic"] = facts["area"]
        facts["area"] = [a + b for a, b in zip(facts["logic"], facts["memory_area"], strict=True)]
    return facts


def _intervals(silicon: Silicon, names: Sequence[str]) -> Facts:
    """Predictions by name, those that are not known left out. Rounded: their last bits differ from batch to batch."""
    found = {name: getattr(silicon, name) for name in names}
    return {
        name: [float(f"{value:.{DIGITS}g}") for value in (each.value, each.low, each.high)]
        for name, each in found.items()
        if each is not None
    }


@dataclass(frozen=True)
class OnBoard:
    """An accelerator or an engine on a board, at the board's clock: LUTs, and whether clock and resources suffice."""

    name: str
    style: str = "fpga"
    unit: str = "LUTs"
    design: str = ACCELERATOR

    @property
    def fill(self) -> float:
        """As `Target.fill`."""
        return fullest(self.board.part.family.name)

    @property
    def key(self) -> str:
        """As `Target.key`."""
        return key_of(self.name, sources_key("sysmt.boards", "sysmt.sim.flow", *PREDICTING))

    def build(self, array: ArrayConfig, fields: Mapping[str, Any]) -> Built:
        """As `Target.build`."""
        if self.design == ENGINE:
            sizes = {name: value for name, value in fields.items() if name != STREAM}
            return self.board.engine_around(array, stream=bool(fields.get(STREAM)), **in_words(array, sizes))
        return self.board.around(array, **fields)

    def predict(self, configs: Sequence[Built]) -> list[Facts]:
        """As `Target.predict`."""
        return _on_board(self.board, configs)

    def clock_mhz(self, config: Built) -> float:
        """As `Target.clock_mhz`."""
        return self.board.clock_of(config) / 1e6

    @property
    def board(self) -> "BoardDefinition":
        """The board itself."""
        from sysmt.boards.definitions import board  # needs the extra `boards`

        return board(self.name)


def _on_board(board: "BoardDefinition", configs: Sequence[Built]) -> list[Facts]:
    """Facts of designs on a board."""
    capacity = board.part.capacity
    timed = board.part.name in parts_timed()
    found = []
    for config, silicon in zip(configs, predict_all(configs, board.part.family.name), strict=True):
        clock = board.clock_of(config) / 1e6
        facts = _intervals(silicon, ("luts", "dsps", "rams", "mhz"))
        facts["area"] = facts.pop("luts")
        used = {"LUT": facts["area"][0], "DSP": facts["dsps"][0], "RAM": facts["rams"][0]}
        facts["full"] = facts["area"][0] / capacity["LUT"]
        if not timed:
            del facts["mhz"]
        facts["fits"] = all(used[name] <= capacity[name] for name in used) and (not timed or facts["mhz"][1] >= clock)
        found.append(facts)
    return found
