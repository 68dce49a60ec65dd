# SPDX-License-Identifier: Apache-2.0
"""Inside the simulator: activations through trimming units and multipliers, compared with the golden products."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject
from cocotb.triggers import Timer

from sysmt.sim.cosim.packing import pack_steps, unpack_words
from sysmt.sim.cosim.vectors import load


@cocotb.test()
async def products(dut: HierarchyObject) -> None:
    """Every set: x [A, threads], w [lanes, threads], whether all threads run, and golden [variants, A, lanes]."""
    vectors = load()
    dut.enable.value = 1
    for s in range(int(vectors["sets"])):
        x, golden = vectors[f"x_{s}"], vectors[f"golden_{s}"]
        dut.full.value = int(vectors[f"full_{s}"])
        dut.w.value = pack_steps(vectors[f"w_{s}"][None])[0]
        expected = pack_steps(golden.swapaxes(0, 1).astype("<i4"))
        for a, bits in enumerate(pack_steps(x)):
            dut.x.value = bits
            await Timer(1, "ns")
            found = int(dut.products.value)
            if found != expected[a]:
                given = np.array(unpack_words(found, 32, golden[:, a].size)).reshape(golden[:, a].shape)
                variant = int((given != golden[:, a]).any(axis=1).argmax())
                raise AssertionError(
                    f"products differ: set {s} variant {variant} x {x[a]} gave "
                    f"{given[variant]} and not {golden[variant, a]}"
                )
    dut.enable.value = 0
    await Timer(1, "ns")
    assert int(dut.products.value) == 0, "a frozen multiplier must give zero"
