# SPDX-License-Identifier: Apache-2.0
"""What a program costs before it runs: cycles, time, and bytes of every memory."""

from collections.abc import Sequence
from math import prod
from typing import Any

from sysmt.hdl.params.engine import FRAME_OVERHEAD, EngineConfig
from sysmt.hdl.params.program import Memory, Operation

from .host import Operators
from .legal import patch_size
from .program import Program, ProgramLayer
from .streaming import sdram_bytes, tiles_of, weights_of

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
        `cycles` and `milliseconds` (None without a clock) of one input; `layers` as `layer_rows`, and of those on the
        engine `padding` (None of a layer without weights), the share of the multiplications in its steps that are no
        MAC of the layer, `weight_bytes` and `output_bytes` in the engine's memories, and with an SDRAM `sdram_bytes`
        that a layer reads from it; `memories`: name, bytes, and `of` how many.
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
    columns: dict[str, list[Any]] = {
        "padding": [_padding(*layer, config) for layer in zip(program.layers, program.descriptors, strict=True)],
        "weight_bytes": [prod(weights_of(fields, config)) * config.weight_bytes for fields in program.descriptors],
        "output_bytes": [layer.place.size * config.word_bytes for layer in program.layers],
    }
    if config.stream is not None:
        columns["sdram_bytes"] = sdram_bytes(program)
    for name, values in columns.items():
        left = iter(values)
        for row in rows:
            row[name] = next(left) if row["where"] == "engine" else None
    return {
        "cycles": sum(cycles),
        "milliseconds": None if program.clock_hz is None else 1e3 * sum(cycles) / program.clock_hz,
        "layers": rows,
        "memories": memories,
    }


def _padding(layer: ProgramLayer, fields: dict[str, int], config: EngineConfig) -> float | None:
    """Share of the multiplications in a layer's steps that are no MAC of it.

    They are those of rows, columns and operands beyond its sizes, and of the zeros between the blocks of a depthwise
    layer's weights.
    """
    if fields["operation"] != Operation.MATMUL or not layer.macs:
        return None
    array, pe = config.array, config.array.pe
    operands = fields["steps"] * pe.throttles[fields["threads"]] * pe.pairs_per_thread
    steps = operands * patch_size(fields) * fields["m_tiles"] * tiles_of(fields)
    return 1 - layer.macs / (steps * array.rows * array.cols)


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
