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
    lanes, coverage = int(vectors["lanes"]), ConflictCoverage(int(vectors["all_threads"]))
    dut.enable.value = 1
    for s in range(int(vectors["sets"])):
        x, w, golden = vectors[f"x_{s}"], vectors[f"w_{s}"], vectors[f"golden_{s}"]
        dut.running.value = int(vectors[f"threads_{s}"]).bit_length() - 1
        # All pairs of the cross, `lanes` at a time; the tail repeats the last pair.
        a, b = np.divmod(np.arange(-(-len(x) * len(w) // lanes) * lanes).clip(max=len(x) * len(w) - 1), len(w))
        coverage.sample(x[a], w[b])
        x_bits, w_bits = (pack_steps(v.reshape(-1, lanes, v.shape[1])) for v in (x[a], w[b]))
        expected = golden[:, a, b].reshape(len(golden), -1, lanes).swapaxes(0, 1)
        for i, bits in enumerate(pack_steps(expected.astype("<i4"))):
            dut.x.value = x_bits[i]
            dut.w.value = w_bits[i]
            await Timer(1, "ns")
            found = int(dut.products.value)
            if found != bits:
                given = np.array(unpack_words(found, 32, expected[i].size)).reshape(expected[i].shape)
                variant, lane = np.argwhere(given != expected[i])[0]
                pair = i * lanes + lane
                raise AssertionError(
                    f"products differ: set {s} variant {variant} x {x[a[pair]]} w {w[b[pair]]} "
                    f"gave {given[variant, lane]} and not {expected[i, variant, lane]}"
                )
    dut.enable.value = 0
    await Timer(1, "ns")
    assert int(dut.products.value) == 0, "a frozen multiplier must give zero"
    if int(vectors["covers"]):
        coverage.check()
