# SPDX-License-Identifier: Apache-2.0
"""The work of one product between connecting and disconnecting: runs, kept ahead of the array."""

from collections.abc import Callable, Iterator
from itertools import zip_longest

import numpy as np

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.protocol import Opcode, Target, arguments_of, pack
from sysmt.hdl.params.registers import NUMBERS, STATE
from sysmt.sim.cost.runs.product import PlannedRun
from sysmt.sim.golden.requantize import Requantize

from .link import Link, LinkError, PendingRequest
from .lists import table
from .plan import Plan


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
        By the board; of the sums of distances, where the plan has a zero point (`absorbed`).
    """

    def __init__(self, link: Link, config: AccelConfig, plan: Plan, threads: int, requantize: Requantize | None):
        self._link, self._config, self._plan = link, config, plan
        self._threads, self._requantize = threads, requantize
        (runs,) = link.registers(NUMBERS["runs"], 1)
        self._next = (STATE["runs"].from_int(runs)["issued"] + 1) & 0xFFFF
        self._resident: dict[tuple[int, Target], tuple[int, ...]] = {}

    def work(self, left: list[PlannedRun], out: np.ndarray, progress: Callable[[int], None]) -> None:
        """Do the runs in `left`: their results are added to `out`, and a run is taken off when its own are.

        When the transport fails, `out` and `left` agree with one another.
        """
        total = len(self._plan.runs)
        previous: tuple[int, PlannedRun] | None = None
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
                self._accumulate(previous[1], rows, out)
                left.remove(previous[1])
                progress(total - len(left))
            if run is not None:
                self._link.wait(order)
                previous = number, run

    def load(self, run: PlannedRun) -> int:
        """Write the operands of a run and nothing more. Returns its number."""
        number = self._number()
        self._link.wait(*[self._link.submit(*write) for write in self._writes(number, run)])
        return number

    def order(self, number: int, run: PlannedRun) -> PendingRequest:
        """Order a run whose operands are loaded."""
        zero = {"zero": self._plan.zero} if self._config.array.pe.zero_width else {}
        arguments = arguments_of(self._config.array.pe)[Opcode.RUN].pack(
            run=number,
            steps=run.steps,
            m_tiles=run.m_tiles,
            n_tiles=run.n_tiles,
            rows=run.rows,
            cols=run.cols,
            threads=self._threads.bit_length() - 1,
            **zero,
        )
        return self._link.submit(Opcode.RUN, arguments)

    def fetch(self, number: int, run: PlannedRun, out: np.ndarray) -> None:
        """Read the results of a run into the outputs they belong to."""
        reads = [self._link.submit(*read) for read in self._reads(number, run)]
        self._accumulate(run, b"".join(self._link.wait(*reads)), out)

    def _number(self) -> int:
        number, self._next = self._next, (self._next + 1) & 0xFFFF
        return number

    def _writes(self, number: int, run: PlannedRun) -> Iterator[tuple[Opcode, bytes]]:
        """What the half of this run does not hold yet, in frames."""
        yield from self._fill(
            number, Target.X, (run.m_tile, run.m_tiles, run.first, run.steps), lambda: self._plan.x_words(run)
        )
        yield from self._fill(
            number, Target.W, (run.n_tile, run.n_tiles, run.first, run.steps), lambda: self._plan.w_words(run)
        )
        unit = self._requantize
        if unit is not None:
            outputs = self._plan.w.shape[1]
            yield from self._fill(
                number, Target.TABLE, (run.n_tile, run.n_tiles), lambda: table(unit, self._config, run, outputs)
            )

    def _fill(
        self, number: int, target: Target, content: tuple[int, ...], words: Callable[[], np.ndarray]
    ) -> Iterator[tuple[Opcode, bytes]]:
        half = (number & 1, target)
        if self._resident.get(half) == content:
            return
        self._resident[half] = content
        data = words()
        per_frame = self._config.frame_data // data.shape[1]
        for first in range(0, len(data), per_frame):
            head = pack(Opcode.WRITE, run=number, target=target, address=first)
            yield Opcode.WRITE, head + data[first : first + per_frame].tobytes()

    def _reads(self, number: int, run: PlannedRun) -> Iterator[tuple[Opcode, bytes]]:
        """All rows of a run in frames; a frame of requantised rows stays within one column of tiles."""
        array, unit = self._config.array, self._requantize
        total = run.m_tiles * run.n_tiles * array.rows
        per_frame = max(self._config.frame_data // (array.cols * (4 if unit is None else 1)), 1)
        if unit is not None:
            per_frame = min(per_frame, array.rows)
        scale = dict.fromkeys(("zero_point", "low", "high", "requantize", "double"), 0)
        if unit is not None:
            scale = {
                "zero_point": unit.zero_point,
                "low": unit.low,
                "high": unit.high,
                "requantize": 1,
                "double": int(unit.variant == "double"),
            }
        first = 0
        while first < total:
            count = min(per_frame, total - first)
            channel = 0
            if unit is not None:
                count = min(count, array.rows - first % array.rows)
                channel = first // array.rows % run.n_tiles * array.cols
            yield Opcode.READ, pack(Opcode.READ, run=number, first=first, rows=count, channel=channel, **scale)
            first += count

    def _accumulate(self, run: PlannedRun, rows: bytes, out: np.ndarray) -> None:
        unit, cols = self._requantize, self._config.array.cols
        kind: np.dtype = np.dtype("<i4" if unit is None else "u1" if unit.low >= 0 else "i1")
        expected = run.m_tiles * run.n_tiles * self._config.array.rows * cols * kind.itemsize
        if len(rows) != expected:
            raise LinkError(f"board on {self._link.transport.name!r} sent {len(rows)} bytes, not {expected}: reset it")
        self._plan.accumulate(run, np.frombuffer(rows, kind).reshape(-1, cols).astype(np.int64), out)
