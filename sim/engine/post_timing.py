# SPDX-License-Identifier: Apache-2.0
"""When rows are requantised and written: the registers of `sysmt.hdl.engine.post` and of the residual's reader."""

from collections.abc import Mapping

from sysmt.hdl.params.engine import ADDITION_LATENCY, PARAMETER_LATENCY, REQUANTIZER_LATENCY, EngineConfig
from sysmt.hdl.params.program import Operation

from .activity import Activity
from .timing import Queue


class ResidualTiming:
    """Residual rows read ahead: `ResidualReader` and its client of the activation memory.

    Parameters
    ----------
    ahead : int
        Rows that are read before they are used.
    rows : int
        Rows of the layer; 0 when it adds nothing.
    """

    def __init__(self, ahead: int, rows: int):
        self.ahead, self.left = ahead, rows
        self.reserved = self.unclaimed = 0
        self.asking = self.reads = False
        self.words = Queue()

    @property
    def wins(self) -> bool:
        """Whether the memory is read for the residual in this cycle."""
        return self.asking and self.words.room

    def end(self, claim: bool, drop: bool) -> None:
        """The clock edge."""
        wins, comes = self.wins, self.words.stored != 0
        asks = self.left != 0 and self.reserved != self.ahead and (not self.asking or wins)
        if not self.asking or wins:
            self.asking = asks
        self.left -= asks
        self.reserved += asks - drop
        self.unclaimed += comes - claim
        self.words.tick(wins, self.reads, comes)
        self.reads = wins


class PatchTiming:
    """Patches gathered and written: `PatchCollector`.

    Parameters
    ----------
    parts : int
        Of a tile, and pixels of a patch.
    """

    def __init__(self, parts: int):
        self.parts = parts
        self.part = self.rows = self.left = 0
        self.full: list[int] = []
        self.read = False

    def end(self, row: bool, tile_end: bool) -> bool:
        """The clock edge, given whether a row of results is complete and the last of its part.

        Returns whether a pixel is written.
        """
        written = self.read
        self.read = bool(self.full)
        if self.full:
            self.full[0] -= 1
            if self.full[0] == 0:
                self.full.pop(0)
        self.rows += row
        if tile_end:
            self.part += 1
            if self.part == self.parts:
                self.full.append(self.rows)
                self.part = self.rows = 0
        return written


class PostTiming:
    """Rows of sums on their way to memory.

    Parameters
    ----------
    config : EngineConfig
    layer : mapping of field to int
        The descriptor.
    """

    def __init__(self, config: EngineConfig, layer: Mapping[str, int]):
        self.rows, self.add = config.array.rows, bool(layer["add"])
        self.beats, self.add_beats, self.share = config.beats, config.add_beats, config.lanes // config.add_lanes
        self.matmul = layer["operation"] == Operation.MATMUL
        self.layer = layer
        pixels = (layer["m_tiles"] - 1) * self.rows + layer["last_rows"] if self.matmul else layer["m_tiles"]
        tiles = (layer["groups"] - 1) * layer["n_tiles"] + layer["last_n_tiles"]
        self.parts = 1 << layer["patch_h"] + layer["patch_w"]
        self.patches = PatchTiming(self.parts) if self.parts > 1 else None
        self.unwritten = pixels * tiles * self.parts
        self.residual = ResidualTiming(config.residual_ahead, self.unwritten if self.add else 0)
        self.depth = config.row_queue - 1
        self.inner, self.head = 0, False
        self.delivered = 0
        self.row = self.n = self.m = self.group = 1
        self.beat = self.write_beat = self.residual_beat = self.pause = self.left = 0
        self.skips = self.ended = self.late = False
        self.scaled_bit = 1 << (PARAMETER_LATENCY + REQUANTIZER_LATENCY - 1)
        self.added_bit = 1 << (ADDITION_LATENCY - 1)
        self.scaling = self.adding = self.ending = 0

    @property
    def ready(self) -> bool:
        """Whether a row is taken."""
        return self.inner != self.depth

    def begin(self) -> bool:
        """What a cycle does; returns whether the layer is done."""
        available = not self.add or (self.residual.unclaimed != 0 and self.pause == 0)
        self._goes = self.head and not self.skips and available
        self._last = self._goes and self.beat == self.beats - 1
        return (self.ended or self.late) and not self.skips

    @property
    def activity(self) -> Activity:
        """What the cycle that `begin` looked at is spent on."""
        if self._goes or (self.head and (self.skips or self.pause)):
            return Activity.WORKS
        if self.head:
            return Activity.WAITS_MEMORY
        if self.group > self.layer["groups"]:
            return Activity.IDLE
        return Activity.WAITS_ARRAY if self.matmul else Activity.WAITS_FILLER

    def end(self, row_valid: bool) -> None:
        """The clock edge."""
        takes = row_valid and self.ready
        reads = self._last or self.skips
        # A row's place in its tile of the array: the first in the queue is the oldest that has not left.
        tile_last = not self.matmul or self.delivered % self.rows == self.rows - 1
        leaves = self.head and reads
        scaled, added = bool(self.scaling & self.scaled_bit), bool(self.adding & self.added_bit)
        valid = added if self.add else scaled
        sums = scaled and self.add if self.share == 1 else self.left != 0
        drop = sums and self.residual_beat == self.add_beats - 1
        beats = self.add_beats if self.add else self.beats
        written = valid and self.write_beat == beats - 1
        if self.patches is not None:
            written = self.patches.end(written, bool(self.ending & self.scaled_bit))
        self.late = (self.ended or self.late) and self.skips
        self.ended = written and self.unwritten == 1
        self.unwritten -= written
        if valid:
            self.write_beat = (self.write_beat + 1) % beats
        if sums:
            self.residual_beat = (self.residual_beat + 1) % self.add_beats
            self.left -= self.share > 1
        if scaled and self.add and self.share > 1:
            self.left = self.share
        self.pause = self.share - 1 if self._goes else max(self.pause - 1, 0)
        self.scaling = (self.scaling << 1 | self._goes) & (2 * self.scaled_bit - 1)
        self.ending = (self.ending << 1 | (self._last and self._tile_end)) & (2 * self.scaled_bit - 1)
        self.adding = (self.adding << 1 | sums) & (2 * self.added_bit - 1)
        self.residual.end(self._last and self.add, drop)
        if self._goes:
            self.beat = (self.beat + 1) % self.beats
        if self._last:
            if self._advance():
                self.skips = not tile_last
        elif self.head and self.skips:
            self.skips = not tile_last
        self.delivered += leaves
        inner_read = self.inner != 0 and (not self.head or reads)
        self.inner += takes - inner_read
        if inner_read:
            self.head = True
        elif reads:
            self.head = False

    @property
    def _tile_end(self) -> bool:
        """Whether the row at hand is the last one of its tile, or part of one."""
        limit = self.layer["last_rows"] if self.m == self.layer["m_tiles"] else self.rows
        return not self.matmul or self.row == limit

    def _advance(self) -> bool:
        """On to the next row of the layer; returns whether that one was the last of its tile."""
        layer, tile_end = self.layer, self._tile_end
        last_pixels, last_group = self.m == layer["m_tiles"], self.group == layer["groups"]
        last_tile = self.n == self.parts * (layer["last_n_tiles"] if last_group else layer["n_tiles"])
        self.row += 1
        if tile_end:
            self.row = 1
            self.n += 1
            if last_tile:
                self.n = 1
                self.m += 1
                if last_pixels:
                    self.m = 1
                    self.group += 1
        return tile_end
