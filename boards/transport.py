# SPDX-License-Identifier: Apache-2.0
"""What carries bytes between host and board: a serial port, or anything else that keeps them in order."""

import abc
import errno
import os
import termios
import time
from typing import TYPE_CHECKING

from sysmt.base.errors import UserError
from sysmt.base.extras import require

if TYPE_CHECKING:
    import serial

BAUD = 1_000_000
"""Rate of the boards' bitstreams unless they say otherwise; a simulated board does not care."""


class TransportError(UserError):
    """The bytes do not flow (any more): no such port, no permission, or the cable is out."""


class Transport(abc.ABC):
    """A pair of byte streams that keep bytes in order, and may lose or damage them.

    Members
    -------
    name : str
        What the user calls it.
    """

    name: str

    @abc.abstractmethod
    def open(self) -> None:
        """Connect, or connect again; what was received before is dropped."""

    @abc.abstractmethod
    def close(self) -> None:
        """Disconnect; nothing happens when it is closed."""

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes. Raises TransportError when the other side is gone."""

    @abc.abstractmethod
    def read(self, timeout: float) -> bytes:
        """What has come, after at most `timeout` seconds; empty when nothing came. Raises TransportError."""

    def now(self) -> float:
        """Seconds, for time-outs; a simulated transport has its own."""
        return time.monotonic()


class SerialTransport(Transport):
    """A serial port, or the pseudo-terminal of a simulated board.

    Parameters
    ----------
    port : str
        The device, say /dev/ttyUSB0.
    baud : int
    """

    def __init__(self, port: str, baud: int = BAUD):
        self.name, self.baud = port, baud
        self._serial: serial.Serial | None = None

    def open(self) -> None:
        self.close()
        if not os.path.exists(self.name):
            raise TransportError(f"port {self.name!r} does not exist: plug the board in, or give another port")
        library = require("serial", "boards")
        try:
            self._serial = library.Serial(self.name, self.baud, timeout=0, write_timeout=5, exclusive=True)
            self._serial.reset_input_buffer()
        except (OSError, ValueError, termios.error) as error:
            raise TransportError(self._refusal(error)) from error

    def _refusal(self, error: Exception) -> str:
        number = getattr(error, "errno", None)
        if number is None and error.args and isinstance(error.args[0], int):
            number = error.args[0]
        if number in (errno.EACCES, errno.EPERM):
            return f"port {self.name!r} may not be opened: permission denied; join its group (often dialout)"
        if number in (errno.EBUSY, errno.EAGAIN) or "lock" in str(error):
            return f"port {self.name!r} is in use by another program: close that first"
        if number in (errno.ENOTTY, errno.EINVAL, errno.EISDIR, errno.ENXIO) or "configure" in str(error):
            return f"port {self.name!r} is not a serial device: give the device of the board, say /dev/ttyUSB0"
        return f"port {self.name!r} cannot be opened ({error}): give the device of the board, say /dev/ttyUSB0"

    def close(self) -> None:
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def write(self, data: bytes) -> None:
        try:
            self._opened().write(data)
        except (OSError, termios.error) as error:
            raise self._lost() from error

    def read(self, timeout: float) -> bytes:
        port = self._opened()
        try:
            port.timeout = timeout
            first = port.read(1)
            return first + port.read(port.in_waiting) if first else b""
        except (OSError, TypeError, termios.error) as error:
            raise self._lost() from error

    def _opened(self) -> "serial.Serial":
        if self._serial is None:
            raise self._lost()
        return self._serial

    def _lost(self) -> TransportError:
        return TransportError(f"port {self.name!r} is gone in the middle of the work: is the cable unplugged?")
