# SPDX-License-Identifier: Apache-2.0
"""SMT-SA in Amaranth's own simulator, in place of `sysmt.sim.cosim.simulator.run`: nothing to compile."""

import json
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator

from sysmt.hdl.array.smt_sa import SmtSaArray
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.hdl.pe.smt_sa import Activation
from sysmt.sim.cosim.packing import unpack_words

from .pysim import QUIET


def run(_: Any, __: str, vectors: dict[str, np.ndarray], *___: Any, **____: Any) -> dict[str, np.ndarray]:
    """Operands in, sums out, every product from the state after reset: as the testbench of emitted Verilog."""
    config = SmtSaConfig().with_fields(**json.loads(str(vectors["config"])))
    dut = SmtSaArray(config)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    results: dict[str, np.ndarray] = {}
    jobs: list[int] = []

    async def bench(ctx: Any) -> None:
        i = jobs[-1]
        x, w = vectors[f"x{i}"].astype(int), vectors[f"w{i}"].view(np.uint8).astype(int)
        x[..., -1] |= 1 << Activation()["last"].offset
        results.update({f"{name}{i}": value for name, value in (await product(ctx, dut, x, w, vectors)).items()})

    simulator.add_testbench(bench)
    for i in range(sum(name.startswith("x") for name in vectors)):
        jobs.append(i)
        if i:
            simulator.reset()
        simulator.run()
    return results


async def product(
    ctx: Any, dut: SmtSaArray, x: np.ndarray, w: np.ndarray, vectors: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Operands [lanes, threads, tiles, steps] through the array."""
    share, random = vectors["stalls"].tolist(), np.random.default_rng(1)
    ports = [(dut.i_x[a][t], x[a, t], share[0]) for a, t in np.ndindex(x.shape[:2])]
    ports += [(dut.i_w[a][t], w[a, t], share[1]) for a, t in np.ndindex(w.shape[:2])]
    left = [operands.ravel().tolist()[::-1] for _, operands, _ in ports]
    held, sinks = [False] * len(ports), [dut.o[c] for c in range(len(w))]
    received: list[list[int]] = [[] for _ in sinks]
    waiting: list[int | None] = [None] * len(sinks)
    wanted, width = x.shape[2] * len(x), dut.config.acc_width
    first, last, quiet = -1, -1, 0
    for cycle in range(1000 + 40 * (x[0].size + 4 * wanted)):
        for p, (port, _, pauses) in enumerate(ports):
            held[p] = held[p] or bool(left[p]) and random.random() >= pauses
            ctx.set(port.valid, held[p])
            if held[p]:
                ctx.set(Value.cast(port.payload), left[p][-1])
        ready = [random.random() >= share[2] for _ in sinks]
        for sink, is_ready in zip(sinks, ready, strict=True):
            ctx.set(sink.ready, is_ready)
        for p, (port, _, _) in enumerate(ports):
            if held[p] and ctx.get(port.ready):
                first = cycle if first < 0 else first
                held[p] = False
                left[p].pop()
        for c, sink in enumerate(sinks):
            if ctx.get(sink.valid):
                payload = ctx.get(Value.cast(sink.payload))
                assert waiting[c] in (None, payload), "a sum changed before it was taken"
                waiting[c] = None if ready[c] else payload
                if ready[c]:
                    received[c].append(payload)
                    last = cycle
            else:
                assert waiting[c] is None, "a sum was taken back"
        quiet = quiet + 1 if all(len(column) >= wanted for column in received) else 0
        if quiet == QUIET:
            break
        await ctx.tick()
    counts = [len(column) for column in received]
    assert counts == [wanted] * len(sinks), f"{counts} sums came out of the columns, not {wanted} of each"
    assert not any(left), "operands were left over"
    return {
        "sums": np.array([[unpack_words(bits, width, 1)[0] for bits in column] for column in received], np.int64),
        "last": np.array([[bits >> width for bits in column] for column in received], bool),
        "cycles": np.array(last - first + 1),
    }
