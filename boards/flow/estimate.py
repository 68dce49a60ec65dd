# SPDX-License-Identifier: Apache-2.0
"""What an accelerator needs of a part, before it is synthesised: a bound for memories, a fit for LUTs."""

from collections.abc import Mapping
from typing import Any

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.hdl.params.presets import ARRAYS

from .board import BoardDefinition

FITTED: dict[str, dict[str, int]] = {
    "ecp5": {"base": 1989, "requantize": 1400, "counters": 350, "pe_1": 243, "pe_2": 344, "pe_4": 546, "edge": 16},
    "ice40": {"base": 2900, "requantize": 1600, "counters": 450, "pe_1": 260, "pe_2": 350, "pe_4": 530, "edge": 20},
    "gowin": {"base": 3300, "requantize": 1600, "counters": 450, "pe_1": 260, "pe_2": 350, "pe_4": 530, "edge": 20},
}
"""LUTs per unit of each of `features`. The sums are those of 4x4x2 and 8x8x2 on ECP5, and rough on the others; how
they divide is a guess until `python -m bench.estimate` has been run, which fits every number to netlists."""

ENGINE: dict[str, dict[str, int]] = {
    "ecp5": {"engine": 4200, "lane": 900, "add_lane": 900, "word_byte": 200, "chunk": 12},
}
"""The same of what an engine has besides its array (`engine_features`), from netlists of 4x4x2 and 8x8x2: how the sums
divide is a guess too."""

LANE_DSPS, ADD_LANE_DSPS = 4, 6
"""Multipliers of 18x18 bits in a requantiser, and in one that adds a residual."""

DOUBT = {"LUT": 1.3, "RAM": 1.1}
"""An estimate may be so far off: only what is certainly too large is refused by it."""


Held = AccelConfig | EngineConfig


def array_features(array: ArrayConfig) -> dict[str, int]:
    """What the LUTs of an array are taken to be a weighted sum of: counters, per thread; a PE of so many threads, its
    multiplications not in DSP blocks; an edge of the array, per row or column and thread."""
    threads = array.pe.threads
    return {
        "counters": threads * array.counters,
        **{f"pe_{t}": array.rows * array.cols * (t == threads) for t in THREADS},
        "edge": threads * (array.rows + array.cols),
    }


def features(config: AccelConfig) -> dict[str, int]:
    """The same of an accelerator: a part that all have, a requantiser, the array."""
    return {"base": 1, "requantize": int(config.requantize), **array_features(config.array)}


def engine_features(config: EngineConfig) -> dict[str, int]:
    """The same of an engine but its array: a part that all have; requantisers; those that add; a byte of an activation
    word: pooling, queues; a chunk in the square that turns pixels into columns."""
    return {
        "engine": 1,
        "lane": config.lanes,
        "add_lane": config.add_lanes,
        "word_byte": config.word_bytes,
        "chunk": config.fill * config.array.rows**2,
    }


def luts(board: BoardDefinition, config: Held) -> int:
    """LUTs that synthesis is likely to need; 0 for an engine in a family that none has been synthesised for."""
    family = board.part.family.name
    if isinstance(config, AccelConfig):
        return _sum(FITTED[family], features(config))
    if family not in ENGINE:
        return 0
    return _sum(FITTED[family], array_features(config.array)) + _sum(ENGINE[family], engine_features(config))


def _sum(fitted: Mapping[str, int], numbers: Mapping[str, int]) -> int:
    return sum(fitted[name] * number for name, number in numbers.items())


def dsps(config: Held) -> int:
    """Multipliers that a design certainly takes: those of the PEs, if they are in DSP blocks, and of requantisers."""
    array = config.array
    multipliers = array.rows * array.cols * array.pe.threads if array.pe.dsp else 0
    if isinstance(config, EngineConfig):
        multipliers += LANE_DSPS * config.lanes + ADD_LANE_DSPS * config.add_lanes
    return multipliers


def rams(board: BoardDefinition, config: Held) -> int:
    """Blocks of RAM, at most: of a memory that is not made of banks Yosys may make a few fewer."""
    built = config.memories.values() if isinstance(config, AccelConfig) else config.banks
    return sum(board.part.family.blocks(width, depth) for width, depth in built)


def needs(board: BoardDefinition, config: Held) -> dict[str, float]:
    """What a design is likely to take of the resources that it may lack."""
    return {"RAM": rams(board, config), "LUT": luts(board, config), "DSP": dsps(config)}


def check(board: BoardDefinition, config: Held) -> None:
    """Refuse, before anything is run, what cannot fit."""
    certain = {name: number / DOUBT.get(name, 1) for name, number in needs(board, config).items()}
    refuse_larger(board, certain, config)


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
    return config.array.rows * config.array.cols * config.array.pe.threads * board.clock_hz


def fitting(board: BoardDefinition, engine: bool = False) -> list[str]:
    """The presets whose accelerator, or engine, is expected to fit."""
    names = []
    for name in ARRAYS:
        try:
            config = board.networks(name) if engine else board.accelerator(name)
        except ConfigError:
            continue
        need = needs(board, config)
        if all(number <= board.part.capacity[resource] for resource, number in need.items()):
            names.append(name)
    return names
