# SPDX-License-Identifier: Apache-2.0
"""Matrix products on a simulated array: 64 streams of tiles in lockstep, each checked against the golden model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.tiling import Tile, tiles, w_steps, x_steps

from .simulate import LANES, CellSimulation

LEAD_STEPS = 32
"""Most steps of the tile that runs before counting begins: the array is then full, and its drain under way."""


@dataclass(frozen=True, eq=False)
class Job:
    """A product of a layer: x uint8 [M, K], w int8 [K, N]."""

    name: str
    x: np.ndarray
    w: np.ndarray


@dataclass(frozen=True)
class Count:
    """What was counted: `cycles` of each stream, and the multiply-accumulates `macs` of all streams in them."""

    cycles: int
    macs: int


def run(
    simulation: CellSimulation, ports: list[dict[str, Any]], config: ArrayConfig, job: Job, counted: int = 1
) -> Count:
    """Run tiles of a product back to back and count toggles over whole tiles in the steady state.

    Parameters
    ----------
    simulation : CellSimulation
        Of the array; it goes on from the state it is in.
    ports : list of dict
        Of the manifest.
    config : ArrayConfig
    job : Job
        Its full tiles are dealt to the streams, again from the front when they run out. Weights are pruned where PEs
        count on zeros (`stc`).
    counted : int
        Tiles per stream that are counted, from the first step of the first to the last step of the last. A short tile,
        the beginning of K, runs before them.

    Raises
    ------
    AssertionError
        A sum differs from the golden model's: the netlist is not what was emitted.
    """
    if config.fuse:
        raise UserError("fuse = True cannot be simulated in cells: choose fuse=false")
    k = job.x.shape[1]
    config.pe.check_k(k)
    job = Job(job.name, job.x, golden_of(config.pe).with_zeros(job.w, config.pe))
    full = [t for t in tiles(len(job.x), job.w.shape[1], config) if (t.rows, t.cols) == (config.rows, config.cols)]
    if not full:
        raise UserError(f"layer {job.name} fills no tile of a {config.rows}x{config.cols} array: choose a smaller one")
    lead = Job(job.name, *_beginning(job, min(k, max(LEAD_STEPS, 2 * config.rows) * config.pe.threads)))
    dealt = [[full[(lane * (counted + 1) + turn) % len(full)] for turn in range(counted + 1)] for lane in range(LANES)]
    parts = [lead] + [job] * counted
    x = [_words(np.array([_x(part, lane[i], config) for lane in dealt])) for i, part in enumerate(parts)]
    w = [_words(np.array([_w(part, lane[i], config) for lane in dealt])) for i, part in enumerate(parts)]
    orders = [_order(ports, len(steps), config) for steps in x]
    rows, cycles = _drive(simulation, orders, np.concatenate(x), np.concatenate(w), len(x[0]), config)
    sums = _sums(np.array(rows), config)
    for turn, part in enumerate(parts):
        expected = matmul(part.x, part.w, config.pe).sums
        for lane, own_tiles in enumerate(dealt):
            m, n = own_tiles[turn].m, own_tiles[turn].n
            got = sums[lane, turn * config.rows : (turn + 1) * config.rows]
            if not np.array_equal(got, expected[m : m + config.rows, n : n + config.cols]):
                raise AssertionError(f"{job.name}: netlist and golden model differ in stream {lane}, tile {turn}")
    return Count(cycles, LANES * counted * config.rows * config.cols * k)


def _beginning(job: Job, k: int) -> tuple[np.ndarray, np.ndarray]:
    return job.x[:, :k], job.w[:k]


def _x(job: Job, tile: Tile, config: ArrayConfig) -> np.ndarray:
    return x_steps(job.x, tile, config, config.pe.threads)


def _w(job: Job, tile: Tile, config: ArrayConfig) -> np.ndarray:
    return w_steps(job.w, tile, config, config.pe.threads).view(np.uint8)


def _drive(
    simulation: CellSimulation, orders: list[np.ndarray], x: np.ndarray, w: np.ndarray, lead: int, config: ArrayConfig
) -> tuple[list[np.ndarray], int]:
    """Keep all streams valid and the sink ready. Returns the rows that came out, and the cycles counted."""
    zeros = {name: np.zeros_like(simulation.port(name)) for name in ("i_tile__payload", "i_x__payload", "i_w__payload")}
    low, high = np.zeros(1, np.uint64), np.full(1, 2**64 - 1, np.uint64)
    idle = {"i_tile__valid": low, "i_x__valid": low, "i_w__valid": low, "o__ready": low} | zeros
    for _ in range(2):
        simulation.cycle({"rst": high} | idle)
    ordered, sent, cycle, begin, end = 0, 0, 0, 0, 0
    rows: list[np.ndarray] = []
    limit = 2 * len(x) + len(orders) * 2 * config.rows + 4 * config.latency + 100
    while len(rows) < len(orders) * config.rows:
        orders_left, operands_left = ordered < len(orders), sent < len(x)
        # The cycle in which the first counted step is offered is the first that counts.
        if sent == lead and not simulation.counting and operands_left:
            simulation.counting, begin = True, cycle
        if not operands_left and simulation.counting:
            simulation.counting, end = False, cycle
        simulation.cycle(
            {
                "rst": low,
                "i_tile__valid": high if orders_left else low,
                "i_tile__payload": orders[min(ordered, len(orders) - 1)],
                "i_x__valid": high if operands_left else low,
                "i_w__valid": high if operands_left else low,
                "i_x__payload": x[min(sent, len(x) - 1)],
                "i_w__payload": w[min(sent, len(w) - 1)],
                "o__ready": high,
            }
        )
        if _all(simulation, "o__valid"):
            rows.append(simulation.port("o__payload").copy())
        ordered += orders_left and _all(simulation, "i_tile__ready")
        sent += operands_left and _all(simulation, "i_x__ready")
        cycle += 1
        if cycle > limit:
            raise AssertionError(f"the mapped netlist gave {len(rows)} rows in {cycle} cycles")
    return rows, end - begin


def _all(simulation: CellSimulation, port: str) -> bool:
    """A handshake, which all streams must agree on."""
    word = int(simulation.port(port)[0])
    if word not in (0, 2**64 - 1):
        raise AssertionError(f"{port} differs between streams that run in lockstep")
    return bool(word)


def _words(steps: np.ndarray) -> np.ndarray:
    """Bytes [streams, steps, lanes, threads] as words [steps, bits]."""
    bits = np.unpackbits(steps.reshape(*steps.shape[:2], -1), axis=2, bitorder="little")
    packed = np.packbits(np.moveaxis(bits, 0, 2), axis=2, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64)[:, :, 0]


def _sums(rows: np.ndarray, config: ArrayConfig) -> np.ndarray:
    """Words [rows, bits of a result row] as sums [streams, rows, cols]."""
    width = config.pe.acc_width
    words = np.ascontiguousarray(rows[:, : config.cols * width])
    bits = np.unpackbits(words.view(np.uint8).reshape(*words.shape, 8), axis=2, bitorder="little")
    parts = np.moveaxis(bits, 2, 0).reshape(LANES, len(rows), config.cols, width).astype(np.int64)
    scale = 1 << np.arange(width, dtype=np.int64)
    scale[-1] = -scale[-1]
    return parts @ scale


def _order(ports: list[dict[str, Any]], steps: int, config: ArrayConfig) -> np.ndarray:
    """The order of a full tile on all threads as words, the same for all streams."""
    layout = next(port for port in ports if port["name"] == "i_tile__payload")
    threads = config.pe.threads.bit_length() - 1
    fields = {"steps": steps, "threads": threads, "rows": config.rows, "cols": config.cols}
    bits = sum(value << layout["layout"][name]["offset"] for name, value in fields.items())
    return np.array([2**64 - 1 if bits >> i & 1 else 0 for i in range(layout["width"])], np.uint64)
