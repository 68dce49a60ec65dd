# SPDX-License-Identifier: Apache-2.0
"""Matrix products on the simulated gates: the counterpart of the golden model, with the same numbers out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from hdl.array import SystolicArray
from hdl.config import ArrayConfig
from hdl.emit import Design, emit
from sim.tiling import tiles, w_steps, x_steps

from .packing import pack_tile
from .simulator import run


@dataclass(frozen=True)
class Run:
    """What came out of the gates.

    Members
    -------
    sums : int64 [M, N] per product
    cycles : int
        From the first step taken to the last row delivered.
    counters : dict of name to int
        As `hdl.ports.Counters`; empty when the array has none.
    refused : bool
        The array refused a tile.
    """

    sums: tuple[np.ndarray, ...]
    cycles: int
    counters: dict[str, int]
    refused: bool


@lru_cache(maxsize=32)
def design_of(config: ArrayConfig, name: str = "sysmt") -> Design:
    """The emitted array; one emission per configuration and process."""
    return emit(SystolicArray(config), name, {"config": config.as_dict()})


def products(
    pairs: Sequence[tuple[np.ndarray, np.ndarray, int | None]],
    config: ArrayConfig,
    simulator: str = "verilator",
    stalls: tuple[float, float, float] = (0.0, 0.0, 0.0),
    waves: Path | None = None,
    design: Design | None = None,
    then: Mapping[str, int] | None = None,
) -> Run:
    """Run products back to back on the simulated array.

    Parameters
    ----------
    pairs : sequence of (x uint8 [M, K], w int8 [K, N], threads or None)
        Products and the threads each runs on; None for all.
    stalls : three shares of cycles
        How often the activations, the weights and the sink pause.
    waves : Path, optional
        Where to leave the waveform.
    design : Design, optional
        Another netlist of the same ports, say one with a seeded bug.
    then : mapping, optional
        Fields of one more tile, given after all others and without operands, to see it refused.
    """
    orders, xs, ws, places = [], [], [], []
    for index, (x, w, throttle) in enumerate(pairs):
        threads = config.pe.throttle(throttle)
        config.pe.check_k(x.shape[1])
        for tile in tiles(x.shape[0], w.shape[1], config):
            xs.append(x_steps(x, tile, config, threads))
            ws.append(w_steps(w, tile, config, threads))
            orders.append(pack_tile(config, len(xs[-1]), threads, tile.rows, tile.cols))
            places.append((index, tile))
    rows = len(orders) * config.rows
    if then is not None:
        orders.append(pack_tile(config, **then))
    vectors = {
        "config": np.array(json.dumps(config.as_dict())),
        "orders": np.array([str(order) for order in orders]),
        "x": np.concatenate(xs),
        "w": np.concatenate(ws),
        "rows": np.array(rows),
        "stalls": np.array(stalls),
    }
    results = run(design or design_of(config), "tb.tb_array", vectors, simulator, waves=waves)
    sums = tuple(np.zeros((x.shape[0], w.shape[1]), np.int64) for x, w, _ in pairs)
    for (index, tile), rows in zip(places, results["sums"].reshape(len(places), config.rows, -1), strict=True):
        sums[index][tile.m : tile.m + tile.rows, tile.n : tile.n + tile.cols] = rows[: tile.rows, : tile.cols]
    expected_last = np.tile(np.arange(config.rows) == config.rows - 1, len(places))
    if not np.array_equal(results["last"], expected_last):
        raise AssertionError("`last` was not on the last row of every tile, and only there")
    not_counters = {"sums", "last", "cycles", "begun", "refused"}
    counters = {name: int(value) for name, value in results.items() if name not in not_counters}
    return Run(sums, int(results["cycles"]), counters, bool(results["refused"]))
