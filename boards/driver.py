# SPDX-License-Identifier: Apache-2.0
"""The host's side of a board: one class, whether the board is real or simulated."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH, array_counters
from sysmt.hdl.params.protocol import VERSION
from sysmt.hdl.params.registers import FIGURES, HEAD, MAGIC, config_of, registers, version_of
from sysmt.sim.golden.product import check_operands
from sysmt.sim.golden.requantize import Requantize

from .link import Link, LinkError, NoBoardError
from .plan import Plan
from .session import Session
from .transport import SerialTransport, Transport, TransportError

FREE = ("drain", "counters", "fuse", "pipeline", "target", "dsp", "clock_gating")
"""What two arrays may differ in and still compute the same product in the same steps."""
REGISTERS_PER_FRAME = 16
"""As long as the length of the board's frames is not known."""


@dataclass(frozen=True)
class BoardProduct:
    """A product of a board.

    Members
    -------
    values : int64 [M, N]
        Sums, or requantised values.
    figures : dict of name to int
        Counters of the board for this product: `cycles` (first step to last row, of all runs), `steps`, `span`, and
        those of the array when it has them. Empty after a reconnection, where they no longer belong to one product.
    frames, repeated, reconnections : int
        What the link did.
    """

    values: np.ndarray
    figures: dict[str, int]
    frames: int
    repeated: int
    reconnections: int


