# SPDX-License-Identifier: Apache-2.0
"""Inputs one after the other on an engine outside this process: a board, or its simulated gates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory

from .execute import FinishedRun


class LoadableProgram(Protocol):
    """What an engine needs of a compiled network (`sysmt.sim.engine.program.Program`)."""

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

    @property
    def input_memory(self) -> Memory:
        """The memory that inputs are written into."""

    def input_first(self, half: int) -> int:
        """Address of the first word of an input."""

    def output_first(self, half: int) -> int:
        """Address of the first word of an output."""

    def pack(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs [B, ...] as words of `input_memory`: uint8 [B, n, bytes of a word]."""

    def unpack(self, words: np.ndarray) -> np.ndarray:
        """Words of outputs as the network's outputs [B, ...]."""


class Engine(Protocol):
    """An engine that holds a program; runs are numbered, and use both halves of inputs and outputs in turn."""

    def send(self, number: int, memory: Memory, first: int, words: np.ndarray) -> None:
        """Write the input of run `number`, from word `first` of `memory` on: it is there before that run starts."""

    def start(self, number: int) -> None:
        """Start a run; what is sent meanwhile goes to the next one."""

    def receive(self, number: int, first: int, count: int) -> tuple[np.ndarray, int]:
        """Wait for the end of a run: `count` words of its output, uint8 [count, bytes of a word], and its cycles.

        Raises
        ------
        UserError
            The run failed: why, and in which layer.
        """

    def cycles_of_layers(self, number: int, count: int) -> list[int]:
        """Cycles of the first `count` layers of run `number`, the last one."""


def run_inputs(
    program: LoadableProgram,
    engine: Engine,
    inputs: np.ndarray,
    first: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> FinishedRun:
    """Run a program on every input; the next one travels while one is computed, where inputs have two places.

    Parameters
    ----------
    program : LoadableProgram
    engine : Engine
        Which holds it.
    inputs : array [B, ...]
        In the type and shape of the network's input.
    first : int
        Number of the first run.
    progress : callable, optional
        Told how many of how many are done.
    """
    words = program.pack(inputs)
    outputs = np.zeros((len(words), program.output_words, program.config.word_bytes), np.uint8)
    cycles: list[int] = []
    # With one place, the next input would be written over the one that is being read.
    ahead = program.input_first(0) != program.input_first(1)

    def send(i: int) -> None:
        if i < len(words):
            engine.send(first + i, program.input_memory, program.input_first((first + i) & 1), words[i])

    send(0)
    for i in range(len(words)):
        number = first + i
        engine.start(number)
        if ahead:
            send(i + 1)
        outputs[i], taken = engine.receive(number, program.output_first(number & 1), program.output_words)
        cycles.append(taken)
        if not ahead:
            send(i + 1)
        if progress is not None:
            progress(i + 1, len(words))
    layers = engine.cycles_of_layers(first + len(words) - 1, len(program.layers)) if cycles else []
    return FinishedRun(program.unpack(outputs), cycles, layers)
