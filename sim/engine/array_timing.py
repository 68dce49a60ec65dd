# SPDX-License-Identifier: Apache-2.0
"""When the array takes steps and gives rows: the registers of `sysmt.hdl.array.sequencer` and of the way out."""

from sysmt.hdl.params.array import ArrayConfig

from .activity import Activity
from .timing import Skid


class ArrayTiming:
    """The control of a systolic array for tiles of equal length.

    Parameters
    ----------
    config : ArrayConfig
    steps : int
        Of every tile.
    """

    def __init__(self, config: ArrayConfig, steps: int):
        self.overlap, self.rows = config.drain == "overlap", config.rows
        self.drain_wait = config.rows - 1 + (not self.overlap)
        self.steps, self.registered = steps, config.registered
        # Enabled cycles from the first shift of a drain to the first row at the exit.
        self.exit_bit = 1 << (config.stages_across + config.pe.pipeline + config.registered - 1)
        self.stages_down = config.stages_down
        self.left = 0
        self.full = self.running = self.begun = self.busy = self.pending = self.clean = self.opened = False
        self.wait = self.shifting = self.line = 0
        self.queue_in, self.queue_out = Skid(), Skid()
        self.moves = True

    @property
    def tile_ready(self) -> bool:
        """Whether a descriptor is taken."""
        return not self.full or (self.rows == 1 and self._starts)

    _starts = False

    def begin(self, operands: bool, sink_ready: bool) -> tuple[bool, bool]:
        """What a cycle does: whether a step is taken, and whether a row is offered to the sink."""
        if self.registered:
            self._enable = self.moves
            valid = self.queue_out.valid
        else:
            valid = bool(self.line & self.exit_bit)
            self._enable = not valid or sink_ready
        self._step = self._enable and self.opened and operands
        self._starts = self.full and (not self.running or (self._step and self.left < 0))
        return self._step, valid

    def activity(self, tiles_left: bool) -> Activity:
        """What the cycle that `begin` looked at is spent on; `tiles_left`: whether there are tiles to come."""
        if self._step:
            return Activity.WORKS
        if not self._enable:
            return Activity.WAITS_REQUANTISER
        if self.running and not self.opened:
            return Activity.DRAINS
        if self.running or self.full or tiles_left:
            return Activity.WAITS_FILLER
        return Activity.DRAINS if self.pending or self.busy or self.shifting or self.line else Activity.IDLE

    def end(self, tile_valid: bool, sink_ready: bool) -> None:
        """The clock edge of the cycle that `begin` looked at."""
        stepped, enable, starts = self._step, self._enable, self._starts
        tile_taken = tile_valid and self.tile_ready
        last = stepped and self.left < 0
        flush = self.overlap and enable and self.pending and not self.busy
        first = not self.begun and not self.clean if stepped else flush
        due = first and self.pending if self.overlap else last
        drains = self.drain_wait != 0 if due else self.busy and self.wait != 1
        self._leave(enable, due, sink_ready)
        if stepped or enable:
            self.busy = drains
        self.running = starts or (self.running and not last)
        self.begun = not starts if stepped else self.begun and not starts
        if self.overlap:
            self.clean = not stepped and (self.clean or flush)
            self.pending = last or (self.pending and not first)
        self.opened = self.running and (self.begun or self.clean or not self.busy)
        if starts:
            self.left, self.full = self.steps - 2, False
        elif stepped:
            self.left -= 1
        if tile_taken:
            self.full = True

    def _leave(self, enable: bool, due: bool, sink_ready: bool) -> None:
        """Time the drain, and move its rows out."""
        leaves = bool(self.line & self.exit_bit)
        if self.registered:
            out_ready = not self.queue_out.full
            passes = self.queue_in.valid
            self.queue_in.tick(leaves and enable, out_ready)
            self.queue_out.tick(passes and out_ready, sink_ready)
            self.moves = out_ready
        if not enable:
            return
        every = (1 << self.rows) - 1
        self.line = (self.line << 1 | self.shifting >> (self.rows - 1)) & (2 * self.exit_bit - 1)
        begins = due if self.stages_down == 1 else self.wait == 2 + self.drain_wait - self.stages_down
        self.shifting = every if begins else self.shifting << 1 & every
        if due:
            self.wait = self.drain_wait
        elif self.busy:
            self.wait -= 1

    def state(self) -> tuple[object, ...]:
        """All registers."""
        flags = (self.full, self.running, self.begun, self.busy, self.pending, self.clean, self.opened, self.moves)
        return (*flags, self.left, self.wait, self.shifting, self.line, self.queue_in.state(), self.queue_out.state())
