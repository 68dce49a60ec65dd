# SPDX-License-Identifier: Apache-2.0
"""Matrix products on the simulated Verilog: the counterpart of the golden model, with the same numbers out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.designs import array_design
from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.golden.conv1d import ConvRows, conv1d_steps, conv1d_tiles
from sysmt.sim.golden.product import check_operands
from sysmt.sim.golden.tiling import Tile, tiles, w_steps, x_steps
from sysmt.sim.golden.zero_point import check_zero, completed

from .payloads import last_place, pack_tile, tap_place
from .simulator import require, run


@dataclass(frozen=True)
class ArrayRun:
    """What came out of the simulated Verilog.

    Members
    -------
    sums : int64 [M, N] per product, [L, pixels] per convolution
    cycles : int
        From the first step taken to the last row delivered.
    counters : dict of name to int
        As `sysmt.hdl.array.ports.CounterLayout`; empty when the array has none.
    refused : bool
        The array refused a tile.
    """

    sums: tuple[np.ndarray, ...]
    cycles: int
    counters: dict[str, int]
    refused: bool


@lru_cache(maxsize=32)
def emitted_array(config: ArrayConfig, name: str = "sysmt") -> Design:
    """The emitted array; one emission per configuration and process."""
    return array_design(config, name)


def products(
    pairs: Sequence[tuple[np.ndarray | ConvRows, np.ndarray | None, int | None]],
    config: ArrayConfig,
    simulator: str = "verilator",
    stalls: tuple[float, float, float] = (0.0, 0.0, 0.0),
    waves: Path | None = None,
    design: Design | None = None,
    then: Mapping[str, int] | None = None,
    zeros: Sequence[int] | None = None,
) -> ArrayRun:
    """Run products, and 1-D convolutions where the array has them, back to back on the simulated array.

    Parameters
    ----------
    pairs : sequence of (x uint8 [M, K], w int8 [K, N], threads or None)
        Products and the threads each runs on; None for all. A 1-D convolution is (ConvRows, None, threads or None).
    stalls : three shares of cycles
        How often the activations, the weights and the sink pause.
    waves : Path, optional
        Where to leave the waveform.
    design : Design, optional
        Another netlist of the same ports, say one with a seeded bug.
    then : mapping, optional
        Fields of one more tile, given after all others and without operands, to see it refused.
    zeros : sequence of int, optional
        The zero point of every product's activations, of PEs that take it off; 0 by default.

    Raises
    ------
    UserError
        No products, operands of another type or shape (as `sysmt.sim.golden.matmul.matmul`), a 1-D convolution on an
        array without `fuse`, shares that are none, or the simulator is unknown or missing.
    SimulationError
        The simulated array, or its testbench, failed.
    """
    require(simulator)
    _check(pairs, config, stalls)
    if zeros is not None and not (isinstance(zeros, list | tuple | np.ndarray) and len(zeros) == len(pairs)):
        raise UserError(f"zeros must be a zero point for each of the {len(pairs)} products, not {repr(zeros)[:60]}")
    orders, xs, ws, taps, places = [], [], [], [], []
    zero_of = [0] * len(pairs) if zeros is None else zeros
    for zero in zero_of:
        check_zero(zero, config.pe)
    for index, (x, w, throttle) in enumerate(pairs):
        threads = config.pe.throttle(throttle)
        planned = (
            _convolution(x, config, threads)
            if isinstance(x, ConvRows)
            else product_tiles(x, _weights(w), config, threads, zero_of[index])
        )
        for tile, order, tile_x, tile_w, tap in planned:
            orders.append(order)
            xs.append(tile_x)
            ws.append(tile_w)
            taps.append(tap)
            places.append((index, tile))
    rows = len(orders) * config.rows
    if then is not None:
        orders.append(pack_tile(config, **then))
    vectors = {
        "config": np.array(json.dumps(config.as_dict())),
        "orders": np.array([str(order) for order in orders]),
        "x": np.concatenate(xs),
        "w": np.concatenate(ws),
        "taps": np.concatenate(taps),
        "tap_place": np.array(tap_place(config)),
        "last_place": np.array(last_place(config)),
        "rows": np.array(rows),
        "stalls": np.array(stalls),
    }
    results = run(design or emitted_array(config), "sysmt.sim.cosim.tb_array", vectors, simulator, waves=waves)
    shapes = [
        (len(x.x), x.pixels) if isinstance(x, ConvRows) else (x.shape[0], _weights(w).shape[1]) for x, w, _ in pairs
    ]
    sums = tuple(np.zeros(shape, np.int64) for shape in shapes)
    for (index, tile), part in zip(places, results["sums"].reshape(len(places), config.rows, -1), strict=True):
        sums[index][tile.m : tile.m + tile.rows, tile.n : tile.n + tile.cols] = part[: tile.rows, : tile.cols]
    sums = tuple(
        found if w is None or not zero else completed(found, w, zero).astype(np.int64)
        for found, (_, w, _), zero in zip(sums, pairs, zero_of, strict=True)
    )
    expected_last = np.tile(np.arange(config.rows) == config.rows - 1, len(places))
    if not np.array_equal(results["last"], expected_last):
        raise AssertionError("`last` was not on the last row of every tile, and only there")
    not_counters = {"sums", "last", "cycles", "refused"}
    counters = {name: int(value) for name, value in results.items() if name not in not_counters}
    return ArrayRun(sums, int(results["cycles"]), counters, bool(results["refused"]))


def check_pairs(pairs: object, members: Sequence[str]) -> None:
    """Refuse what is no list of products, each a tuple of so many members (`UserError`, one line)."""
    if not isinstance(pairs, Sequence) or isinstance(pairs, str | bytes):
        raise UserError(f"pairs must be a list of products, not {type(pairs).__name__}")
    if not pairs:
        raise UserError("pairs must hold at least one product, not none")
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != len(members):
            given = f"{len(pair)} members" if isinstance(pair, tuple | list) else type(pair).__name__
            raise UserError(f"pairs must hold tuples ({', '.join(members)}), not {given}")


def _check(
    pairs: Sequence[tuple[np.ndarray | ConvRows, np.ndarray | None, int | None]],
    config: ArrayConfig,
    stalls: Sequence[float],
) -> None:
    """Refuse what cannot be run."""
    if not isinstance(config, ArrayConfig):
        raise UserError(f"config must be an ArrayConfig, not {config!r}")
    check_pairs(pairs, ("x", "w", "threads"))
    if len(stalls) != STREAMS or not all(0 <= share < 1 for share in stalls):
        raise UserError(f"stalls must be {STREAMS} shares of cycles from 0 to less than 1, not {stalls!r}")
    for x, w, _ in pairs:
        if not isinstance(x, ConvRows):
            check_operands(x, _weights(w), config.pe)
        elif not config.fuse:
            raise UserError("x is a 1-D convolution, which array.fuse = False cannot run: set fuse to True")


STREAMS = 3
"""Of an array: activations, weights, sums."""

Planned = Iterator[tuple[Tile, int, np.ndarray, np.ndarray, np.ndarray]]
"""Per tile: its place, its order, its activations, weights and tap bits."""


def _weights(w: np.ndarray | None) -> np.ndarray:
    if w is None:
        raise UserError("w must be the weights of a matrix product, not None; a 1-D convolution is a ConvRows")
    return w


def product_tiles(x: np.ndarray, w: np.ndarray, config: ArrayConfig, threads: int, zero: int = 0) -> Planned:
    """The tiles of a product with their operands, in the order they run."""
    config.pe.check_k(x.shape[1])
    ordinary = {"fuse": 0, "taps": 0} if config.fuse else {}
    if config.pe.zero_width:
        ordinary |= {"zero": int(zero)}
    for tile in tiles(x.shape[0], w.shape[1], config):
        steps = x_steps(x, tile, config, threads, zero)
        order = pack_tile(config, len(steps), threads, tile.rows, tile.cols, **ordinary)
        yield tile, order, steps, w_steps(w, tile, config, threads), np.zeros(len(steps), bool)


def _convolution(image_rows: ConvRows, config: ArrayConfig, threads: int) -> Planned:
    config.pe.check_k(image_rows.taps)
    for tile in conv1d_tiles(image_rows, config):
        x, w, tap = conv1d_steps(image_rows, tile, config, threads)
        taps = config.pe.steps(image_rows.taps, threads)
        yield tile, pack_tile(config, len(x), threads, tile.rows, tile.cols, fuse=1, taps=taps), x, w, tap
