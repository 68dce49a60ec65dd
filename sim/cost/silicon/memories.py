# SPDX-License-Identifier: Apache-2.0
"""Blocks of RAM and multipliers of FPGA families: counted, not fitted."""

from math import ceil

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

from .components import Built, counted

_18_KBIT = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
BLOCK_SHAPES: dict[str, tuple[tuple[int, int], ...]] = {
    "ecp5": _18_KBIT,
    "ice40": ((16, 256), (8, 512), (4, 1024), (2, 2048)),
    "gowin": _18_KBIT,
}
"""Family -> width and depth that a block of RAM can have, with one port to write and one to read."""


def blocks(family: str, width: int, depth: int) -> int:
    """Blocks that a memory takes: the fewest of one shape, side by side and one above the other."""
    return min(ceil(width / wide) * ceil(depth / deep) for wide, deep in BLOCK_SHAPES[family])


def memories(config: Built) -> list[tuple[int, int]]:
    """Width and depth of every memory as it is built; an array alone has none."""
    if isinstance(config, AccelConfig):
        return list(config.memories.values())
    return config.banks if isinstance(config, EngineConfig) else []


def rams(family: str, config: Built) -> int:
    """Blocks of RAM, at most: of a large memory Yosys makes a few fewer, 128 instead of 135 of the weights of ULX3S."""
    return sum(blocks(family, width, depth) for width, depth in memories(config))


LANE_DSPS, ADD_LANE_DSPS = 4, 6
"""Multipliers of 18x18 bits in a requantiser of an engine, and in one that adds a residual."""


def certain_dsps(config: Built) -> int:
    """Multipliers that a design certainly takes: those of the PEs, if they are in DSP blocks, and of requantisers."""
    array = config if isinstance(config, ArrayConfig) else config.array
    multipliers = array.rows * array.cols * array.pe.threads if array.pe.dsp else 0
    if isinstance(config, EngineConfig):
        multipliers += LANE_DSPS * config.lanes + ADD_LANE_DSPS * config.add_lanes
    return multipliers


def dsps(family: str, config: Built) -> int:
    """Multipliers that a design is likely to take.

    Beside those that are certain, one in the requantiser of an accelerator, and one for every product of two counts of
    more than one bit in the performance counters. On iCE40 only what is asked for by `dsp` is in DSP blocks.
    """
    array = config if isinstance(config, ArrayConfig) else config.array
    found = certain_dsps(config)
    if family == "ice40":
        return found
    found += isinstance(config, AccelConfig) and config.requantize
    if array.counters and min(array.rows, array.cols) > 2:
        found += counted(array.pe)[2]
    return found


def memory_bits(config: Built) -> int:
    """Bits of all memories."""
    return 0 if isinstance(config, ArrayConfig) else config.memory_bits
