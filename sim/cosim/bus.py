# SPDX-License-Identifier: Apache-2.0
"""A device on a bus, simulated: its registers, and the memory that it reads and writes by itself."""

import contextlib
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from sysmt.hdl.designs import design_of
from sysmt.hdl.emit import Design
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import (
    COMMAND_BYTES,
    LINK_REGISTERS,
    ListError,
    number_of,
)
from sysmt.hdl.params.engine import EngineConfig

from . import programs
from .verilator import SimulationError

MAIN = Path(__file__).with_name("bus_main.cpp")
OKAY = 0
LIMIT = 10_000_000


def build(config: AccelConfig | EngineConfig, design: Design | None = None) -> Path:
    """Compile the simulation, or find it compiled. Returns the executable."""
    macros = {config.link.upper(): config.data_width} | ({"CORE_CLOCK": 1} if config.bus_clock else {})
    return programs.build(design or _design(config), MAIN, "bus", macros)


@lru_cache(maxsize=8)
def _design(config: AccelConfig | EngineConfig) -> Design:
    return design_of(config, "device")


class SimulatedBus:
    """A running simulation.

    Parameters
    ----------
    config : AccelConfig or EngineConfig
        With a `link` that has command lists.
    memory : int
        Bytes of the memory, from address 0.
    latency : int
        Cycles that a burst waits at most; every one waits a random number of them.
    stall : float
        Share of cycles in which a channel pauses.
    period : float
        Of the device's clock in those of the bus's, with `config.bus_clock`; it drifts by up to a tenth.
    errors : range, optional
        Addresses at which the memory answers with an error.
    design : Design, optional
        Another netlist with the same ports.

    Members
    -------
    memory : uint8 array
        Shared with the simulation.
    """

    def __init__(
        self,
        config: AccelConfig | EngineConfig,
        memory: int = 1 << 20,
        latency: int = 0,
        stall: float = 0.0,
        seed: int = 1,
        errors: range | None = None,
        period: float = 0.5,
        design: Design | None = None,
    ):
        self.config = config
        program = build(config, design)
        self._folder = tempfile.TemporaryDirectory(prefix="bus-")
        file = Path(self._folder.name, "memory")
        self.memory = np.memmap(file, np.uint8, "w+", shape=(memory,))
        first, last = (errors.start, errors.stop) if errors is not None else (0, 0)
        arguments = [file, latency, round(256 * stall), seed, first, last, round(1000 * period)]
        self._process = subprocess.Popen(
            [str(program), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def write(self, number: int, value: int) -> int:
        """Write a register. Returns the response, 0 when the bus took it."""
        return self._ask(1, (1, 4 * number, value))[0]

    def read(self, number: int) -> tuple[int, int]:
        """Response and content of a register."""
        response, value = self._ask(2, (2, 4 * number, 0))
        return response, value

    def link(self, name: str) -> dict[str, int]:
        """The fields of a register of the link."""
        response, value = self.read(number_of(name))
        assert response == OKAY, f"{name} cannot be read"
        return LINK_REGISTERS[name].record.from_int(value)

    def start(self, commands: list[bytes], address: int) -> None:
        """Put a list into the memory and begin it, interrupts on."""
        text = b"".join(commands)
        self.memory[address : address + len(text)] = np.frombuffer(text, np.uint8)
        for name, value in (
            ("interrupt_enable", 3),
            ("interrupt", 3),
            ("list_address", address),
            ("list_commands", len(text) // COMMAND_BYTES),
        ):
            if self.write(number_of(name), value) != OKAY:
                raise SimulationError(f"register {name} was not written")

    def wait(self, limit: int = LIMIT) -> int:
        """Cycles until the list has ended.

        Raises
        ------
        SimulationError
            It did not within `limit` cycles.
        """
        (took,) = self._ask(1, (3, 0, limit))
        if took >= limit:
            raise SimulationError(f"the list did not end within {limit} cycles")
        return took

    def do(self, commands: list[bytes], address: int = 0) -> tuple[ListError, int]:
        """Do a list. Returns why it ended, and the command that failed."""
        self.start(commands, address)
        self.wait()
        return ListError(self.link("list")["error"]), self.link("failed")["failed"]

    @property
    def cycles(self) -> int:
        """Cycles since reset."""
        return self._ask(1, (4, 0, 0))[0]

    def close(self) -> None:
        """End the simulation."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._folder.cleanup()

    def __enter__(self) -> "SimulatedBus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, answers: int, command: tuple[int, int, int]) -> list[int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        data = b""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(np.array(command, "<u4").tobytes())
            self._process.stdin.flush()
            data = self._process.stdout.read(4 * answers)
        if len(data) != 4 * answers:
            _, errors = self._process.communicate()
            raise SimulationError(f"the simulated bus is gone: {errors.decode().strip()}")
        words: list[int] = np.frombuffer(data, "<u4").tolist()
        return words
