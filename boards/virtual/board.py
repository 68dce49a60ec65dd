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

from sysmt.base.cache import build_directory
from sysmt.base.errors import UserError
from sysmt.hdl.designs import accel_design
from sysmt.hdl.emit import Design
from sysmt.hdl.params.accel import AccelConfig
from sysmt.sim.cosim.verilator import VERILATOR_ARGS, compile_verilog, executable, require

DIVISOR = 4
"""Clocks per bit of the virtual link: as fast as the UART goes, so that little is simulated for each byte."""
MAKE_ARGS = ["-j2", "VM_PARALLEL_BUILDS=0", "OPT_FAST=-O2", "OPT_GLOBAL=-O2"]
# A board is simulated for millions of cycles: worth more of the compiler's time than a testbench.
MAIN = Path(__file__).with_name("main.cpp")


def build(design: Design) -> Path:
    """Compile the board, or find it compiled. Returns the executable."""
    require("verilator")
    main = MAIN.read_text()
    content = [design.verilog, "board", str(executable("verilator")), VERILATOR_ARGS, MAKE_ARGS, main]
    with build_directory("sim", f"{design.name}-board", content) as (folder, missing):
        if missing:
            (folder / f"{design.name}.v").write_text(design.verilog)
            (folder / "main.cpp").write_text(main)
            control = ["`verilator_config"]
            control += [f'no_inline -module "{m}"' for m in design.modules if m != design.name and m.isidentifier()]
            (folder / "control.vlt").write_text("\n".join(control) + "\n")
            verilate = ["verilator", "-cc", "--exe", "-Mdir", ".", "--prefix", "Vtop", "--top-module", design.name]
            verilate += ["-o", "board", *VERILATOR_ARGS, "control.vlt", f"{design.name}.v", "main.cpp"]
            compile_verilog(folder, verilate, *MAKE_ARGS)
    return folder / "board"


@lru_cache(maxsize=8)
def _design(config: AccelConfig) -> Design:
    return accel_design(config, "board")


class VirtualBoard:
    """A running simulated board.

    Parameters
    ----------
    config : AccelConfig
    design : Design, optional
        Another netlist with the same pins, say one with a seeded bug.

    Members
    -------
    port : str
        The pseudo-terminal: what a driver opens.
    figures : dict
        After `close`: simulated cycles, seconds they took, bytes in and out.
    """

    def __init__(self, config: AccelConfig, design: Design | None = None):
        program = build(design or _design(config))
        master, slave = os.openpty()
        self._slave: int | None = slave
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self.figures: dict[str, Any] = {}
        idle = 1000 + 4 * config.slot * config.slots
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
