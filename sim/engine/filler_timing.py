# SPDX-License-Identifier: Apache-2.0
"""When the im2col unit reads, fills and pools: the registers of `sysmt.hdl.engine.filler` and its parts."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .activity import Activity
from .timing import Queue

Flags = tuple[bool, bool, bool, bool, bool]
"""Of a word: outside the image, last pixel of its tile, end of its fill, of the layer, in the last group."""
NOTHING: Flags = (False, False, False, False, False)


class WordTiming:
    """Addresses, reads and padding: `AddressGenerator`, `WordReader` and their client of the activation memory.

    Parameters
    ----------
    config : EngineConfig
    layer : mapping of field to int
        The descriptor.
    outside : bool [pixels, taps]
        Which taps of which output pixels lie outside the image.
    """

    def __init__(self, config: EngineConfig, layer: Mapping[str, int], outside: np.ndarray):
        self.layer, self.rows = layer, config.array.rows
        self.matmul = layer["operation"] == Operation.MATMUL
        self.outside, self.taps = outside, layer["kernel_h"] * layer["kernel_w"]
        self.passes = self.taps * layer["group_words"]
        self.pixel = self.part = self.tile = self.group = 0
        self.running, self.counted, self.asks = True, False, False
        self.found: Flags = NOTHING
        self.asked: Flags = NOTHING
        self.writes: Flags | None = None
        self.flags: deque[Flags] = deque()
        self.queue, self.words = Queue(), Queue()
        self.reads = self.valid = False
        self.payload: Flags = NOTHING

    @property
    def tile_pixels(self) -> int:
        """Pixels of the tile at hand."""
        if not self.matmul:
            return 1
        return self.layer["last_rows"] if self.tile == self.layer["m_tiles"] - 1 else self.rows

    def begin(self, ready: bool, port_free: bool) -> None:
        """What a cycle does, given whether its word is taken and whether nobody else reads the memory."""
        outside = self.asked[0]
        room = self.queue.room
        self._port = self.words.room and port_free
        self._wins = self.asks and not outside and room and self._port
        self._asked = self.asks and room and (outside or self._port)
        self._moves = not self.valid or ready
        first = self.flags[0] if self.queue.stored else NOTHING
        comes = self.words.stored != 0
        self._gives = self._moves and self.queue.stored != 0 and (first[0] or comes)
        self._takes_word = self._moves and self.queue.stored != 0 and not first[0] and comes

    @property
    def activity(self) -> Activity:
        """What the read port of the memory is spent on in the cycle that `begin` looked at, as far as words go."""
        return Activity.WORKS if self._wins else Activity.IDLE

    @property
    def finished(self) -> bool:
        """Whether all words of the layer have been taken."""
        return not (self.running or self.counted or self.asks or self.queue.promised or self.valid)

    def end(self) -> None:
        """The clock edge."""
        if self._moves:
            self.valid = self._gives
            if self._gives:
                self.payload = self.flags.popleft()
        self.queue.tick(self._asked, self.writes is not None, self._gives)
        if self.writes is not None:
            self.flags.append(self.writes)
        self.writes = self.asked if self._asked else None
        self.words.tick(self._wins, self.reads, self._takes_word)
        self.reads = self._wins
        if not self.asks or self._asked:
            self.asks, self.asked = self.counted, self.found
            self.counted = self.running
            self.found = self._count()

    def _count(self) -> Flags:
        """The word at hand; then on to the next."""
        if not self.running:
            return NOTHING
        layer = self.layer
        pixels = self.tile_pixels
        last_pixel, last_part = self.pixel == pixels - 1, self.part == self.passes - 1
        last_tile, last_group = self.tile == layer["m_tiles"] - 1, self.group == layer["groups"] - 1
        position = self.tile * (self.rows if self.matmul else 1) + self.pixel
        fill_end = last_pixel and last_part
        layer_end = fill_end and last_tile and last_group
        word = (
            bool(self.outside[position, self.part // layer["group_words"]]),
            last_pixel,
            fill_end,
            layer_end,
            last_group,
        )
        self.pixel += 1
        if last_pixel:
            self.pixel = 0
            self.part += 1
        if fill_end:
            self.part = 0
            self.tile += 1
            if last_tile:
                self.tile = 0
                self.group += 1
        self.running = not layer_end
        return word


class FillTiming:
    """Columns into the operand buffer: `Transposer`, with a scatter table that is always ahead of it.

    Parameters
    ----------
    config : EngineConfig
    table : sequence of (bool, bool)
        `advance` and `last` of every word of the scatter table.
    """

    def __init__(self, config: EngineConfig, table: Sequence[tuple[bool, bool]]):
        self.rows, self.table = config.array.rows, table
        self.entry = 0
        self.padding = self.exhausted = self.fill_end = self.layer_end = False
        self.emitting = self.dropping = self.emits_fill_end = self.emits_layer_end = False
        self.position = 0
        self.begun, self.used = False, 0
        self.filled = self.done = False

    def begin(self, words: WordTiming) -> bool:
        """What a cycle does; returns whether the word is taken."""
        advance, entry_last = self.table[self.entry]
        last = self.position == self.rows - 1
        enters = words.valid or self.padding or self.exhausted
        self._ends = entry_last or self.entry == len(self.table) - 1 or (advance and last)
        moves = self._ends or advance
        room = self.begun or self.used != 2
        self._writes = self.emitting and not self.dropping and room and (enters or not moves)
        leaves = not self.emitting or self.dropping or (self._writes and moves)
        self._shifts = enters and leaves and not (self.exhausted and not self.emitting)
        return self._shifts and not self.padding and not self.exhausted

    @property
    def activity(self) -> Activity:
        """What the cycle that `begin` looked at is spent on."""
        if self._writes or self._shifts:
            return Activity.WORKS
        if self.emitting and not self.dropping and not self.begun and self.used == 2:
            return Activity.WAITS_ARRAY
        return Activity.IDLE if self.exhausted and not self.emitting else Activity.WAITS_MEMORY

    def end(self, words: WordTiming, taken: bool, freed: bool) -> None:
        """The clock edge; `words` still shows the word of the cycle."""
        _, group_end, word_fill_end, word_layer_end, _ = words.payload
        last = self.position == self.rows - 1
        completes = self._writes and self._ends and self.emits_fill_end
        self.filled, self.done = completes, completes and self.emits_layer_end
        self.used += (self._writes and not self.begun) - freed
        if self._writes:
            self.begun = not completes
            self.entry = (self.entry + 1) % len(self.table)
        was_padding, fill_end, layer_end = self.padding, self.fill_end, self.layer_end
        if taken and group_end:
            self.padding, self.fill_end, self.layer_end = True, word_fill_end, word_layer_end
        if self._writes and self._ends:
            self.dropping = True
        if self._shifts:
            self.position += 1
            if last:
                self.position = 0
                self.padding = self.dropping = False
                self.emitting = not self.exhausted
                self.emits_fill_end = fill_end if was_padding else word_fill_end
                self.emits_layer_end = layer_end if was_padding else word_layer_end
                self.exhausted = self.exhausted or self.emits_layer_end


class PoolTiming:
    """Rows of pooled pixels: `PoolUnit`."""

    def __init__(self, layer: Mapping[str, int]):
        self.n_tiles, self.last_n_tiles = layer["n_tiles"], layer["last_n_tiles"]
        self.tiles = 0

    @property
    def valid(self) -> bool:
        """Whether a row is offered."""
        return self.tiles != 0

    def begin(self, words: WordTiming, sink_ready: bool) -> bool:
        """What a cycle does; returns whether the word is taken."""
        self._leaves = self.valid and sink_ready
        ready = not words.payload[2] or self.tiles == 0 or (self._leaves and self.tiles == 1)
        return words.valid and ready

    def activity(self, words: WordTiming, taken: bool) -> Activity:
        """What the cycle that `begin` looked at is spent on."""
        if taken:
            return Activity.WORKS
        if words.valid:
            return Activity.WAITS_REQUANTISER
        return Activity.IDLE if words.finished else Activity.WAITS_MEMORY

    def end(self, words: WordTiming, taken: bool) -> None:
        """The clock edge; `words` still shows the word of the cycle."""
        if self._leaves:
            self.tiles -= 1
        if taken and words.payload[2]:
            self.tiles = self.last_n_tiles if words.payload[4] else self.n_tiles
