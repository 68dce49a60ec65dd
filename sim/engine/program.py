# SPDX-License-Identifier: Apache-2.0
"""A program of the engine: the words of its memories, and what the host has to know and to compute around them."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR, Memory
from sysmt.sim.nn.graph import Tensor
from sysmt.sim.nn.model import check_input

from .host import Operators, Scores
from .transfer import HostTensor, Place


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgramLayer:
    """What is known of a layer besides its descriptor.

    Parameters
    ----------
    name : str
        Of the tensor that it computes.
    kind : str
        The operator.
    tensor : int
        The tensor's number in the network.
    place : Place
        Where the tensor lies when the layer has run.
    macs : int
        Multiply-accumulates of the layer itself, padding left out of account.
    """

    name: str
    kind: str
    tensor: int
    place: Place
    macs: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Ends:
    """The network's own input and output tensor, which the host's operators may stand between and the engine's."""

    input: Tensor
    output: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A compiled network.

    Parameters
    ----------
    config : EngineConfig
        The engine it is for.
    images : dict of Memory to uint8 [words, bytes of a word]
        What the host writes before the first run, from address 0 on: everything but activations. A word is stored with
        its lowest byte first.
    activation_words : int
        Words of activation memory that are used.
    ends : Ends
    layers : tuple of ProgramLayer
        One per descriptor.
    input, output : HostTensor
        What the host writes before every run and reads after it.
    before : Operators or None
    after : Operators, Scores or None
        What the host computes in front of the engine's input and behind its output.
    clock_hz : float or None
        Clock of the engine that it was compiled for, where that is known.
    exact : Program or None
        The same layers with the network's own weights and biases, where the plan has others.
    """

    config: EngineConfig
    images: dict[Memory, np.ndarray]
    activation_words: int
    ends: Ends
    layers: tuple[ProgramLayer, ...]
    input: HostTensor
    output: HostTensor
    before: Operators | None = None
    after: Operators | Scores | None = None
    clock_hz: float | None = None
    exact: "Program | None" = None

    @property
    def descriptors(self) -> list[dict[str, int]]:
        """The fields of every layer's descriptor."""
        words = self.images[Memory.DESCRIPTORS].reshape(len(self.layers), -1)
        return [DESCRIPTOR.unpack(layer.tobytes()) for layer in words]

    @property
    def input_memory(self) -> Memory:
        """Where the host writes the input: the activation memory, or the SDRAM that it comes from in bands."""
        return Memory.ACTIVATIONS if self.input.sdram is None else Memory.SDRAM

    def input_first(self, half: int = 0) -> int:
        """Address of the first word of the input, for a run on this half."""
        if self.input.sdram is not None:
            return self.input.sdram
        return self.input.place.base + half * self.input.place.half

    def output_first(self, half: int = 0) -> int:
        """Address of the first word of the output, of a run on this half."""
        return self.output.place.base + half * self.output.place.half

    @property
    def output_words(self) -> int:
        """Words of the output."""
        return self.output.place.size

    def pack(self, inputs: np.ndarray) -> np.ndarray:
        """The network's inputs [B, ...] as words of `input_memory` from `input_first` on: uint8 [B, words, bytes]."""
        words = self.activations(inputs)
        stream = self.config.weight_stream
        if self.input.sdram is None or stream is None:
            return words
        each = self.config.host_bytes[Memory.SDRAM.name.lower()]
        filled = stream.words_per_word(Memory.ACTIVATIONS) * each - words.shape[2]
        return np.pad(words, ((0, 0), (0, 0), (0, filled))).reshape(len(words), -1, each)

    def activations(self, inputs: np.ndarray) -> np.ndarray:
        """The network's inputs [B, ...] as words of the activation memory: uint8 [B, words, bytes of a word]."""
        check_input(self.ends.input, inputs)
        if self.before is not None:
            inputs = self.before(inputs)
        return self.input.pack(inputs, self.config.word_bytes)

    def unpack(self, words: np.ndarray) -> np.ndarray:
        """The network's outputs [B, ...] from the words at `output_first`: uint8 [B, words, bytes of a word]."""
        outputs = self.output.unpack(words)
        return outputs if self.after is None else self.after(outputs)
