# SPDX-License-Identifier: Apache-2.0
"""What an accelerator needs of a part, before it is synthesised: exact for memories, a fit for LUTs."""

from collections.abc import Mapping
from typing import Any

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.accel import AccelConfig
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

DOUBT = 1.3
"""An estimate may be so far off: only what is certainly too large is refused by it."""


Held = AccelConfig | EngineConfig


def features(config: AccelConfig) -> dict[str, int]:
    """What the LUTs are taken to be a weighted sum of: everything but the array; a requantiser; counters, per thread; a
    PE of so many threads, its multiplications not in DSP blocks; an edge of the array, per row or column and thread."""
    array, threads = config.array, config.array.pe.threads
    return {
        "base": 1,
        "requantize": int(config.requantize),
        "counters": threads * array.counters,
        **{f"pe_{t}": array.rows * array.cols * (t == threads) for t in THREADS},
        "edge": threads * (array.rows + array.cols),
    }


def luts(board: BoardDefinition, config: AccelConfig) -> int:
    """LUTs that synthesis is likely to need."""
    fitted = FITTED[board.part.family.name]
    return sum(fitted[name] * number for name, number in features(config).items())


def rams(board: BoardDefinition, config: Held) -> int:
    """Blocks of RAM."""
    built = config.memories.values() if isinstance(config, AccelConfig) else config.banks
    return sum(board.part.family.blocks(width, depth) for width, depth in built)


def check(board: BoardDefinition, config: Held) -> None:
    """Refuse, before anything is run, what cannot fit."""
    what = f"{config.array.rows}x{config.array.cols}x{config.array.pe.threads}"
    need: dict[str, float] = {"RAM": rams(board, config)}
    if isinstance(config, AccelConfig):
        need["LUT"] = luts(board, config) / DOUBT
    if config.array.pe.dsp:
        need["DSP"] = config.array.rows * config.array.cols * config.array.pe.threads
    refuse_larger(board, need, what)


def refuse_larger(board: BoardDefinition, used: Mapping[str, float], what: str) -> None:
    """Refuse a design that needs more of anything than the part has, and name what fits."""
    for resource, there in board.part.capacity.items():
        if used.get(resource, 0) > there:
            raise UserError(
                f"array {what} needs about {round(used[resource])} {resource}s of the {there} of {board.part.name} on "
                f"{board.name}: what fits is {', '.join(fitting(board)) or 'nothing'}"
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
    }


def peak(board: BoardDefinition, config: Held) -> float:
    """Products a second when no PE ever waits."""
    return config.array.rows * config.array.cols * config.array.pe.threads * board.clock_hz


def fitting(board: BoardDefinition) -> list[str]:
    """The presets that are expected to fit."""
    names = []
    for name in ARRAYS:
        try:
            config = board.accelerator(name)
        except ConfigError:
            continue
        if luts(board, config) <= board.part.luts and rams(board, config) <= board.part.rams:
            names.append(name)
    return names
