# SPDX-License-Identifier: Apache-2.0
"""Blocks of RAM of FPGA families, and multipliers: counted, not fitted."""

from math import ceil

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

from .components import Built

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


def memory_bits(config: Built) -> int:
    """Bits of all memories."""
    return 0 if isinstance(config, ArrayConfig) else config.memory_bits
