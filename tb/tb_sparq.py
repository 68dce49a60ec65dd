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
    widths = vectors["widths"].tolist()
    outputs = [getattr(dut, f"product_{i}") for i in range(len(widths))]
    dut.enable.value = 1
    for s in range(int(vectors["sets"])):
        x, golden = vectors[f"x_{s}"], vectors[f"golden_{s}"]
        dut.full.value = int(vectors[f"full_{s}"])
        dut.w.value = pack_steps(vectors[f"w_{s}"][None])[0]
        expected = [_packed(golden[i], width) for i, width in enumerate(widths)]
        for a, bits in enumerate(pack_steps(x[:, None])):
            dut.x.value = bits
            await Timer(1, "ns")
            for i, output in enumerate(outputs):
                found = int(output.value)
                assert found == expected[i][a], (
                    f"products differ: set {s} variant {i} x {x[a]} gave "
                    f"{unpack_words(found, widths[i], golden.shape[2])} and not {golden[i, a].tolist()}"
                )
    dut.enable.value = 0
    await Timer(1, "ns")
    assert all(int(output.value) == 0 for output in outputs), "a frozen multiplier must give zero"


def _packed(products: np.ndarray, width: int) -> list[int]:
    """Rows of signed products as one integer each, the first in the low bits."""
    words = (products.astype(np.int64) & ((1 << width) - 1)).tolist()
    return [sum(word << place * width for place, word in enumerate(row)) for row in words]
