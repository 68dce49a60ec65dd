# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: orders and operands in, rows of results and counters out, with any stalls."""

import json
from typing import Any

import cocotb
import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH, array_counters

from .packing import pack_steps, unpack_rows, with_taps
from .streams import Clock, Sink, Source
from .vectors import load, save

QUIET = 8
"""Cycles that are watched after the last expected row: nothing more may come out."""


def pauses(share: float, seed: int):
    random = np.random.default_rng(seed)
    while True:
        yield from (random.random(256) < share).tolist()


@cocotb.test()
async def tiles(dut: Any) -> None:
    """Run all tiles; save rows, cycles, counters and the waits of every stream."""
    vectors = load()
    config = ArrayConfig().with_fields(**json.loads(str(vectors["config"])))
    orders = Source(dut, "i_tile", [int(bits) for bits in vectors["orders"]])
    share = [float(s) for s in vectors["stalls"]]
    x = Source(dut, "i_x", pack_steps(vectors["x"]), pauses(share[0], 1))
    weights = pack_steps(vectors["w"])
    if config.fuse:
        weights = with_taps(weights, vectors["taps"], int(vectors["tap_place"]))
    w = Source(dut, "i_w", weights, pauses(share[1], 2))
    o = Sink(dut, "o", pauses(share[2], 3))
    clock = Clock(dut, orders, x, w, o)
    await clock.reset()

    rows = int(vectors["rows"])
    limit = 1000 + 40 * (len(vectors["x"]) + 4 * rows + 4 * config.cols)
    first = last = -1
    quiet = 0
    while quiet < QUIET and clock.cycle < limit:
        moved = await clock.tick()
        assert moved[1] == moved[2], "one operand was taken without the other"
        if moved[1] and first < 0:
            first = clock.cycle
        if moved[3]:
            last = clock.cycle
        quiet = quiet + 1 if len(o.received) >= rows else 0
    assert len(o.received) == rows, f"{len(o.received)} rows came out, not {rows}"
    assert all(source.done for source in (orders, x, w)), "operands were left over"

    sums, ends = unpack_rows(o.received, config.pe.acc_width, config.cols, int(vectors["last_place"]))
    results = {"sums": sums, "last": ends, "cycles": np.array(last - first + 1)}
    if config.counters:
        bits = int(dut.counters.value)
        names = array_counters(config.pe)
        results |= {n: np.array(bits >> i * COUNTER_WIDTH & (1 << COUNTER_WIDTH) - 1) for i, n in enumerate(names)}
        stalls = int(results["stalls_output"])
        assert stalls == o.stalled, f"{stalls} stalls of the sink were counted, not {o.stalled}"
    results["refused"] = np.array(int(dut.refused.value))
    save(**results)
