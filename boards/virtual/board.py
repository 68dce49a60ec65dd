# SPDX-License-Identifier: Apache-2.0
"""Builds and serves the simulated board: what CI plugs the driver into, pins included."""

import contextlib
import json
import os
import signal
import subprocess
import tty
from functools import lru_cache
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.designs import design_of
from sysmt.hdl.emit import Design
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.sdram import SdramConfig
from sysmt.sim.cosim import programs

DIVISOR = 4
"""Clocks per bit of the virtual link: as fast as the UART goes, so that little is simulated for each byte."""
MAIN = Path(__file__).with_name("main.cpp")


def build(design: Design, sdram: SdramConfig | None = None) -> Path:
    """Compile the board, with an SDRAM if need be, or find it compiled. Returns the executable."""
    return programs.build(design, MAIN, "board", sdram=sdram)


@lru_cache(maxsize=8)
def _design(config: AccelConfig | EngineConfig) -> Design:
    return design_of(config, "board")


class VirtualBoard:
    """A running simulated board.

    Parameters
    ----------
    config : AccelConfig or EngineConfig
    design : Design, optional
        Another netlist with the same pins, say one with a seeded bug.

    Members
    -------
    port : str
        The pseudo-terminal: what a driver opens.
    figures : dict
        After `close`: simulated cycles, seconds they took, bytes in and out.
    """

    def __init__(self, config: AccelConfig | EngineConfig, design: Design | None = None):
        sdram = config.stream if isinstance(config, EngineConfig) else None
        program = build(design or _design(config), sdram)
        master, slave = os.openpty()
        self._slave: int | None = slave
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self.figures: dict[str, Any] = {}
        idle = 1000 + 4 * config.slot * config.slots + (0 if sdram is None else sdram.ready_cycles)
        self._process = subprocess.Popen(
            [str(program), str(master), str(config.divisor), str(idle)],
            pass_fds=[master],
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(master)

    def wait(self) -> None:
        """Serve until the simulation ends by itself."""
        if self._process.wait() != 0:
            _, errors = self._process.communicate()
            self._close_line()
            raise UserError(f"simulated board on {self.port} failed: {errors.decode()!r}")

    def reset(self) -> None:
        """Press the board's button: all registers begin anew, whatever it is doing; memories keep their words."""
        self._process.send_signal(signal.SIGUSR1)

    def close(self) -> None:
        """Stop the simulation: for the driver, the cable is pulled."""
        if self._slave is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        _, errors = self._process.communicate()
        self._close_line()
        with contextlib.suppress(ValueError, IndexError):
            self.figures = json.loads(errors.decode().splitlines()[-1])

    def _close_line(self) -> None:
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None

    def __enter__(self) -> "VirtualBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
