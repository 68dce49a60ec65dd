# SPDX-License-Identifier: Apache-2.0
"""What a design needs of a part, before it is synthesised, and whether it can fit (`sysmt.sim.cost.silicon`)."""

from collections.abc import Mapping
from typing import Any

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import ARRAYS
from sysmt.sim.cost.silicon import Interval, Silicon, predict, predict_all

from .board import BoardDefinition

Held = AccelConfig | EngineConfig

UNITS = {"LUT": "luts", "RAM": "rams", "DSP": "dsps"}
"""Resources that a design may lack, and what their predictions are called."""


def intervals(board: BoardDefinition, config: Held) -> dict[str, Interval]:
    """What a design is likely to take of the resources that it may lack, with 95 % intervals."""
    found = predict(config, board.part.family.name)
    return {resource: getattr(found, name) for resource, name in UNITS.items()}


def needs(board: BoardDefinition, config: Held) -> dict[str, float]:
    """What a design is likely to take of the resources that it may lack."""
    return {resource: need.value for resource, need in intervals(board, config).items()}


def check(board: BoardDefinition, config: Held) -> None:
    """Refuse, before anything is run, what cannot fit: at the low end of its interval."""
    refuse_larger(board, {name: need.low for name, need in intervals(board, config).items()}, config)


def refuse_larger(board: BoardDefinition, used: Mapping[str, float], config: Held) -> None:
    """Refuse a design that needs more of anything than the part has, and name what fits."""
    array, engine = config.array, isinstance(config, EngineConfig)
    what = f"{'engine' if engine else 'array'} {array.rows}x{array.cols}x{array.pe.threads}"
    for resource, there in board.part.capacity.items():
        if used.get(resource, 0) > there:
            raise UserError(
                f"{what} needs about {round(used[resource])} {resource}s of the {there} of {board.part.name} on "
                f"{board.name}: what fits is {', '.join(fitting(board, engine)) or 'nothing'}"
            )


def describe(board: BoardDefinition) -> dict[str, Any]:
    """One row of the list of boards."""
    config = board.accelerator()
    return {
        "board": board.name,
        "title": board.title,
        "part": board.part.name,
        "clock_mhz": board.clock_hz / 1e6,
        "baud": board.baud,
        "preset": board.preset,
        "peak_gmac_per_s": round(peak(board, config) / 1e9, 3),
        "fits": fitting(board),
        "engines": fitting(board, engine=True),
    }


def peak(board: BoardDefinition, config: Held) -> float:
    """Products a second when no PE ever waits."""
    return config.array.rows * config.array.cols * config.array.pe.threads * board.clock_of(config)


def fitting(board: BoardDefinition, engine: bool = False) -> list[str]:
    """The presets whose accelerator, or engine, is expected to fit."""
    built: dict[str, Held] = {}
    for name in ARRAYS:
        try:
            built[name] = board.networks(name) if engine else board.accelerator(name)
        except ConfigError:
            continue
    found = predict_all(list(built.values()), board.part.family.name)
    return [name for name, silicon in zip(built, found, strict=True) if _fits(board, silicon)]


def _fits(board: BoardDefinition, silicon: Silicon) -> bool:
    """Whether the expected values do."""
    return all(getattr(silicon, name).value <= board.part.capacity[resource] for resource, name in UNITS.items())
