# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.throughput`: multiply-accumulates per cycle of the simulated RTL, tiles back to back."""

import sys
from typing import Any

import numpy as np

from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim.rtl import products
from sysmt.sim.golden.matmul import matmul

from .command import run

SIDE = 128
"""Rows and columns of the product: 256 tiles of an 8x8 array."""

PLANS = (("os8", 8), ("os8", 64), ("sysmt2_8", 64), ("sysmt4_8", 64))


def measure() -> list[dict[str, Any]]:
    """Simulate one product per plan, check it against the golden model, and count."""
    random = np.random.default_rng(7)
    rows: list[dict[str, Any]] = []
    for name, k in PLANS:
        config = preset(name, ArrayConfig)
        x = random.integers(0, 256, (SIDE, k), np.uint8)
        w = random.integers(-128, 128, (k, SIDE), np.int8)
        result = products([(x, w, None)], config, design=array_design(config, name))
        if not np.array_equal(result.sums[0], matmul(x, w, config.pe).sums):
            raise AssertionError(f"{name}: RTL and golden model differ at K = {k}")
        one_thread = next((row["cycles"] for row in rows if row["array"] == "os8" and row["K"] == k), result.cycles)
        rows.append(
            {
                "array": name,
                "K": k,
                "cycles": result.cycles,
                "MAC/cycle": x.size * SIDE / result.cycles,
                "speed-up": one_thread / result.cycles,
            }
        )
        print(f"throughput: {name} K={k} done", file=sys.stderr)
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.throughput", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
