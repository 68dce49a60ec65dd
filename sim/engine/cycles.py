# SPDX-License-Identifier: Apache-2.0
"""Cycles of a program, layer by layer, from its descriptors alone."""

from dataclasses import dataclass

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR_WORDS, Memory, Operation

from .program import Program
from .table import read_table

FETCH = DESCRIPTOR_WORDS + 5
"""Cycles from the end of a layer to the start of the next: its descriptor is read and checked."""
FIRST_WORD = 6
"""Cycles from the start of a layer to the first word of activations."""
ISSUE = 2
"""Cycles from a filled half of the operand buffer to the first step of its tiles."""
POST = 16
"""Cycles from a row of sums to its last byte in activation memory."""


@dataclass(frozen=True, kw_only=True)
class LayerCycles:
    """What a layer takes.

    Parameters
    ----------
    cycles : int
        From the end of the layer before to its own.
    array : int
        Of these, cycles in which steps enter the array.
    fill : int
        Cycles in which the im2col unit reads.
    """

    cycles: int
    array: int
    fill: int


def program_cycles(program: Program) -> tuple[LayerCycles, ...]:
    """Cycles of every layer of a run."""
    return tuple(layer_cycles(program, index) for index in range(len(program.layers)))


def layer_cycles(program: Program, index: int) -> LayerCycles:
    """Cycles of one layer.

    A tile of pixels is filled while the one before is multiplied, in the other half of the operand buffer: the slower
    of the two sets the pace. A tile of outputs takes the array as long as its steps, or the requantisers as long as its
    rows.
    """
    config, layer = program.config, program.descriptors[index]
    if layer["operation"] != Operation.MATMUL:
        return _pooled(layer, config)
    base, count = layer["scatter_base"], layer["scatter_words"]
    content = program.images[Memory.SCATTER][base : base + count].tobytes()
    fill = read_table(content, layer["kernel_h"] * layer["kernel_w"] * layer["group_words"], config).cycles
    array = config.array
    tile = max(array.tile_cycles(layer["steps"]), array.rows * config.beats)
    filled = [0, 0]
    """When the last fill of each half was done, and when the array was done with it."""
    freed = [0, 0]
    now, fills = FIRST_WORD + array.rows, 0
    busy = 0
    for group in range(layer["groups"]):
        tiles = layer["last_n_tiles"] if group == layer["groups"] - 1 else layer["n_tiles"]
        for _ in range(layer["m_tiles"]):
            half = fills & 1
            now = max(now, freed[half]) + fill
            filled[half] = now
            busy = max(busy, filled[half] + ISSUE) + tiles * tile
            freed[half] = busy
            fills += 1
    steps = layer["m_tiles"] * layer["steps"] * ((layer["groups"] - 1) * layer["n_tiles"] + layer["last_n_tiles"])
    return LayerCycles(cycles=FETCH + busy + array.latency + POST, array=steps, fill=fills * fill)


def _pooled(layer: dict[str, int], config: EngineConfig) -> LayerCycles:
    taps = layer["kernel_h"] * layer["kernel_w"]
    total = 0
    for group in range(layer["groups"]):
        tiles = layer["last_n_tiles"] if group == layer["groups"] - 1 else layer["n_tiles"]
        total += layer["m_tiles"] * max(taps, tiles * config.beats)
    reads = layer["groups"] * layer["m_tiles"] * taps
    return LayerCycles(cycles=FETCH + FIRST_WORD + total + POST, array=0, fill=reads)
