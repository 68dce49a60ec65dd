# SPDX-License-Identifier: Apache-2.0
"""A compiled network on a mapped engine: 64 inputs in lockstep, checked against the golden engine and the cycles."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.program import Memory
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.program import Program

from .simulate import LANES, CellSimulation

_ALL = 2**64 - 1
_LOW, _HIGH = np.zeros(1, np.uint64), np.full(1, _ALL, np.uint64)
_IDLE = {"i_write__valid": _LOW, "i_read__valid": _LOW, "i_run__valid": _LOW, "o_read__ready": _HIGH, "rst": _LOW}


@dataclass(frozen=True)
class EngineCount:
    """What was counted: `cycles` of every stream, from start to done, and multiply-accumulates of one input."""

    cycles: int
    macs: int


def run(simulation: CellSimulation, ports: list[dict[str, Any]], program: Program, inputs: np.ndarray) -> EngineCount:
    """Load a program, write an input into every stream, and count toggles of one run.

    Parameters
    ----------
    simulation : CellSimulation
        Of the bare engine, in its first state.
    ports : list of dict
        Of the manifest.
    program : Program
        For an engine without an SDRAM.
    inputs : array [64, ...]

    Raises
    ------
    AssertionError
        A byte of an output or the cycles differ from the golden engine's: the netlist is not what was emitted.
    """
    if program.config.stream is not None:
        raise UserError("stream cannot be simulated in cells: choose an engine without an SDRAM")
    if len(inputs) != LANES:
        raise UserError(f"inputs must be {LANES}, one for every stream, not {len(inputs)}")
    host = _Host(simulation, next(port for port in ports if port["name"] == "i_write__payload"))
    simulation.cycle(_IDLE | {"rst": _HIGH, "clear": _LOW, "layer": host.zeros("layer")})
    simulation.cycle(_IDLE)
    for memory, words in program.images.items():
        host.write(memory, 0, np.broadcast_to(words, (LANES, *words.shape)))
    host.write(Memory.ACTIVATIONS, program.input_first(), program.pack(inputs))
    expected = sum(program_cycles(program))
    cycles = host.run(2 * expected + 100)
    if cycles != expected:
        raise AssertionError(f"the mapped engine took {cycles} cycles, not {expected}")
    found = host.read(program.output_first(), program.output_words, program.config.word_bytes)
    if not np.array_equal(program.unpack(found), GoldenEngine(program).run(inputs)):
        raise AssertionError("outputs of the mapped engine and of the golden engine differ")
    return EngineCount(cycles, sum(layer.macs for layer in program.layers))


class _Host:
    """What writes and reads the memories of a simulated engine, and starts it."""

    def __init__(self, simulation: CellSimulation, word: dict[str, Any]):
        self._simulation, self._layout, self._width = simulation, word["layout"], word["width"]

    def zeros(self, port: str) -> np.ndarray:
        """Words of a port that is 0."""
        return np.zeros_like(self._simulation.port(port))

    def write(self, memory: Memory, first: int, words: np.ndarray) -> None:
        """Write words uint8 [streams, n, bytes of a word] from an address on."""
        for i, word in enumerate(np.moveaxis(words, 1, 0)):
            payload = np.zeros(self._width, np.uint64)
            self._put(payload, "memory", _same(int(memory), 8))
            self._put(payload, "address", _same(first + i, 32))
            self._put(payload, "word", _lanes(word))
            offered = {"i_write__valid": _HIGH, "i_write__payload": payload}
            self._simulation.cycle(offered)
            while not self._level("i_write__ready"):
                self._simulation.cycle({})
        self._simulation.cycle({"i_write__valid": _LOW})

    def run(self, limit: int) -> int:
        """Run on half 0 while toggles are counted; returns the cycles from start to done."""
        simulation = self._simulation
        simulation.cycle({"i_run__valid": _HIGH, "i_run__payload": _LOW})
        while not self._level("i_run__ready"):
            simulation.cycle({})
        simulation.counting = True
        simulation.cycle({"i_run__valid": _LOW})
        cycles = 1
        while not self._level("finished"):
            simulation.cycle({})
            cycles += 1
            if cycles > limit:
                raise AssertionError(f"the mapped engine has not ended after {cycles} cycles")
        simulation.counting = False
        if np.any(simulation.port("error")):
            raise AssertionError("the mapped engine reports an error")
        return cycles

    def read(self, first: int, count: int, word_bytes: int) -> np.ndarray:
        """Words of the activation memory: uint8 [streams, count, bytes of a word]."""
        simulation, found = self._simulation, np.zeros((LANES, count, word_bytes), np.uint8)
        width = len(simulation.port("i_read__payload"))
        asked = taken = idle = 0
        while taken < count:
            offered = {"i_read__payload": _same(min(first + asked, first + count - 1), width)}
            simulation.cycle({**offered, "i_read__valid": _HIGH if asked < count else _LOW})
            asked += asked < count and self._level("i_read__ready")
            idle = 0 if self._level("o_read__valid") else idle + 1
            if not idle:
                found[:, taken] = _bytes(simulation.port("o_read__payload"))
                taken += 1
            elif idle > 1000:
                raise AssertionError(f"the mapped engine gave {taken} of {count} words")
        return found

    def _put(self, payload: np.ndarray, name: str, bits: np.ndarray) -> None:
        """Set a field; bits beyond its width are 0."""
        place = self._layout[name]
        width = min(len(bits), place["width"])
        payload[place["offset"] : place["offset"] + width] = bits[:width]

    def _level(self, port: str) -> bool:
        """Of a port of one bit, on which all streams must agree."""
        word = int(self._simulation.port(port)[0])
        if word not in (0, _ALL):
            raise AssertionError(f"{port} differs between streams that run in lockstep")
        return bool(word)


def _same(value: int, width: int) -> np.ndarray:
    """A number in all streams, as words of its bits."""
    return np.array([_ALL if value >> i & 1 else 0 for i in range(width)], np.uint64)


def _lanes(values: np.ndarray) -> np.ndarray:
    """Bytes [streams, n] as words [8 n]."""
    bits = np.unpackbits(values, axis=1, bitorder="little")
    return np.ascontiguousarray(np.packbits(bits.T, axis=1, bitorder="little")).view(np.uint64)[:, 0]


def _bytes(words: np.ndarray) -> np.ndarray:
    """The inverse."""
    bits = np.unpackbits(np.ascontiguousarray(words)[:, None].view(np.uint8), axis=1, bitorder="little")
    return np.packbits(bits.T, axis=1, bitorder="little")
