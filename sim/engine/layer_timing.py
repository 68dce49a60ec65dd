# SPDX-License-Identifier: Apache-2.0
"""Cycles of one layer on the engine, equal to those of the gates: all units, cycle by cycle."""

from collections.abc import Mapping, Sequence

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .activity import Activity, Record
from .array_timing import ArrayTiming
from .filler_timing import FillTiming, PoolTiming, WordTiming
from .post_timing import PostTiming
from .timing import Buffer, Skid


class IssuerTiming:
    """Steps of tiles: `TileIssuer`, the queues behind it, and the operand buffer with its register."""

    def __init__(self, layer: Mapping[str, int]):
        self.layer, self.steps = layer, layer["steps"]
        self.parts = 1 << layer["patch_h"] + layer["patch_w"]
        self.running = layer["operation"] == Operation.MATMUL
        self.available = self.step = self.n = self.m = self.group = 0
        self.addresses, self.tiles, self.operands = Skid(), Skid(), Buffer()
        # Addresses between the issuer and the operand buffer that free a half, oldest first.
        self.frees: list[bool] = []

    def begin(self, step: bool) -> bool:
        """What a cycle does, given whether the array takes a step; returns whether a half is freed."""
        may = self.running and self.available != 0 and (self.step != 0 or not self.tiles.full)
        self._moves = may and not self.addresses.full
        self._tile = self._moves and self.step == 0
        self._taken = self.addresses.valid and self.operands.ready(step)
        return self._taken and self.frees[0]

    @property
    def left(self) -> bool:
        """Whether there are tiles that the array has not taken."""
        return self.running or self.tiles.valid

    def end(self, step: bool, tile_taken: bool, filled: bool) -> None:
        """The clock edge."""
        layer = self.layer
        last_group = self.group == layer["groups"] - 1
        last_n = self.n == self.parts * (layer["last_n_tiles"] if last_group else layer["n_tiles"]) - 1
        ends_tile = self._moves and self.step == self.steps - 1
        ends_m = ends_tile and last_n
        self.operands.tick(self.addresses.valid, step)
        if self._taken:
            self.frees.pop(0)
        self.addresses.tick(self._moves, self._taken)
        self.tiles.tick(self._tile, tile_taken)
        if self._moves:
            self.frees.append(ends_m)
            self.step += 1
        self.available += filled - ends_m
        if ends_tile:
            self.step = 0
            self.n += 1
        if ends_m:
            self.n = 0
            self.m += 1
            if self.m == layer["m_tiles"]:
                self.m = 0
                self.group += 1
                self.running = not last_group


def layer_cycles(
    config: EngineConfig,
    layer: Mapping[str, int],
    table: Sequence[tuple[bool, bool]],
    outside: np.ndarray,
    record: Record | None = None,
) -> int:
    """Cycles from a layer's `start` to its `done`.

    Parameters
    ----------
    config : EngineConfig
    layer : mapping of field to int
        The descriptor.
    table : sequence of (bool, bool)
        `advance` and `last` of every word of its scatter table.
    outside : bool [pixels, taps]
        Which taps of which output pixels lie outside the image.
    record : Record, optional
        Gets what every unit does in every cycle.
    """
    words, post = WordTiming(config, layer, outside), PostTiming(config, layer)
    if layer["operation"] == Operation.MATMUL:
        return _product(config, layer, words, FillTiming(config, table), post, record)
    pool, cycles = PoolTiming(layer), 0
    while True:
        cycles += 1
        done, row_ready = post.begin(), post.ready
        if done:
            break
        row_valid = pool.valid
        taken = pool.begin(words, row_ready)
        words.begin(taken, not post.residual.wins)
        if record is not None:
            record.add(Activity.IDLE, pool.activity(words, taken), post.activity, _memory(words, post))
        pool.end(words, taken)
        post.end(row_valid)
        words.end()
    if record is not None:
        record.spend(Activity.IDLE)
    return cycles


def _memory(words: WordTiming, post: PostTiming) -> Activity:
    """Whom the activation memory is read for."""
    return Activity.RESIDUAL if post.residual.wins else words.activity


def _product(
    config: EngineConfig,
    layer: Mapping[str, int],
    words: WordTiming,
    fill: FillTiming,
    post: PostTiming,
    record: Record | None,
) -> int:
    issuer, array = IssuerTiming(layer), ArrayTiming(config.array, layer["steps"])
    cycles = 0
    while True:
        cycles += 1
        done, row_ready = post.begin(), post.ready
        if done:
            break
        step, row_valid = array.begin(issuer.operands.valid, row_ready)
        freed = issuer.begin(step)
        tile_taken = issuer.tiles.valid and array.tile_ready
        taken = fill.begin(words)
        words.begin(taken, not post.residual.wins)
        filled = fill.filled
        if record is not None:
            record.add(array.activity(issuer.left), fill.activity, post.activity, _memory(words, post))
        array.end(issuer.tiles.valid, row_ready)
        issuer.end(step, tile_taken, filled)
        fill.end(words, taken, freed)
        post.end(row_valid)
        words.end()
    if record is not None:
        record.spend(Activity.IDLE)
    return cycles
