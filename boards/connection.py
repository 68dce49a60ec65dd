# SPDX-License-Identifier: Apache-2.0
"""A board on a port: opened, identified, connected again when its cable comes back."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from typing import ClassVar, Generic, TypeVar

from sysmt.base.arguments import checked
from sysmt.base.errors import UserError
from sysmt.hdl.params import engine_protocol, registers
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.fields import PackedRecord

from .link import Link, LinkError, NoBoardError, OtherKindError
from .transport import SerialTransport, Transport, TransportError

REGISTERS_PER_FRAME = 16
"""As long as the length of the board's frames is not known."""

Held = TypeVar("Held", AccelConfig, EngineConfig)
KINDS = {registers.MAGIC: "an accelerator for matrix products", engine_protocol.MAGIC: "an engine for networks"}
"""What a board can hold, by its magic number."""
LONGEST_S = 86_400
"""The longest that a board is waited for: a day."""


class Connection(ABC, Generic[Held]):
    """A board, identified and ready.

    Parameters
    ----------
    transport : Transport or str
        Opened here; a string is the device of a serial port, say /dev/ttyUSB0, at the usual rate.
    timeout : float
        Seconds after which an answer is taken for lost, up to `LONGEST_S`.
    reconnect_timeout : float
        Seconds to wait for an unplugged cable to come back, up to `LONGEST_S`. 0: it is an error at once.
    progress : callable, optional
        Told in words what goes on.

    Members
    -------
    config : AccelConfig or EngineConfig
        What is on the board.
    generator : str
        Version of sysmt that made it.

    Raises
    ------
    TransportError
        There is no way to the port, or it is gone.
    UserError
        An argument is of another kind, or out of its range.
    LinkError
        What answers is no board, or not one for this driver.
    """

    MAGIC: ClassVar[int]
    PROTOCOL: ClassVar[int]
    HEAD: ClassVar[Mapping[str, PackedRecord]]
    """The registers that every such board has."""

    @checked
    def __init__(
        self,
        transport: Transport | str,
        timeout: float = 0.5,
        reconnect_timeout: float = 0.0,
        progress: Callable[[str], None] | None = None,
    ):
        if not isinstance(transport, Transport | str):
            raise UserError(f"transport must be a Transport or the name of a serial port, not {transport!r}")
        for name, seconds in (("timeout", timeout), ("reconnect_timeout", reconnect_timeout)):
            if not 0 <= seconds <= LONGEST_S:
                raise UserError(f"{name} must be from 0 to {LONGEST_S} seconds, not {seconds!r}")
        self.transport = SerialTransport(transport) if isinstance(transport, str) else transport
        self.timeout, self.reconnect_timeout = timeout, reconnect_timeout
        self._progress = progress or (lambda text: None)
        self.reconnections = 0
        self.config: Held = self._connect()

    @abstractmethod
    def _described(self, words: dict[str, int]) -> Held:
        """The configuration that identity words describe."""

    def close(self) -> None:
        """Let go of the port."""
        self.transport.close()

    def _read(self, names: Collection[str], per_frame: int) -> dict[str, int]:
        """The first registers, which are called `names`, as many in one frame as the device takes."""
        words: list[int] = []
        while len(words) < len(names):
            count = min(per_frame, len(names) - len(words))
            words += self.link.registers(len(words), count)
        return dict(zip(names, words, strict=True))

    def _connect(self) -> Held:
        """Open the port and find out what is behind it."""
        self.transport.open()
        self.link = Link(self.transport, timeout=self.timeout)
        self.link.synchronise()
        words = self._read(self.HEAD, REGISTERS_PER_FRAME)
        name = self.transport.name
        if words["magic"] in KINDS and words["magic"] != self.MAGIC:
            raise OtherKindError(
                f"board on {name!r} holds {KINDS[words['magic']]}, not {KINDS[self.MAGIC]}: flash the other bitstream"
            )
        if words["magic"] != self.MAGIC:
            raise LinkError(f"board on {name!r} is not sysmt's (magic {words['magic']:#x}): flash a bitstream of sysmt")
        self.generator = registers.version_of(words)
        ours = version("sysmt")
        if words["protocol"] != self.PROTOCOL or self.generator != ours:
            relation = "older" if _numbers(self.generator) < _numbers(ours) else "newer"
            raise LinkError(
                f"bitstream on {name!r} is {relation} than this driver (sysmt {self.generator}, protocol "
                f"{words['protocol']}; driver {ours}, protocol {self.PROTOCOL}): build and flash it again"
            )
        config = self._described(words)
        self.link.credit = config.slots
        return config

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
