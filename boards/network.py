# SPDX-License-Identifier: Apache-2.0
"""The host's side of an engine on a board: a program is loaded once, inputs go out and outputs come back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params import engine_protocol as protocol
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import EngineError, Memory
from sysmt.hdl.params.protocol import Opcode

from .connection import Connection
from .link import LinkError, PendingRequest


class LoadableProgram(Protocol):
    """What the driver needs of a compiled network (`sysmt.sim.engine.program.Program`)."""

    @property
    def config(self) -> EngineConfig:
        """The engine that it was compiled for."""

    @property
    def images(self) -> Mapping[Memory, np.ndarray]:
        """Words of every memory of the program, from address 0: uint8 [n, bytes of a word]."""

    @property
    def output_words(self) -> int:
        """Words of the network's output."""

    @property
    def layers(self) -> Sequence[object]:
        """Its layers."""

    def input_first(self, half: int) -> int:
        """Address of the first word of an input."""

    def output_first(self, half: int) -> int:
        """Address of the first word of an output."""

    def pack(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs [B, ...] as words uint8 [B, n, bytes of a word]."""

    def unpack(self, words: np.ndarray) -> np.ndarray:
        """Words of outputs as the network's outputs [B, ...]."""


@dataclass(frozen=True)
class NetworkRun:
    """What an engine computed.

    Members
    -------
    outputs : array [B, ...]
        The network's output, in its own type.
    cycles : list of int
        Per input, from start to done.
    layer_cycles : list of int
        Of the layers, of the last input.
    """

    outputs: np.ndarray
    cycles: list[int]
    layer_cycles: list[int]


class EngineBoard(Connection[EngineConfig]):
    """A board with an engine, identified and ready; as `Connection`."""

    MAGIC = protocol.MAGIC
    PROTOCOL = protocol.ENGINE_PROTOCOL
    HEAD = protocol.REGISTERS

    _program: LoadableProgram | None = None

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
        """Fill the memories of the engine with a program.

        Raises
        ------
        UserError
            It was compiled for another engine; nothing is written then.
        """
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

    def run(self, inputs: np.ndarray, progress: Callable[[int, int], None] | None = None) -> NetworkRun:
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
        program = self._program
        if program is None:
            raise UserError("run needs a program on the board: load one first")
        words = program.pack(inputs)
        first = self._next_run()
        outputs: list[np.ndarray] = []
        cycles: list[int] = []
        # With one place, the next input would be written over the one that is being read.
        ahead = program.input_first(0) != program.input_first(1)
        sent = self._send(program, first, words[:1])
        for i in range(len(words)):
            number = (first + i) & 0xFFFF
            self.link.wait(*sent)
            order = self.link.submit(Opcode.RUN, protocol.ARGUMENTS[Opcode.RUN].pack(run=number))
            self.link.wait(order)
            following = words[i + 1 : i + 2]
            if ahead:
                sent = self._send(program, number + 1, following)
            outputs.append(self._receive(program, number))
            cycles.append(self.registers()["cycles"])
            if not ahead:
                sent = self._send(program, number + 1, following)
            if progress is not None:
                progress(i + 1, len(words))
        layers = self._layer_cycles((first + len(words) - 1) & 0xFFFF, len(program.layers)) if len(words) else []
        shape = (len(words), program.output_words, self.config.word_bytes)
        return NetworkRun(program.unpack(np.array(outputs, np.uint8).reshape(shape)), cycles, layers)

    def _next_run(self) -> int:
        runs = protocol.STATE["runs"].from_int(self.registers()["runs"])
        if runs["issued"] != runs["finished"]:
            raise LinkError(f"board on {self.transport.name!r} is still at work for another host: reset it")
        return (runs["issued"] + 1) & 0xFFFF

    def _frames(self, number: int, memory: Memory, first: int, words: np.ndarray) -> Iterator[bytes]:
        """Payloads of the WRITEs of `words`."""
        per_frame = self.config.frame_data // words.shape[1]
        for start in range(0, len(words), per_frame):
            head = protocol.ARGUMENTS[Opcode.WRITE].pack(run=number, target=memory, address=first + start)
            yield head + words[start : start + per_frame].tobytes()

    def _send(self, program: LoadableProgram, number: int, inputs: np.ndarray) -> list[PendingRequest]:
        """Send the words of inputs, none or one, for run `number`."""
        number &= 0xFFFF
        return [
            self.link.submit(Opcode.WRITE, payload)
            for words in inputs
            for payload in self._frames(number, Memory.ACTIVATIONS, program.input_first(number & 1), words)
        ]

    def _receive(self, program: LoadableProgram, number: int) -> np.ndarray:
        size = self.config.word_bytes
        first, target = program.output_first(number & 1), protocol.ReadTarget.ACTIVATIONS
        data = self._read_words(number, target, first, program.output_words, size)
        return np.frombuffer(data, np.uint8).reshape(program.output_words, size)

    def _layer_cycles(self, number: int, layers: int) -> list[int]:
        data = self._read_words(number, protocol.ReadTarget.CYCLES, 0, layers, 4)
        cycles: list[int] = np.frombuffer(data, "<u4").tolist()
        return cycles

    def _read_words(self, number: int, target: protocol.ReadTarget, first: int, count: int, size: int) -> bytes:
        per_frame = self.config.frame_data // size
        record, reads = protocol.ARGUMENTS[Opcode.READ], []
        for start in range(0, count, per_frame):
            words = min(per_frame, count - start)
            payload = record.pack(run=number, target=target, address=first + start, words=words)
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
            reason = EngineError(state["error"]).name.lower()
            raise UserError(f"run failed in layer {state['layer']} ({reason}): the program is damaged; load it again")


def _difference(wanted: EngineConfig, found: EngineConfig) -> str:
    if (wanted.stream is None) != (found.stream is None):
        needs = ("no SDRAM", "weights in an SDRAM")
        return f"{needs[wanted.stream is not None]} instead of {needs[found.stream is not None]}"
    ours, theirs = wanted.as_dict(), found.as_dict()
    return ", ".join(
        f"{name} = {ours[name]} instead of {theirs.get(name)}" for name in ours if ours[name] != theirs.get(name)
    )
