# SPDX-License-Identifier: Apache-2.0
"""Blocks of RAM and multipliers of FPGA families: counted, not fitted."""

from math import ceil

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

from .components import Built
from .counters import counted

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


MACROS: dict[str, tuple[tuple[int, float], tuple[int, float]]] = {
    "sky130hd": ((32 * 256, 479.78 * 397.5), (32 * 512, 683.1 * 416.54)),
}
"""Cell library -> bits and um2 of two SRAM macros for it, the larger one the largest that there is: OpenRAM's, with a
port that reads and writes and one that reads (sky130_sram_1kbyte_1rw1r_32x256_8 and sky130_sram_2kbyte_1rw1r_32x512_8
of the library efabless/sky130_sram_macros, by the sizes in their LEF files)."""
FLIP_FLOP_BITS = 1024
"""Memories of fewer bits are flip-flops, which are logic (`sysmt.sim.flow.memories`)."""


def memory_area(library: str, config: Built) -> tuple[float, float, float]:
    """um2 of all memories in macros of SRAM: expected, least and most.

    Expected are as many macros as the bits take, each of the size that they leave, along the line through the two of
    `MACROS`; at least the bits alone, without what every macro has; at most whole ones of the larger kind.
    """
    (few, small), (most, large) = MACROS[library]
    per_bit = (large - small) / (most - few)
    each = small - few * per_bit
    value = low = high = 0.0
    for width, depth in memories(config):
        bits = width * depth
        if bits >= FLIP_FLOP_BITS:
            value += ceil(bits / most) * each + bits * per_bit
            low += bits * per_bit
            high += ceil(width / 32) * ceil(32 * depth / most) * large
    return value, low, max(value, high)


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
