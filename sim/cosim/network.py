# SPDX-License-Identifier: Apache-2.0
"""The engine's gates, simulated: its memories written, programs run, activations read."""

import contextlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.designs import engine_design
from sysmt.hdl.emit import Design
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import EngineError, Memory
from sysmt.sim.engine.execute import FinishedRun
from sysmt.sim.engine.program import Program
from sysmt.sim.engine.session import run_inputs

from .programs import build
from .verilator import SimulationError

MAIN = Path(__file__).with_name("engine_main.cpp")
WORD = 4
LIMIT = 1 << 30
"""Cycles after which a run counts as hung."""


@lru_cache(maxsize=8)
def emitted_engine(config: EngineConfig) -> Design:
    """The netlist of an engine alone, as it is simulated."""
    return engine_design(config, "engine", linked=False)


def compile_engine(config: EngineConfig, design: Design) -> Path:
    """Compile the simulation of an engine, or find it compiled. Returns the executable."""
    return build(design, MAIN, "engine-run", sdram=config.stream)


@dataclass(frozen=True)
class RunFigures:
    """One run of the simulated engine.

    Members
    -------
    error : EngineError
        Why it failed.
    layer : int
        The last layer that ran.
    cycles : int
        From start to done, as the engine counts.
    """

    error: EngineError
    layer: int
    cycles: int


class SimulatedEngine:
    """The emitted Verilog of an engine under Verilator, with the host's side of its ports.

    Parameters
    ----------
    config : EngineConfig
    design : Design, optional
        Another netlist with the same ports, say one with a seeded bug.
    """

    def __init__(self, config: EngineConfig, design: Design | None = None):
        self.config = config
        program = compile_engine(config, design or emitted_engine(config))
        self._process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._program: Program | None = None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def load(self, program: Program) -> None:
        """Fill the memories of the engine with a program.

        Raises
        ------
        UserError
            It was compiled for another engine.
        """
        if program.config.fingerprint != self.config.fingerprint:
            raise UserError("program must be compiled for the simulated engine, not for another one; compile it again")
        self._program = None
        for memory, words in program.images.items():
            self.write(memory, words)
        self.clear()
        self._program = program

    def run(self, inputs: np.ndarray, progress: Callable[[int, int], None] | None = None) -> FinishedRun:
        """Run the loaded program on every input, on both halves of the input and output places in turn.

        Parameters
        ----------
        inputs : array [B, ...]
            In the type and shape of the network's input.
        progress : callable, optional
            Told how many of how many are done.

        Raises
        ------
        SimulationError
            A run failed, or did not end.
        """
        assert self._program is not None, "load a program first"
        return run_inputs(self._program, _Runs(self, self._program), inputs, progress=progress)

    def write(self, memory: Memory, words: np.ndarray, first: int = 0) -> None:
        """Write words into a memory.

        Parameters
        ----------
        words : uint8 [n, bytes of a word]
            Little end first.
        first : int
            Address of the first one.
        """
        widths, depths = zip(*self.config.host_memories.values(), strict=True)
        selects, addresses = (len(depths) - 1).bit_length(), (max(depths) - 1).bit_length()
        bits = selects + addresses + max(widths)
        size = self._port_bytes(bits)
        payloads = bytearray()
        for address, word in enumerate(words, first):
            payload = int(memory) | address << selects | int.from_bytes(word.tobytes(), "little") << selects + addresses
            payloads += payload.to_bytes(size, "little")
        self._send(1, 0, len(words), 0)
        self._stdin.write(payloads)
        self._stdin.flush()

    def start(self, half: int = 0, limit: int = LIMIT) -> RunFigures:
        """Run the program that was written, once.

        Raises
        ------
        SimulationError
            It did not end within `limit` cycles.
        """
        self._send(2, half, limit, 0)
        error, layer, cycles, ended = np.frombuffer(self._receive(4 * WORD), "<u4").tolist()
        if not ended:
            raise SimulationError(f"the engine did not end within {limit} cycles (layer {layer})")
        return RunFigures(EngineError(error), layer, cycles)

    def read(self, first: int, count: int) -> np.ndarray:
        """Words of the activation memory: uint8 [count, bytes of a word]."""
        size = self._port_bytes(8 * self.config.word_bytes)
        self._send(3, first, count, 0)
        words = np.frombuffer(self._receive(count * size), np.uint8).reshape(count, size)
        return words[:, : self.config.word_bytes]

    def layer_cycles(self, count: int) -> list[int]:
        """Cycles of the first `count` layers of the last run."""
        self._send(4, 0, count, 0)
        cycles: list[int] = np.frombuffer(self._receive(count * WORD), "<u4").tolist()
        return cycles

    def reset(self) -> None:
        """Reset the gates, whatever they are doing: registers are as after power-up, memories keep their words."""
        self._send(6, 0, 0, 0)

    def clear(self) -> None:
        """Forget the error of a run, so that the next one is taken."""
        self._send(5, 0, 0, 0)

    def close(self) -> None:
        """End the simulation."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._process.wait()
        self._stdout.close()

    def __enter__(self) -> "SimulatedEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def _port_bytes(bits: int) -> int:
        """Bytes of a port in the simulation: one word of 32 bits, or two, or as many as it takes."""
        return WORD * -(-bits // 32)

    def _send(self, *command: int) -> None:
        try:
            self._stdin.write(np.array(command, "<u4").tobytes())
            self._stdin.flush()
        except BrokenPipeError:
            raise SimulationError("the simulated engine is gone") from None

    def _receive(self, count: int) -> bytes:
        data: bytes = self._stdout.read(count)
        if len(data) != count:
            raise SimulationError("the simulated engine is gone")
        return data


class _Runs:
    """Numbered runs on simulated gates (`sysmt.sim.engine.session.Engine`)."""

    def __init__(self, gates: SimulatedEngine, program: Program):
        self._gates, self._program = gates, program
        self._run: RunFigures | None = None

    def send(self, number: int, memory: Memory, first: int, words: np.ndarray) -> None:
        self._gates.write(memory, words, first)

    def start(self, number: int) -> None:
        self._run = self._gates.start(number & 1)

    def receive(self, number: int, first: int, count: int) -> tuple[np.ndarray, int]:
        run = self._run
        assert run is not None, "start a run first"
        if run.error != EngineError.NONE:
            name = self._program.layers[run.layer].name
            raise SimulationError(f"layer {run.layer} ({name}) failed ({run.error.name.lower()}): {run.error.way_out}")
        return self._gates.read(first, count), run.cycles

    def cycles_of_layers(self, number: int, count: int) -> list[int]:
        return self._gates.layer_cycles(count)
