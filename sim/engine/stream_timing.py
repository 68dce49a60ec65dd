# SPDX-License-Identifier: Apache-2.0
"""Cycles of programs that read chunks ahead from an SDRAM: how long layers wait for them."""

from collections.abc import Sequence

from sysmt.sim.cost.weight_stream import WeightStreamModel

from .chunks import chunks_of
from .program import Program

ENABLE = 1
"""Cycles from the start of the first run until chunks are loaded."""


def waiting(
    program: Program, computing: Sequence[int], fetch: int, runs: int = 1, begins: int | None = None
) -> list[list[int]]:
    """Cycles of every layer of `runs` runs that follow each other at once, the first one on an empty weight memory.

    Parameters
    ----------
    program : Program
    computing : sequence of int
        Cycles of every layer without waiting, descriptor included.
    fetch : int
        Those of the descriptor: a layer waits behind them.
    runs : int
    begins : int, optional
        Cycle of the first run since reset, after the initialisation of the SDRAM, which is the default. On gates it is
        whatever the host makes it; it says where the refreshes fall, and shifts single layers by the time of one.
    """
    stream = program.config.weight_stream
    assert stream is not None
    now = stream.sdram.ready_cycles if begins is None else begins
    model = WeightStreamModel(stream, now + ENABLE)
    chunks = chunks_of(program)
    layers = program.descriptors
    found, loaded, freed, ready = [], 0, 0, 0
    for _ in range(runs):
        cycles = []
        for layer, least in zip(layers, computing, strict=True):
            # The fetch is counted from `done`, which is one cycle before the layer ends and its chunk is freed.
            least_start = now + fetch - 1
            starts = least_start
            if layer["waits_chunk"]:
                if loaded == freed:
                    for entry in chunks[loaded % len(chunks)]:
                        ready = model.load(entry["address"], entry["words"], bool(entry["alone"]), bool(entry["more"]))
                    loaded += 1
                starts = max(starts, ready)
            ends = starts - least_start + now + least
            if layer["frees_chunk"]:
                model.freed(ends)
                freed += 1
            cycles.append(ends - now)
            now = ends
        found.append(cycles)
    return found
