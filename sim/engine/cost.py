# SPDX-License-Identifier: Apache-2.0
"""What a program costs before it runs: cycles, time, and bytes of every memory."""

from collections.abc import Sequence
from typing import Any

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory

from .execute import layer_rows
from .program import Program
from .streaming import sdram_bytes


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
