# SPDX-License-Identifier: Apache-2.0
"""A program on simulated gates, layer by layer beside the golden engine."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.program import DESCRIPTOR, DESCRIPTOR_WORDS, EngineError, Memory
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.program import Program

from .network import SimulatedEngine


@dataclass(frozen=True)
class LayerCheck:
    """One layer of a program.

    Members
    -------
    name, kind : str
    cycles : int
        Simulated.
    modelled : int
        By the cycle model.
    equal : bool
        The tensor in the simulated memory is the golden engine's.
    """

    name: str
    kind: str
    cycles: int
    modelled: int
    equal: bool

    @property
    def agrees(self) -> bool:
        """Values and cycles are as the models say."""
        return self.equal and self.cycles == self.modelled


def until(program: Program, layer: int) -> np.ndarray:
    """Words of the descriptors of a program that ends behind a layer."""
    descriptors = program.descriptors[: layer + 1]
    descriptors[-1] = descriptors[-1] | {"last": 1}
    packed = b"".join(DESCRIPTOR.pack(**fields).ljust(4 * DESCRIPTOR_WORDS, b"\0") for fields in descriptors)
    return np.frombuffer(packed, np.uint8).reshape(-1, 4)


def check_layers(gates: SimulatedEngine, program: Program, inputs: np.ndarray) -> tuple[LayerCheck, ...]:
    """Run a program up to every layer in turn on one input [1, ...], and look at what the layer wrote.

    Afterwards the whole program is in the gates again.
    """
    expected: list[np.ndarray] = []
    layers = program.layers
    GoldenEngine(program).run(inputs, lambda i, memory: expected.append(layers[i].place.words_of(memory).copy()))
    modelled = program_cycles(program)
    gates.load(program)
    checks = []
    for i, layer in enumerate(layers):
        gates.write(Memory.DESCRIPTORS, until(program, i))
        gates.write(program.input_memory, program.pack(inputs)[0], program.input_first())
        run = gates.start()
        found = gates.read(layer.place.base, layer.place.size)[None]
        equal = np.array_equal(layer.place.values(found), layer.place.values(expected[i]))
        checks.append(
            LayerCheck(
                name=layer.name,
                kind=layer.kind,
                cycles=gates.layer_cycles(i + 1)[i],
                modelled=modelled[i],
                equal=equal and run.error == EngineError.NONE,
            )
        )
        gates.clear()
    gates.load(program)
    return tuple(checks)
