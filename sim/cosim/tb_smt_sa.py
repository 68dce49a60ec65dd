# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: operands of every row, column and thread of SMT-SA in, sums of every column out."""

import json
from typing import Any

import cocotb
import numpy as np

from sysmt.hdl.params.smt_sa import SmtSaConfig

from .packing import unpack_words
from .streams import Clock, Sink, Source
from .tb_array import QUIET, pauses
from .vectors import load, save

ABANDONED = 12
"""Cycles before the reset: sums have begun, and some are on their way."""


@cocotb.test()
async def products(dut: Any) -> None:
    """Run every product after a reset; save sums and cycles."""
    vectors = load()
    config = SmtSaConfig().with_fields(**json.loads(str(vectors["config"])))
    share = [float(s) for s in vectors["stalls"]]
    results: dict[str, np.ndarray] = {}
    for i in range(sum(name.startswith("x") for name in vectors)):
        x = vectors[f"x{i}"].astype(int)
        x[..., -1] |= 1 << int(vectors["last_of_x"])
        sums, ends, cycles = await product(dut, config, x, vectors[f"w{i}"], share, int(vectors["last_of_sum"]))
        results |= {f"sums{i}": sums, f"last{i}": ends, f"cycles{i}": np.array(cycles)}
    save(**results)


async def product(
    dut: Any, config: SmtSaConfig, x: np.ndarray, w: np.ndarray, share: list[float], last_of_sum: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Sums and their `last` [cols, tiles * rows], and cycles; of operands [lanes, threads, tiles, steps].

    Some of them are under way before the reset, which leaves no trace of them.
    """
    tiles, steps = x.shape[2:]

    def streams() -> tuple[list[Source], list[Sink]]:
        sources: list[Source] = []
        for name, operands, paused in (("i_x", x, share[0]), ("i_w", w.view(np.uint8).astype(int), share[1])):
            for lane, t in np.ndindex(operands.shape[:2]):
                waits = pauses(paused, len(sources)) if paused else None
                sources.append(Source(dut, f"{name}__{lane}__{t}", operands[lane, t].ravel().tolist(), waits))
        sinks = [Sink(dut, f"o__{c}", pauses(share[2], 1000 + c) if share[2] else None) for c in range(config.cols)]
        return sources, sinks

    sources, sinks = streams()
    clock = Clock(dut, *sources, *sinks)
    await clock.reset()
    for _ in range(ABANDONED):
        await clock.tick()
    sources, sinks = streams()
    clock = Clock(dut, *sources, *sinks)
    await clock.reset()

    wanted = tiles * config.rows
    limit = 1000 + 40 * (tiles * config.threads * steps + 4 * (wanted + config.cols))
    first = last = -1
    quiet = 0
    while quiet < QUIET and clock.cycle < limit:
        moved = await clock.tick()
        if first < 0 and any(moved[: len(sources)]):
            first = clock.cycle
        if any(moved[len(sources) :]):
            last = clock.cycle
        quiet = quiet + 1 if all(len(sink.received) >= wanted for sink in sinks) else 0
    counts = [len(sink.received) for sink in sinks]
    assert counts == [wanted] * config.cols, f"{counts} sums came out of the columns, not {wanted} of each"
    assert all(source.done for source in sources), "operands were left over"
    sums = [[unpack_words(bits, config.acc_width, 1)[0] for bits in sink.received] for sink in sinks]
    ends = [[bits >> last_of_sum & 1 for bits in sink.received] for sink in sinks]
    return np.array(sums, np.int64), np.array(ends, bool), last - first + 1
