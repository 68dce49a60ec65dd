# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: operand vectors through all multipliers, compared with the golden products."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject
from cocotb.triggers import Timer

from sysmt.sim.cosim.packing import pack_steps, unpack_words
from sysmt.sim.cosim.vectors import load

from .coverage import ConflictCoverage


@cocotb.test()
async def products(dut: HierarchyObject) -> None:
    """Every set: x [A, threads] crossed with w [B, threads], against golden [variants, A, B]."""
    vectors = load()
    lanes, widths = int(vectors["lanes"]), vectors["widths"].tolist()
    coverage = ConflictCoverage(int(vectors["all_threads"]))
    outputs = [getattr(dut, f"product_{i}") for i in range(len(widths))]
    dut.enable.value = 1
    for s in range(int(vectors["sets"])):
        x, w, golden = vectors[f"x_{s}"], vectors[f"w_{s}"], vectors[f"golden_{s}"]
        dut.running.value = int(vectors[f"threads_{s}"]).bit_length() - 1
        # All pairs of the cross, `lanes` at a time; the tail repeats the last pair.
        a, b = np.divmod(np.arange(-(-len(x) * len(w) // lanes) * lanes).clip(max=len(x) * len(w) - 1), len(w))
        coverage.sample(x[a], w[b])
        packed = zip(*(pack_steps(v.reshape(-1, lanes, v.shape[1])) for v in (x[a], w[b])), strict=True)
        results = np.empty((len(widths), len(a)), np.int64)
        for i, (x_bits, w_bits) in enumerate(packed):
            dut.x.value = x_bits
            dut.w.value = w_bits
            await Timer(1, "ns")
            for v, output in enumerate(outputs):
                results[v, i * lanes : (i + 1) * lanes] = unpack_words(int(output.value), widths[v], lanes)
        wrong = np.argwhere(results != golden[:, a, b])
        assert not len(wrong), (
            f"{len(wrong)} products differ; first: set {s} variant {wrong[0][0]} x {x[a[wrong[0][1]]]} "
            f"w {w[b[wrong[0][1]]]} gave {results[tuple(wrong[0])]}"
        )
    dut.enable.value = 0
    await Timer(1, "ns")
    assert all(int(output.value) == 0 for output in outputs), "a frozen multiplier must give zero"
    if int(vectors["covers"]):
        coverage.check()
