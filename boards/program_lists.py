# SPDX-License-Identifier: Apache-2.0
"""Command lists of a program: what a host on a bus lets an engine do."""

from collections.abc import Sequence

import numpy as np

from sysmt.hdl.params.command_list import ListOpcode, beats_of, packed_command
from sysmt.hdl.params.program import Memory
from sysmt.sim.engine.session import LoadableProgram

from .lists import in_beats


class ProgramLists:
    """Lists for one program, which lies in memory from `address` on.

    Parameters
    ----------
    program : LoadableProgram
    address : int
        A multiple of a beat's bytes.

    Members
    -------
    data : uint8 array
        What lies there.
    load : list of bytes
        The commands that fill the memories of the engine.
    output_bytes : int
        Of one output in memory.
    """

    def __init__(self, program: LoadableProgram, address: int):
        self._program, self._config = program, program.config
        width = self._config.data_width
        self.load: list[bytes] = []
        chunks = []
        for memory, words in program.images.items():
            chunk = in_beats(words, width)
            if len(chunk):
                self.load.append(self._write(memory, 0, address, chunk.size))
                chunks.append(chunk.reshape(-1))
                address += chunk.size
        self.data = np.concatenate(chunks)
        word = beats_of(self._config.word_bytes, width) * width // 8
        self.output_bytes = program.output_words * word

    def _write(self, memory: Memory, first: int, address: int, size: int, half: int = 0) -> bytes:
        beats = size * 8 // self._config.data_width
        return packed_command(
            self._config, ListOpcode.WRITE, target=memory, half=half, address=address, beats=beats, first=first
        )

    def run(self, inputs: Sequence[int], input_bytes: int, outputs: Sequence[int]) -> list[bytes]:
        """Commands that run the program on inputs of `pack` at those addresses, and send outputs to those."""
        program = self._program
        places = 2 if program.input_first(0) != program.input_first(1) else 1
        commands = []
        for i, (source, target) in enumerate(zip(inputs, outputs, strict=True)):
            half = i % places
            commands.append(self._write(program.input_memory, program.input_first(half), source, input_bytes, half))
            commands.append(packed_command(self._config, ListOpcode.RUN, half=half))
            beats = self.output_bytes * 8 // self._config.data_width
            commands.append(
                packed_command(
                    self._config, ListOpcode.READ, address=target, beats=beats, first=program.output_first(half)
                )
            )
        return commands

    def pack(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs [B, ...] as they lie in memory: uint8 [B, input_bytes]."""
        words = self._program.pack(inputs)
        return np.stack([in_beats(image, self._config.data_width).reshape(-1) for image in words])

    def unpack(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs of the network from what the lists left in memory: uint8 [B, output_bytes]."""
        words = outputs.reshape(len(outputs), self._program.output_words, -1)[:, :, : self._config.word_bytes]
        return self._program.unpack(words)
