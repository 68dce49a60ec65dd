# SPDX-License-Identifier: Apache-2.0
"""What a program costs before it runs: cycles, time, and bytes of every memory."""

from collections.abc import Sequence
from typing import Any

from sysmt.hdl.params.engine import FRAME_OVERHEAD, EngineConfig
from sysmt.hdl.params.program import Memory

from .host import Operators
from .program import Program
from .streaming import sdram_bytes

UART_BITS = 10
"""Of a byte: start, eight, stop."""


def program_cost(program: Program, cycles: Sequence[int]) -> dict[str, Any]:
    """What a program costs.

    Parameters
    ----------
    program : Program
    cycles : sequence of int
        Of its layers: `program_cycles`.

    Returns
    -------
    dict
        `cycles` and `milliseconds` (None without a clock) of one input; `layers` as `layer_rows`, and with an SDRAM
        `sdram_bytes` that a layer reads from it; `memories`: name, bytes, and `of` how many.
    """
    config = program.config
    memories = [
        {
            "memory": memory.name.lower(),
            "bytes": words.size,
            "of": _bytes(memory, words.shape[1], config),
        }
        for memory, words in program.images.items()
    ]
    memories.append(
        {
            "memory": Memory.ACTIVATIONS.name.lower(),
            "bytes": program.activation_words * config.word_bytes,
            "of": config.activation_words * config.word_bytes,
        }
    )
    rows = layer_rows(program, cycles)
    if config.stream is not None:
        read = iter(sdram_bytes(program))
        for row in rows:
            row["sdram_bytes"] = next(read) if row["where"] == "engine" else None
    return {
        "cycles": sum(cycles),
        "milliseconds": None if program.clock_hz is None else 1e3 * sum(cycles) / program.clock_hz,
        "layers": rows,
        "memories": memories,
    }


def _bytes(memory: Memory, word_bytes: int, config: EngineConfig) -> int:
    """Bytes that there are of a memory whose words have so many."""
    if memory == Memory.SDRAM:
        assert config.stream is not None
        return config.stream.chip.size
    return config.memories[memory.name.lower()][1] * word_bytes


def link_cycles(program: Program) -> int:
    """Cycles that the frames of one input and its output take on the UART of a board, one way after the other.

    With two places for inputs, most of the input's travel while the engine computes.
    """
    config = program.config
    total = 0
    sizes = [(program.output_words, config.word_bytes)]
    if program.input.sdram is None:
        sizes.append((program.input.place.size, config.word_bytes))
    elif config.weight_stream is not None:
        number = config.weight_stream.words_per_word(Memory.ACTIVATIONS)
        sizes.append((program.input.place.size * number, config.host_bytes[Memory.SDRAM.name.lower()]))
    for words, size in sizes:
        frames = -(-words // (config.frame_data // size))
        # A request and its answer.
        total += words * size + 2 * frames * FRAME_OVERHEAD
    return (total + 2 * FRAME_OVERHEAD) * UART_BITS * config.divisor


def layer_rows(program: Program, cycles: Sequence[int]) -> list[dict[str, Any]]:
    """Every layer, and every operator of the host: name, kind, where it runs, cycles, utilisation of the array."""
    array = program.config.array
    slots = array.rows * array.cols * array.pe.products
    rows: list[dict[str, Any]] = _host_rows(program.before)
    for layer, taken in zip(program.layers, cycles, strict=True):
        used = layer.macs / (slots * taken) if layer.macs else None
        rows.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "where": "engine",
                "macs": layer.macs,
                "cycles": int(taken),
                "utilisation": used,
            }
        )
    return rows + _host_rows(program.after)


def _host_rows(part: Any) -> list[dict[str, Any]]:
    if part is None:
        return []
    if isinstance(part, Operators):
        found = [(part.graph.tensors[node.output].name, node.kind) for node in part.graph.nodes]
    else:
        found = [(part.name, "FULLY_CONNECTED")]
    return [
        {"name": name, "kind": kind, "where": "host", "macs": 0, "cycles": None, "utilisation": None}
        for name, kind in found
    ]
