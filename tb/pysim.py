# SPDX-License-Identifier: Apache-2.0
"""The array in Amaranth's own simulator, in place of `sysmt.sim.cosim.simulator.run`: nothing to compile."""

import json
import sys
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator

from sysmt.hdl.array.systolic import SystolicArray
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH, array_counters
from sysmt.sim.cosim.packing import pack_steps, unpack_rows
from sysmt.sim.cosim.payloads import pack_weights

QUIET = 10
"""Cycles that are watched after the last expected row: nothing more may come out."""


def run(_: Any, __: str, vectors: dict[str, np.ndarray], *___: Any, **____: Any) -> dict[str, np.ndarray]:
    """Orders and operands in, rows of results and counters out: as the testbench of emitted Verilog."""
    config = ArrayConfig().with_fields(**json.loads(str(vectors["config"])))
    dut = SystolicArray(config)
    given = {
        "i_tile": [int(bits) for bits in vectors["orders"]],
        "i_x": pack_steps(vectors["x"]),
        "i_w": pack_weights(config, vectors["w"], vectors["taps"]),
    }
    share = dict(zip(("i_x", "i_w", "o"), vectors["stalls"].tolist(), strict=True))
    rows, random = int(vectors["rows"]), np.random.default_rng(1)
    received: list[int] = []
    results: dict[str, np.ndarray] = {}

    async def bench(ctx: Any) -> None:
        left = {name: list(reversed(payloads)) for name, payloads in given.items()}
        held = dict.fromkeys(left, False)
        first = last = -1
        quiet, waiting = 0, None
        limit = 1000 + 40 * (len(vectors["x"]) + 4 * rows + 4 * config.cols)
        for cycle in range(limit):
            for name, payloads in left.items():
                stream = getattr(dut, name)
                held[name] = held[name] or bool(payloads) and random.random() >= share.get(name, 0)
                ctx.set(stream.valid, held[name])
                if held[name]:
                    ctx.set(Value.cast(stream.payload), payloads[-1])
            ready = random.random() >= share["o"]
            ctx.set(dut.o.ready, ready)
            taken = {name for name in left if held[name] and ctx.get(getattr(dut, name).ready)}
            assert ("i_x" in taken) == ("i_w" in taken), "one operand was taken without the other"
            for name in taken:
                left[name].pop()
                held[name] = False
            first = cycle if first < 0 and "i_x" in taken else first
            if ctx.get(dut.o.valid):
                payload = ctx.get(Value.cast(dut.o.payload))
                assert waiting in (None, payload), "a row changed before it was taken"
                waiting = None if ready else payload
                if ready:
                    received.append(payload)
                    last = cycle
            else:
                assert waiting is None, "a row was taken back"
            quiet = quiet + 1 if len(received) >= rows else 0
            if quiet == QUIET:
                break
            await ctx.tick()
        assert len(received) == rows, f"{len(received)} rows came out, not {rows}"
        assert not any(left.values()), "operands were left over"
        results["cycles"] = np.array(last - first + 1)
        results["refused"] = np.array(ctx.get(dut.refused))
        if config.counters:
            bits = ctx.get(Value.cast(dut.counters))
            for i, name in enumerate(array_counters(config.pe)):
                results[name] = np.array(bits >> i * COUNTER_WIDTH & (1 << COUNTER_WIDTH) - 1)

    # Its compiler goes down into sums of many terms by calling itself.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    results["sums"], results["last"] = unpack_rows(
        received, config.pe.acc_width, config.cols, int(vectors["last_place"])
    )
    return results
