# SPDX-License-Identifier: Apache-2.0
"""The host's side of an engine on a board: a program is loaded once, inputs go out and outputs come back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params import engine_protocol as protocol
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import EngineError, Memory
from sysmt.hdl.params.protocol import Opcode
from sysmt.hdl.params.settings import dotted
from sysmt.sim.engine.execute import FinishedRun
from sysmt.sim.engine.program import Program
from sysmt.sim.engine.session import LoadableProgram, run_inputs

from .connection import Connection
from .link import LinkError, PendingRequest

ENDS = 60.0
"""Seconds that a run which an earlier host began may go on."""


class EngineBoard(Connection[EngineConfig]):
    """A board with an engine, identified and ready; as `Connection`."""

    MAGIC = protocol.MAGIC
    PROTOCOL = protocol.ENGINE_PROTOCOL
    HEAD = protocol.REGISTERS

    _program: LoadableProgram | None = None
    _sent: Sequence[PendingRequest] = ()

    def __enter__(self) -> "EngineBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _described(self, words: dict[str, int]) -> EngineConfig:
        return protocol.config_of(words)

    def registers(self) -> dict[str, int]:
        """The registers that every engine has, by name."""
        return self._read(protocol.EVERYWHERE, self.config.frame_data // 4)

    def load(self, program: LoadableProgram) -> None:
        """Fill the memories of the engine with a program, as `sysmt.compile_model` and `read_program` return it.

        Raises
        ------
        UserError
            It is none, or was compiled for another engine; nothing is written then.
        """
        if not isinstance(program, Program):
            raise UserError(f"program must be what compile_model or read_program returns, not {type(program).__name__}")
        if program.config.fingerprint != self.config.fingerprint:
            raise UserError(
                f"program was compiled for an engine other than that of the board on {self.transport.name!r} "
                f"({_difference(program.config, self.config)}): compile it again for this board"
            )
        # What is loaded in part is no program, should the cable be pulled.
        self._program = None
        number = self._next_run()
        done, total = 0, sum(len(words) for words in program.images.values())
        for memory, words in program.images.items():
            writes = []
            for payload in self._frames(number, memory, 0, words):
                writes.append(self.link.submit(Opcode.WRITE, payload))
            self.link.wait(*writes)
            done += len(words)
            self._progress(f"{done} of {total} words of the program")
        self._program = program

    def run(self, inputs: np.ndarray, progress: Callable[[int, int], None] | None = None) -> FinishedRun:
        """Run the program on every input; the next one travels while one is computed, where inputs have two places.

        Parameters
        ----------
        inputs : array [B, ...]
            In the type and shape of the network's input.
        progress : callable, optional
            Told how many of how many are done.

        Raises
        ------
        UserError
            No program is loaded, or a run failed: why, and in which layer.
        """
        if self._program is None:
            raise UserError("run needs a program on the board: load one first")
        first, begun = self._next_run(), self.transport.now()
        run = run_inputs(self._program, self, inputs, first, progress)
        return replace(run, seconds=self.transport.now() - begun)

    def send(self, number: int, memory: Memory, first: int, words: np.ndarray) -> None:
        """As `sysmt.sim.engine.session.Engine`, like what follows."""
        self._sent = [
            self.link.submit(Opcode.WRITE, payload) for payload in self._frames(number & 0xFFFF, memory, first, words)
        ]

    def start(self, number: int) -> None:
        """Start a run."""
        self.link.wait(*self._sent)
        self.link.wait(self.link.submit(Opcode.RUN, protocol.ARGUMENTS[Opcode.RUN].pack(run=number & 0xFFFF)))

    def receive(self, number: int, first: int, count: int) -> tuple[np.ndarray, int]:
        """Words of a run's output, and its cycles."""
        size = self.config.word_bytes
        data = self._read_words(number, protocol.ReadTarget.ACTIVATIONS, first, count, size)
        return np.frombuffer(data, np.uint8).reshape(count, size), self.registers()["cycles"]

    def cycles_of_layers(self, number: int, count: int) -> list[int]:
        """Cycles of layers of the last run."""
        data = self._read_words(number, protocol.ReadTarget.CYCLES, 0, count, 4)
        cycles: list[int] = np.frombuffer(data, "<u4").tolist()
        return cycles

    def _next_run(self) -> int:
        """Number of the next run. One that an earlier host left under way is waited for; nobody wants its output."""
        until = self.transport.now() + ENDS
        while True:
            runs = protocol.STATE["runs"].from_int(self.registers()["runs"])
            if runs["issued"] == runs["finished"]:
                return (runs["issued"] + 1) & 0xFFFF
            if self.transport.now() > until:
                raise LinkError(f"board on {self.transport.name!r} does not end the run that it is at: reset it")

    def _frames(self, number: int, memory: Memory, first: int, words: np.ndarray) -> Iterator[bytes]:
        """Payloads of the WRITEs of `words`."""
        per_frame = self.config.frame_data // words.shape[1]
        for start in range(0, len(words), per_frame):
            head = protocol.ARGUMENTS[Opcode.WRITE].pack(run=number, target=memory, address=first + start)
            yield head + words[start : start + per_frame].tobytes()

    def _read_words(self, number: int, target: protocol.ReadTarget, first: int, count: int, size: int) -> bytes:
        per_frame = self.config.frame_data // size
        record, reads = protocol.ARGUMENTS[Opcode.READ], []
        for start in range(0, count, per_frame):
            words = min(per_frame, count - start)
            payload = record.pack(run=number & 0xFFFF, target=target, address=first + start, words=words)
            reads.append(self.link.submit(Opcode.READ, payload))
        try:
            data = b"".join(self.link.wait(*reads))
        except LinkError:
            self._check_state()
            raise
        if len(data) != count * size:
            raise LinkError(f"board on {self.transport.name!r} sent {len(data)} bytes, not {count * size}: reset it")
        return data

    def _check_state(self) -> None:
        """Say why the last run failed, if it did."""
        state = protocol.STATE["state"].from_int(self.registers()["state"])
        if state["error"]:
            error = EngineError(state["error"])
            raise UserError(f"run failed in layer {state['layer']} ({error.name.lower()}): {error.way_out}")


def _difference(wanted: EngineConfig, found: EngineConfig) -> str:
    if (wanted.stream is None) != (found.stream is None):
        needs = ("no SDRAM", "weights in an SDRAM")
        return f"{needs[wanted.stream is not None]} instead of {needs[found.stream is not None]}"
    ours, theirs = dict(dotted(wanted.as_dict())), dict(dotted(found.as_dict()))
    return ", ".join(
        f"{name} = {ours[name]} instead of {theirs.get(name)}" for name in ours if ours[name] != theirs.get(name)
    )
