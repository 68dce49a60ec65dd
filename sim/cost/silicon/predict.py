# SPDX-License-Identifier: Apache-2.0
"""The predictions: one object per configuration, each figure with the ends of its 95 % interval."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig

from .components import Built, components
from .memories import BLOCK_SHAPES, MACROS, certain_dsps, dsps, memory_area, memory_bits, rams
from .model import FIGURES, ClockModel, SumModel
from .samples import Sample, load

CELLS = ("sky130hd",)
"""Cell libraries that configurations were synthesised for."""
TARGETS = (*CELLS, *BLOCK_SHAPES)
"""What silicon is predicted for: a cell library, or a family of FPGAs."""
ON_CELLS, ON_FPGA = ("area", "flip_flops", "femtojoules"), ("luts", "flip_flops")
"""Sums of components that are predicted of either."""


BASES = {"ice40": "ecp5", "gowin": "ecp5"}
"""Families of which few configurations were synthesised, and the one that they are like."""
FEWER_RAMS = 1.1
"""Yosys may make so many times fewer blocks of a large memory."""
LEAST = 2
"""Samples that a figure must have on a target that is like no other."""


@dataclass(frozen=True)
class Interval:
    """A prediction: its value, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Silicon:
    """What a configuration is expected to take on a target; None where the target does not tell.

    Members
    -------
    target : str
    area : Interval or None
        um2 of standard cells, without wires, clock tree and memories.
    flip_flops : Interval
    mhz : Interval
        The clock: in cells without wires; placed and routed on an ECP5 of speed grade 6, iCE40HX8K or GW1NR-9C.
    femtojoules : Interval or None
        Per multiply-accumulate of an array in cells, on the layers of `sysmt synth --energy resnet8`.
    luts, dsps, rams : Interval or None
        LUTs of 4 inputs, multipliers, blocks of RAM, in the units of `sysmt.sim.flow.parts.Family`, as placed.
    memory_area : Interval or None
        um2 of memories in macros of SRAM, of what has any.
    memory_bits : int
        Bits of all memories.
    """

    target: str
    flip_flops: Interval
    mhz: Interval
    area: Interval | None = None
    femtojoules: Interval | None = None
    luts: Interval | None = None
    dsps: Interval | None = None
    rams: Interval | None = None
    memory_area: Interval | None = None
    memory_bits: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON; figures that the target does not tell are left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, eq=False)
class SiliconModel:
    """All figures of a target, fitted to samples of it.

    Members
    -------
    target : str
    sums, clock
        Models of figures.
    more_dsps : int
        So many more multipliers than counted were found in a sample, at most.
    fewer_rams : float
        The smallest share of the blocks of RAM counted that was found in a sample.
    """

    target: str
    sums: dict[str, SumModel]
    clock: ClockModel
    more_dsps: int = 0
    fewer_rams: float = 1.0

    @classmethod
    def of(cls, target: str, samples: Sequence[Sample]) -> "SiliconModel":
        """Fitted to those of the samples that are of the target.

        Raises
        ------
        UserError
            Unknown target, or one without samples.
        """
        if target not in TARGETS:
            raise UserError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        known = [sample for sample in samples if sample.target == target]
        names = ON_CELLS if target in CELLS else ON_FPGA
        base = cls.of(BASES[target], samples) if target in BASES else None
        has = {name: sum(name in sample.measured for sample in known) for name in (*names, "mhz")}
        for name, number in has.items():
            if number < LEAST and base is None:
                raise UserError(f"target {target} needs at least {LEAST} samples with {name}, not {number}")
        sums = {}
        for name in names:
            alike = base.sums[name] if base else None
            sums[name] = SumModel.of(name, known, alike) if has[name] or alike is None else alike
        on_fpga = [sample for sample in known if "dsps" in sample.measured]
        more = [round(sample.measured["dsps"]) - dsps(target, sample.config) for sample in on_fpga]
        clock = ClockModel.of(known, base.clock if base else None) if has["mhz"] or not base else base.clock
        there = [
            (sample.measured["rams"], rams(target, sample.config)) for sample in known if "rams" in sample.measured
        ]
        fewer = min([1 / FEWER_RAMS, *(found / most for found, most in there)])
        return cls(target, sums, clock, max([0, *more]), fewer)

    def predict(self, configs: Sequence[Built], placed: Sequence[bool] | None = None) -> dict[str, np.ndarray]:
        """Value, low and high of every figure, float [configurations, 3]; `femtojoules` is of arrays only.

        Resources of an FPGA are those of placements, or of netlists where `placed` says so.
        """
        flags = [self.target in BLOCK_SHAPES] * len(configs) if placed is None else placed
        counts = [components(config, flag) for config, flag in zip(configs, flags, strict=True)]
        found = {name: model.predict(configs, counts) for name, model in self.sums.items()}
        for name in found:
            if FIGURES[name].whole:
                found[name] = np.rint(found[name])
        found["mhz"] = self.clock.predict(configs, counts)
        if self.target in BLOCK_SHAPES:
            most = np.array([rams(self.target, config) for config in configs], np.float64)
            found["rams"] = np.stack([most, np.floor(most * self.fewer_rams), most], 1)
            likely = np.array([dsps(self.target, config) for config in configs], np.float64)
            certain = np.array([certain_dsps(config) for config in configs], np.float64)
            found["dsps"] = np.stack([likely, certain, likely + self.more_dsps], 1)
        return found


@cache
def fitted(target: str) -> SiliconModel:
    """The model fitted to all samples of the repository."""
    return SiliconModel.of(target, load())


def predict_all(configs: Sequence[Built], target: str) -> list[Silicon]:
    """As `predict`, of many configurations at once: a second or two for 10,000."""
    found = fitted(target).predict(configs)
    rows = {name: table.tolist() for name, table in found.items()}
    result = []
    for i, config in enumerate(configs):
        figures = {name: Interval(*table[i]) for name, table in rows.items()}
        if not isinstance(config, ArrayConfig):
            figures.pop("femtojoules", None)
            if target in MACROS:
                figures["memory_area"] = Interval(*memory_area(target, config))
        result.append(Silicon(target=target, memory_bits=memory_bits(config), **figures))
    return result


def predict(config: Built, target: str) -> Silicon:
    """What a configuration is expected to take.

    Parameters
    ----------
    config : ArrayConfig, AccelConfig or EngineConfig
        For an FPGA with `target = fpga`, for cells with `target = asic`.
    target : str
        Of `TARGETS`.

    Raises
    ------
    UserError
        Unknown target.
    """
    return predict_all([config], target)[0]
