# SPDX-License-Identifier: Apache-2.0
"""Which layers are fused by bands of rows, and how many rows a band has: the fastest that the memory has room for."""

from dataclasses import dataclass
from functools import lru_cache

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR_WORDS
from sysmt.sim.engine.layer import EngineLayer
from sysmt.sim.nn.geometry import Pair

from .bands import Group, band_layer, band_rows, rows_needed
from .depthwise_patches import fastest
from .lowered import Lowered
from .places import Layouts, blocks_of, in_place

LONGEST = 9
"""Most layers of a group."""
BEGINS = DESCRIPTOR_WORDS + 60
"""Cycles that a layer takes besides its tiles, about: its descriptor, its first fill, its last rows."""


@dataclass(frozen=True)
class _Way:
    """The fastest way to the tensor behind so many layers: cycles, and the groups in it."""

    cycles: int
    groups: tuple[Group, ...]


def choose(lowered: Lowered, config: EngineConfig, room: int, arriving: bool) -> tuple[Group, ...] | None:
    """The groups of the fastest network whose activations take `room` words at most, by an estimate of both.

    None where there is none. With `arriving` the input comes from an SDRAM, and is no tensor in memory.
    """
    choice = _Choice(lowered, config, room, arriving)
    count = len(lowered.layers)
    best: list[_Way | None] = [_Way(0, ())] + [None] * count
    for end in range(1, count + 1):
        for first in range(max(0, end - LONGEST), end):
            before = best[first]
            if before is None:
                continue
            for cycles, group in choice.ways(first, end):
                total = before.cycles + cycles
                known = best[end]
                if known is None or total < known.cycles:
                    best[end] = _Way(total, before.groups if group is None else (*before.groups, group))
    found = best[count]
    return None if found is None else found.groups


class _Choice:
    """What groups of a network's layers take."""

    def __init__(self, lowered: Lowered, config: EngineConfig, room: int, arriving: bool):
        self._lowered, self._config, self._room, self._arriving = lowered, config, room, arriving
        self._layouts = Layouts(lowered, config)
        self._blocks = blocks_of(lowered, self._layouts)
        in_place(lowered, self._layouts, self._blocks, frozenset({lowered.input}))
        self._held = set(lowered.owner) | set(lowered.owner.values()) | {lowered.output}
        self._held |= set(lowered.joins) | {part for parts in lowered.joins.values() for part in parts}
        self._cycles = lru_cache(maxsize=None)(self._layer_cycles)

    def ways(self, first: int, end: int) -> list[tuple[int, Group | None]]:
        """Cycles of the layers from `first` to before `end`, fused in bands, or the one layer as it is."""
        layers = self._lowered.layers
        height = layers[end - 1].geometry.out_size[0]
        if end == first + 1:
            others = self._others(first, end, frozenset())
            reads_input = self._arriving and layers[first].source == self._lowered.input
            if not reads_input and others <= self._room:
                return [(self._cycles(first, height), None)]
        if any(not self._may(i) for i in range(first, end - 1)):
            return []
        inside = frozenset(self._layouts.holder(layer.target) for layer in layers[first : end - 1])
        others = self._others(first, end, inside)
        # One band would be the layers as they are, but for an input that is not there otherwise.
        fewest = 1 if self._arriving and layers[first].source == self._lowered.input else 2
        known = height + 1
        for count in range(fewest, height + 1):
            rows = -(-height // count)
            if rows == known:
                continue
            known = rows
            group = Group(first=first, end=end, rows=rows)
            cycles = self._fits(group, others)
            if cycles is not None:
                # More bands only compute more rows twice.
                return [(cycles, group)]
        return []

    def _may(self, index: int) -> bool:
        """Whether nothing but the next layer, and residuals of its group, read what a layer computes."""
        lowered = self._lowered
        target = lowered.layers[index].target
        readers = [i for i, layer in enumerate(lowered.layers) if layer.source == target]
        adders = [i for i, layer in enumerate(lowered.layers) if layer.addition and layer.addition.residual == target]
        return target not in self._held and readers == [index + 1] and not adders

    def _others(self, first: int, end: int, inside: frozenset[int]) -> int:
        """Words that live while a group runs, tensors within it left out."""
        without = {id(self._blocks[tensor]) for tensor in inside}
        if self._arriving:
            without.add(id(self._blocks[self._lowered.input]))
        live = {id(block): block.size for block in self._blocks.values() if block.first < end and block.last >= first}
        return sum(size for block, size in live.items() if block not in without)

    def _fits(self, group: Group, others: int) -> int | None:
        """Cycles of a group; None where it does not fit, or cannot run in its bands."""
        layers = self._lowered.layers[group.first : group.end]
        height = layers[-1].geometry.out_size[0]
        cycles, behind = 0, 0
        for first in range(0, height, group.rows):
            rows = band_rows(layers, (first, min(height, first + group.rows)))
            if rows is None:
                return None
            sizes = [
                (mine[1] - mine[0]) * self._row(layer.target) for layer, mine in zip(layers, rows[1:], strict=True)
            ]
            sizes[-1] = 0
            arrives = self._arriving and layers[0].source == self._lowered.input
            read = (rows[0][1] - rows[0][0]) * self._row(layers[0].source) if arrives else 0
            behind = max(behind, first - min(rows[0][0], first)) if first else behind
            most = max(a + b for a, b in zip([read, *sizes], sizes, strict=False))
            if others + most + behind * self._row(layers[-1].target) * bool(layers[-1].addition) > self._room:
                return None
            cycles += sum(self._cycles(group.first + i, rows[i + 1][1] - rows[i + 1][0]) for i in range(len(layers)))
        return cycles

    def _row(self, tensor: int) -> int:
        """Words of a row of a tensor."""
        return self._lowered.images[tensor][1] * self._layouts.words(tensor)

    def _layer_cycles(self, index: int, rows: int) -> int:
        """Cycles of some rows of a layer, about."""
        layer = self._lowered.layers[index]
        some: Pair = (0, rows)
        read = rows_needed(layer.geometry, some)
        if rows != layer.geometry.out_size[0] and read is not None:
            layer = band_layer(layer, some, read)
        return BEGINS + estimated_cycles(layer, self._config)


def estimated_cycles(layer: EngineLayer, config: EngineConfig) -> int:
    """Cycles of the tiles of a layer, about."""
    array, product, pixels = config.array, layer.product, layer.pixels
    words = -(-layer.channels // config.word_bytes)
    if product is None:
        return pixels * layer.geometry.taps * words
    if product.depthwise:
        return fastest(layer, product, config)
    reads = layer.geometry.taps * words * array.rows
    steps = array.pe.steps(len(product.weights), product.threads)
    return -(-pixels // array.rows) * max(reads, -(-layer.outputs // array.cols) * array.tile_cycles(steps)) + reads