class Board:
    """A board, identified and ready.

    Parameters
    ----------
    transport : Transport or str
        Opened here; a string is the device of a serial port, say /dev/ttyUSB0, at the usual rate.
    expect : ArrayConfig, optional
        An array that the one on the board must equal in everything that a result depends on.
    timeout : float
        Seconds after which an answer is taken for lost.
    reconnect_timeout : float
        Seconds to wait for an unplugged cable to come back. 0: it is an error at once.
    progress : callable, optional
        Told in words what goes on.

    Members
    -------
    config : AccelConfig
        What is on the board.
    generator : str
        Version of sysmt that made it.

    Raises
    ------
    TransportError
        There is no way to the port, or it is gone.
    LinkError
        What answers is no board, or not one for this driver.
    UserError
        The board has another array than expected.
    """

    def __init__(
        self,
        transport: Transport | str,
        expect: ArrayConfig | None = None,
        timeout: float = 0.5,
        reconnect_timeout: float = 0.0,
        progress: Callable[[str], None] | None = None,
    ):
        self.transport = SerialTransport(transport) if isinstance(transport, str) else transport
        self.timeout, self.reconnect_timeout = timeout, reconnect_timeout
        self._progress = progress or (lambda text: None)
        self.reconnections = 0
        self.config = self._connect()
        if expect is not None:
            self._compare(expect)

    def close(self) -> None:
        """Let go of the port."""
        self.transport.close()

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def registers(self) -> dict[str, int]:
        """All registers by name."""
        return self._read(registers(self.config.array.pe), self.config.frame_data // 4)

    def _read(self, names: Collection[str], per_frame: int) -> dict[str, int]:
        """The first registers, which are called `names`, as many in one frame as the device takes."""
        words: list[int] = []
        while len(words) < len(names):
            count = min(per_frame, len(names) - len(words))
            words += self.link.registers(len(words), count)
        return dict(zip(names, words, strict=True))

    def figures(self) -> dict[str, int]:
        """Counters since the board was reset: of the controller, and of the array as `array_...` when it has them."""
        return self._figures(self.registers())

    def _figures(self, words: dict[str, int]) -> dict[str, int]:
        counted = {name: words[name] for name in FIGURES}
        if self.config.array.counters:
            for name in array_counters(self.config.array.pe):
                counted[f"array_{name}"] = words[f"array_{name}_low"] | words[f"array_{name}_high"] << 32
        return counted

    def matmul(
        self, x: np.ndarray, w: np.ndarray, threads: int | None = None, requantize: Requantize | None = None
    ) -> BoardProduct:
        """Multiply matrices of any size.

        Parameters
        ----------
        x, w : uint8 [M, K], int8 [K, N]
        threads : int, optional
            Threads to run on; all when None.
        requantize : Requantize, optional
            To 8 bits per output channel: by the board when it can and no sum is cut into parts, else by the host.
        """
        check_operands(x, w, self.config.array.pe)
        threads = self.config.array.pe.throttle(threads)
        plan = Plan(x, w, self.config, threads)
        on_board = requantize is not None and plan.whole and self.config.requantize
        out = np.zeros((x.shape[0], w.shape[1]), np.int64)
        sent, repeated, reconnections = self.link.sent, self.link.repeated, self.reconnections
        before = self.registers()
        left = list(plan.runs)
        while left:
            session = Session(self.link, self.config, plan, threads, requantize if on_board else None)
            try:
                session.work(left, out, lambda done: self._progress(f"{done} of {len(plan.runs)} runs"))
                break
            except TransportError as error:
                self._reconnect(error, f"{len(plan.runs) - len(left)} of {len(plan.runs)} runs are kept")
        after = self.registers()
        if requantize is not None and not on_board:
            out = requantize(out)
        if on_board and after["overflows"] != before["overflows"]:
            raise UserError("sum + bias must be within 32 bits, and is not in some channel; rescale the layer")
        figures = {}
        if reconnections == self.reconnections:
            old = self._figures(before)
            figures = {
                name: (value - old[name]) % (1 << (COUNTER_WIDTH if name.startswith("array_") else 32))
                for name, value in self._figures(after).items()
            }
        again = self.reconnections - reconnections
        return BoardProduct(out, figures, self.link.sent - sent, self.link.repeated - repeated, again)

    def _connect(self) -> AccelConfig:
        """Open the port and find out what is behind it."""
        self.transport.open()
        self.link = Link(self.transport, timeout=self.timeout)
        self.link.synchronise()
        words = self._read(HEAD, REGISTERS_PER_FRAME)
        name = self.transport.name
        if words["magic"] != MAGIC:
            raise LinkError(f"board on {name!r} is not sysmt's (magic {words['magic']:#x}): flash a bitstream of sysmt")
        self.generator = version_of(words)
        ours = version("sysmt")
        if words["protocol"] != VERSION or self.generator != ours:
            relation = "older" if _numbers(self.generator) < _numbers(ours) else "newer"
            raise LinkError(
                f"bitstream on {name!r} is {relation} than this driver (sysmt {self.generator}, protocol "
                f"{words['protocol']}; driver {ours}, protocol {VERSION}): build and flash it again"
            )
        config = config_of(words)
        self.link.credit = config.slots
        return config

    def _compare(self, expect: ArrayConfig) -> None:
        expected, actual = expect.as_dict(), self.config.array.as_dict()
        names = [n for n in expected if n not in FREE and n in actual]
        differences = [f"{n} = {actual[n]} instead of {expected[n]}" for n in names if expected[n] != actual[n]]
        if differences:
            raise UserError(
                f"board on {self.transport.name!r} has {', '.join(differences)}: leave out the options of the array to "
                "take it as it is, or flash another bitstream"
            )

    def _reconnect(self, error: TransportError, kept: str) -> None:
        """Wait for the cable. Raises `error` when it does not come back in time."""
        if not self.reconnect_timeout:
            raise error
        self._progress(f"{error}; waiting {self.reconnect_timeout:g} s for it, {kept}")
        self.transport.close()
        until = time.monotonic() + self.reconnect_timeout
        totals = self.link.sent, self.link.repeated
        while True:
            try:
                config = self._connect()
                break
            except (TransportError, NoBoardError):
                if time.monotonic() > until:
                    raise error from None
                time.sleep(0.2)
        if config != self.config:
            raise LinkError(
                f"board on {self.transport.name!r} is another one than before the reconnection: start again"
            )
        self.link.sent += totals[0]
        self.link.repeated += totals[1]
        self.reconnections += 1
        self._progress("connected again")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdigit()]
