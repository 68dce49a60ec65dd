# SPDX-License-Identifier: Apache-2.0
"""Cycles of a program on the engine, layer by layer: what the gates take, to the cycle."""

import json
from collections.abc import Callable, MutableMapping

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR_WORDS, Memory, Operation
from sysmt.hdl.params.scatter import scatter_word

from .activity import Activity, Record
from .layer_timing import layer_cycles
from .program import Program
from .stream_timing import waiting

FETCH = DESCRIPTOR_WORDS + 5
"""Cycles from the end of one layer to the start of the next: its descriptor is read, placed and checked."""
PLACES = (
    "in_origin",
    "in_half",
    "w_base",
    "scatter_base",
    "parameter_base",
    "out_base",
    "out_half",
    "residual_base",
    "waits_chunk",
    "frees_chunk",
    "last",
)
"""Fields of a descriptor that say where things lie: they change no cycle of a layer that has its weights."""


def program_cycles(
    program: Program,
    progress: Callable[[int, int], None] | None = None,
    records: list[Record] | None = None,
    known: MutableMapping[str, int] | None = None,
) -> list[int]:
    """Cycles of every layer, from start to done of a run: their sum is the run's.

    With weights from an SDRAM they are those of a run that begins when another one ends, and the time that layers wait
    for their weights is in them. Where the input lies there too, it is written in between: nothing has been read ahead.

    Parameters
    ----------
    program : Program
    progress : callable, optional
        Told how many layers of how many are done.
    records : list of Record, optional
        Gets one per layer: what every unit does in every cycle.
    known : mapping, optional
        Cycles of layers that were counted before on engines that differ in the sizes of their memories only; gets those
        that it lacks. Layers that are found there have no records.
    """
    computing = computing_cycles(program, progress, records, known)
    if program.config.stream is None:
        return computing
    cycles = waiting(program, computing, FETCH, runs=2 if program.input.sdram is None else 1)[-1]
    if records is not None:
        for record, least, taken in zip(records[-len(cycles) :], computing, cycles, strict=True):
            record.insert(FETCH, Activity.WAITS_WEIGHTS, taken - least)
    return cycles


def computing_cycles(
    program: Program,
    progress: Callable[[int, int], None] | None = None,
    records: list[Record] | None = None,
    known: MutableMapping[str, int] | None = None,
) -> list[int]:
    """The same, had every layer its weights in time; no record waits for weights."""
    cycles = []
    if known is None and records is None:
        known = {}  # Bands and parts of a layer are mostly alike.
    for index, layer in enumerate(program.descriptors):
        table = scatter_moves(program.images[Memory.SCATTER], layer, program.config)
        record = None
        if records is not None:
            record = Record()
            record.spend(Activity.FETCHES, FETCH)
            records.append(record)
        key = "" if known is None else _shape(layer, table)
        taken = None if known is None else known.get(key)
        if taken is None:
            taken = layer_cycles(program.config, layer, table, outside(layer, program.config), record)
        if known is not None:
            known[key] = taken
        cycles.append(FETCH + taken)
        if progress is not None:
            progress(index + 1, len(program.layers))
    return cycles


def _shape(layer: dict[str, int], table: list[tuple[bool, bool]]) -> str:
    """All that the cycles of a layer depend on, the engine apart."""
    return json.dumps([{name: value for name, value in layer.items() if name not in PLACES}, table])


def scatter_moves(memory: np.ndarray, layer: dict[str, int], config: EngineConfig) -> list[tuple[bool, bool]]:
    """`advance` and `last` of every word of a layer's scatter table; none of a layer without one."""
    record = scatter_word(config)
    base = layer["scatter_base"]
    words = [record.unpack(word.tobytes()) for word in memory[base : base + layer["scatter_words"]]]
    return [(bool(word["advance"]), bool(word["last"])) for word in words]


def outside(layer: dict[str, int], config: EngineConfig) -> np.ndarray:
    """Which taps of which output pixels lie outside the image: bool [pixels, taps]."""
    pixels = layer["m_tiles"]
    if layer["operation"] == Operation.MATMUL:
        pixels = (layer["m_tiles"] - 1) * config.array.rows + layer["last_rows"]
    y, x = np.divmod(np.arange(pixels), layer["out_width"])
    down, across = np.divmod(np.arange(layer["kernel_h"] * layer["kernel_w"]), layer["kernel_w"])
    rows = (y * layer["stride_h"] - layer["pad_top"])[:, None] + down * layer["dilation_h"]
    cols = (x * layer["stride_w"] - layer["pad_left"])[:, None] + across * layer["dilation_w"]
    found: np.ndarray = (rows < 0) | (rows >= layer["in_height"]) | (cols < 0) | (cols >= layer["in_width"])
    return found
