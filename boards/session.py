# SPDX-License-Identifier: Apache-2.0
"""The work of one product between connecting and disconnecting: runs, kept ahead of the array."""

from collections.abc import Callable, Iterator
from itertools import zip_longest

import numpy as np

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.protocol import ARGUMENTS, CHANNEL, DOUBLE, REQUANTIZE, Command, Target
from sysmt.hdl.params.registers import HEAD
from sysmt.sim.golden.requantize import Requantize

from .link import Link, LinkError, Request
from .plan import Plan, Run

_RUNS = HEAD.index("runs")


class Session:
    """Runs of a plan on a connected board.

    While run i computes, the results of run i - 1 come back and the operands of run i + 1 go out, both at a time when
    the transport has two directions. Operands that a half of a memory holds already are not sent again.

    Parameters
    ----------
    link : Link
    config : AccelConfig
    plan : Plan
    threads : int
    requantize : Requantize, optional
        By the board.
    """

    def __init__(self, link: Link, config: AccelConfig, plan: Plan, threads: int, requantize: Requantize | None):
        self._link, self._config, self._plan = link, config, plan
        self._threads, self._requantize = threads, requantize
        issued = int.from_bytes(link.ask(Command.REGISTERS, bytes([_RUNS, 1]))[:2], "little")
        self._next = (issued + 1) & 0xFFFF
        self._held: dict[tuple[int, Target], tuple[int, ...]] = {}

    def work(self, left: list[Run], out: np.ndarray, progress: Callable[[int], None]) -> None:
        """Do the runs in `left`: their results are added to `out`, and a run is taken off when its own are.

        When the transport fails, `out` and `left` agree with one another.
        """
        total = len(self._plan.runs)
        previous: tuple[int, Run] | None = None
        for run in [*left, None]:
            number = self._number()
            writes, reads = [], []
            for write, read in zip_longest(
                self._writes(number, run) if run else (), self._reads(*previous) if previous else ()
            ):
                if write is not None:
                    writes.append(self._link.submit(*write))
                if read is not None:
                    reads.append(self._link.submit(*read))
            self._link.wait(*writes)
            rows = b"".join(self._link.wait(*reads))
            # The board may write over the results of the run before the last one only now.
            if run is not None:
                order = self.order(number, run)
            if previous is not None:
                self._keep(previous[1], rows, out)
                left.remove(previous[1])
                progress(total - len(left))
            if run is not None:
                self._link.wait(order)
                previous = number, run

    def load(self, run: Run) -> int:
        """Write the operands of a run and nothing more. Returns its number."""
        number = self._number()
        self._link.wait(*[self._link.submit(*write) for write in self._writes(number, run)])
        return number

    def order(self, number: int, run: Run) -> Request:
        """Order a run whose operands are loaded."""
        threads = self._threads.bit_length() - 1
        sizes = (run.steps, run.m_tiles, run.n_tiles, run.rows, run.cols)
        return self._link.submit(Command.RUN, ARGUMENTS[Command.RUN].pack(number, *sizes, threads))

    def fetch(self, number: int, run: Run, out: np.ndarray) -> None:
        """Read the results of a run into the outputs they belong to."""
        reads = [self._link.submit(*read) for read in self._reads(number, run)]
        self._keep(run, b"".join(self._link.wait(*reads)), out)

    def _number(self) -> int:
        number, self._next = self._next, (self._next + 1) & 0xFFFF
        return number

    def _writes(self, number: int, run: Run) -> Iterator[tuple[Command, bytes]]:
        """What the half of this run does not hold yet, in frames."""
        yield from self._fill(
            number, Target.X, (run.m_tile, run.m_tiles, run.first, run.steps), lambda: self._plan.x_words(run)
        )
        yield from self._fill(
            number, Target.W, (run.n_tile, run.n_tiles, run.first, run.steps), lambda: self._plan.w_words(run)
        )
        if self._requantize is not None:
            yield from self._fill(number, Target.TABLE, (run.n_tile, run.n_tiles), lambda: self._table(run))

    def _fill(
        self, number: int, target: Target, what: tuple[int, ...], words: Callable[[], np.ndarray]
    ) -> Iterator[tuple[Command, bytes]]:
        half = (number & 1, target)
        if self._held.get(half) == what:
            return
        self._held[half] = what
        content = words()
        per_frame = self._config.frame_data // content.shape[1]
        for first in range(0, len(content), per_frame):
            head = ARGUMENTS[Command.WRITE].pack(number, target, first)
            yield Command.WRITE, head + content[first : first + per_frame].tobytes()

    def _table(self, run: Run) -> np.ndarray:
        """Channels of the tiles of a run, zero where a tile has no output."""
        unit, cols = self._requantize, self._config.array.cols
        channels = np.zeros((run.n_tiles * cols, CHANNEL.size), np.uint8)
        first = run.n_tile * cols
        shape = (self._plan.w.shape[1],)
        fields = [np.broadcast_to(f, shape) for f in (unit.bias, unit.multiplier, unit.shift)]
        for i, values in enumerate(zip(*(f[first : first + len(channels)].tolist() for f in fields), strict=True)):
            channels[i] = np.frombuffer(CHANNEL.pack(*values), np.uint8)
        return channels

    def _reads(self, number: int, run: Run) -> Iterator[tuple[Command, bytes]]:
        """All rows of a run in frames; a frame of requantised rows stays within one column of tiles."""
        array, unit = self._config.array, self._requantize
        total = run.m_tiles * run.n_tiles * array.rows
        per_frame = max(self._config.frame_data // (array.cols * (4 if unit is None else 1)), 1)
        if unit is not None:
            per_frame = min(per_frame, array.rows)
        scale = (0, 0, 0, 0)
        if unit is not None:
            flags = REQUANTIZE | (DOUBLE if unit.variant == "double" else 0)
            scale = (unit.zero_point, unit.low, unit.high, flags)
        first = 0
        while first < total:
            count = min(per_frame, total - first)
            channel = 0
            if unit is not None:
                count = min(count, array.rows - first % array.rows)
                channel = first // array.rows % run.n_tiles * array.cols
            yield Command.READ, ARGUMENTS[Command.READ].pack(number, first, count, channel, *scale)
            first += count

    def _keep(self, run: Run, rows: bytes, out: np.ndarray) -> None:
        unit, cols = self._requantize, self._config.array.cols
        kind = np.dtype("<i4")
        if unit is not None:
            kind = np.dtype(np.uint8 if unit.low >= 0 else np.int8)
        expected = run.m_tiles * run.n_tiles * self._config.array.rows * cols * kind.itemsize
        if len(rows) != expected:
            raise LinkError(f"board on {self._link.transport.name!r} sent {len(rows)} bytes, not {expected}: reset it")
        self._plan.place(run, np.frombuffer(rows, kind).reshape(-1, cols).astype(np.int64), out)
