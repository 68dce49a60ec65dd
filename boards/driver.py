# SPDX-License-Identifier: Apache-2.0
"""The host's side of a board: one class, whether the board is real or simulated."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params import registers
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH, array_counters
from sysmt.hdl.params.protocol import VERSION
from sysmt.sim.golden.product import check_operands
from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.golden.zero_point import absorbed

from .connection import Connection
from .plan import Plan
from .session import Session
from .transport import Transport, TransportError

FREE = ("drain", "counters", "fuse", "cluster", "pipeline", "target", "dsp", "clock_gating")
"""What two arrays may differ in and still compute the same product in the same steps."""


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


class Board(Connection[AccelConfig]):
    """A board, identified and ready.

    Parameters
    ----------
    expect : ArrayConfig, optional
        An array that the one on the board must equal in everything that a result depends on.
    transport, timeout, reconnect_timeout, progress
        As of `Connection`, whose errors it raises, too.

    Raises
    ------
    UserError
        The board has another array than expected.
    """

    MAGIC = registers.MAGIC
    PROTOCOL = VERSION
    HEAD = registers.HEAD

    def __init__(
        self,
        transport: Transport | str,
        expect: ArrayConfig | None = None,
        timeout: float = 0.5,
        reconnect_timeout: float = 0.0,
        progress: Callable[[str], None] | None = None,
    ):
        if not isinstance(expect, ArrayConfig | None):
            raise UserError(f"expect must be an ArrayConfig or None, not {expect!r}")
        super().__init__(transport, timeout, reconnect_timeout, progress)
        if expect is not None:
            self._compare(expect)

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _described(self, words: dict[str, int]) -> AccelConfig:
        return registers.config_of(words)

    def registers(self) -> dict[str, int]:
        """All registers by name."""
        return self._read(registers.registers(self.config.array.pe), self.config.frame_data // 4)

    def figures(self) -> dict[str, int]:
        """Counters since the board was reset: of the controller, and of the array as `array_...` when it has them."""
        return self._figures(self.registers())

    def _figures(self, words: dict[str, int]) -> dict[str, int]:
        counted = {name: words[name] for name in registers.FIGURES}
        if self.config.array.counters:
            for name in array_counters(self.config.array.pe):
                counted[f"array_{name}"] = words[f"array_{name}_low"] | words[f"array_{name}_high"] << 32
        return counted

    def matmul(
        self,
        x: np.ndarray,
        w: np.ndarray,
        threads: int | None = None,
        requantize: Requantize | None = None,
        zero: int = 0,
    ) -> BoardProduct:
        """Multiply matrices of any size.

        Parameters
        ----------
        x, w : uint8 [M, K], int8 [K, N]
        threads : int, optional
            Threads to run on; all when None.
        requantize : Requantize, optional
            To 8 bits per output channel: by the board when it can and no sum is cut into parts, else by the host.
        zero : int
            Zero point of the activations, of an array that takes it off (`signed_window`); the sums are those of x all
            the same.
        """
        if not isinstance(requantize, Requantize | None):
            raise UserError(f"requantize must be a Requantize or None, not {requantize!r}")
        check_operands(x, w, self.config.array.pe)
        threads = self.config.array.pe.throttle(threads)
        plan = Plan(x, w, self.config, threads, requantize is not None, zero)
        unit = absorbed(requantize, w, zero) if requantize is not None and plan.on_board else None
        out = np.zeros((x.shape[0], w.shape[1]), np.int64)
        sent, repeated, reconnections = self.link.sent, self.link.repeated, self.reconnections
        before = self.registers()
        left = list(plan.runs)
        while left:
            session = Session(self.link, self.config, plan, threads, unit)
            try:
                session.work(left, out, lambda done: self._progress(f"{done} of {len(plan.runs)} runs"))
                break
            except TransportError as error:
                self._reconnect(error, f"{len(plan.runs) - len(left)} of {len(plan.runs)} runs are kept")
        after = self.registers()
        if not plan.on_board:
            out = plan.completed(out)
            if requantize is not None:
                out = requantize(out)
        if plan.on_board and after["overflows"] != before["overflows"]:
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

    def _compare(self, expect: ArrayConfig) -> None:
        expected, actual = expect.as_dict(), self.config.array.as_dict()
        names = [n for n in expected if n not in FREE and n in actual]
        differences = [f"{n} = {actual[n]} instead of {expected[n]}" for n in names if expected[n] != actual[n]]
        if differences:
            raise UserError(
                f"board on {self.transport.name!r} has {', '.join(differences)}: leave out the options of the array to "
                "take it as it is, or flash another bitstream"
            )
