# SPDX-License-Identifier: Apache-2.0
"""Matrix products on the simulated Verilog of SMT-SA: the counterpart of `sysmt.sim.cost.smt_sa`, with sums."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.designs import smt_sa_design
from sysmt.hdl.emit import Design
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.hdl.pe.smt_sa import Activation, LeavingSum
from sysmt.sim.golden.product import check_operands

from .rtl import check_pairs
from .simulator import require, run

STREAMS = 3
"""Kinds of streams that may pause: activations, weights, sums."""


@dataclass(frozen=True)
class SmtSaSimulation:
    """What came out of the simulated Verilog.

    Members
    -------
    sums : int64 [M, N]
    cycles : int
        From the first operand taken to the last sum delivered.
    """

    sums: np.ndarray
    cycles: int


@lru_cache(maxsize=8)
def emitted(config: SmtSaConfig, name: str = "sysmt") -> Design:
    """The emitted array; one emission per configuration and process."""
    return smt_sa_design(config, name)


def smt_sa_products(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    config: SmtSaConfig,
    simulator: str = "verilator",
    stalls: Sequence[float] = (0.0, 0.0, 0.0),
    waves: Path | None = None,
    design: Design | None = None,
) -> list[SmtSaSimulation]:
    """Run products on the simulated array, each after a reset.

    Parameters
    ----------
    pairs : sequence of (x uint8 [M, K], w int8 [K, N])
    config : SmtSaConfig
    stalls : three shares of cycles
        How often every stream of activations, of weights, and every sink pauses.
    waves : Path, optional
        Where to leave the waveform.
    design : Design, optional
        Another netlist of the same ports, say one with a seeded bug.

    Raises
    ------
    UserError
        No products, operands of another type or shape, shares that are none, or the simulator is unknown or missing.
    SimulationError
        The simulated array, or its testbench, failed.
    """
    require(simulator)
    if not isinstance(config, SmtSaConfig):
        raise UserError(f"config must be an SmtSaConfig, not {config!r}")
    check_pairs(pairs, ("x", "w"))
    if len(stalls) != STREAMS or not all(0 <= share < 1 for share in stalls):
        raise UserError(f"stalls must be {STREAMS} shares of cycles from 0 to less than 1, not {stalls!r}")
    vectors = {
        "config": np.array(json.dumps(config.as_dict())),
        "stalls": np.array(stalls),
        "last_of_x": np.array(Activation()["last"].offset),
        "last_of_sum": np.array(LeavingSum(config)["last"].offset),
    }
    for i, (x, w) in enumerate(pairs):
        check_operands(x, w, config.conventional.pe)
        config.check_k(x.shape[1])
        xs, ws = _by_lane(x, config.rows, config), _by_lane(w.T, config.cols, config)
        # Tiles from left to right, then down: [rows or cols, threads, tiles, steps].
        vectors[f"x{i}"] = np.repeat(xs, len(ws), axis=0).transpose(1, 2, 0, 3)
        vectors[f"w{i}"] = np.concatenate([ws] * len(xs)).transpose(1, 2, 0, 3)
    results = run(design or emitted(config), "sysmt.sim.cosim.tb_smt_sa", vectors, simulator, waves=waves)
    found = []
    for i, (x, w) in enumerate(pairs):
        down, across = -(-len(x) // config.rows), -(-w.shape[1] // config.cols)
        ends = np.tile(np.arange(config.rows) == config.rows - 1, (config.cols, down * across))
        if not np.array_equal(results[f"last{i}"], ends):
            raise AssertionError("`last` was not on the last row of every tile, and only there")
        # [cols, tiles, rows] to [M, N].
        parts = results[f"sums{i}"].reshape(config.cols, down, across, config.rows).transpose(1, 3, 2, 0)
        sums = parts.reshape(down * config.rows, across * config.cols)[: len(x), : w.shape[1]]
        found.append(SmtSaSimulation(sums, int(results[f"cycles{i}"])))
    return found


def _by_lane(operands: np.ndarray, lanes: int, config: SmtSaConfig) -> np.ndarray:
    """Operands [L, K] as tiles, lanes and threads take them: [tiles, lanes, threads, steps]."""
    length, k = operands.shape
    tiles, steps = -(-length // lanes), config.steps(k)
    padded = np.zeros((tiles * lanes, config.threads * steps), operands.dtype)
    padded[:length, :k] = operands
    return padded.reshape(tiles, lanes, config.threads, steps)
