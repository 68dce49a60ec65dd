# SPDX-License-Identifier: Apache-2.0
"""A kind of processing element of your own: one that shifts where others multiply.

It is three short files, found by their name below a folder that SYSMT_KINDS names:

    examples/own_pe/params/shift.py    what can be chosen
    examples/own_pe/gates/shift.py     the multiplier, in Amaranth
    examples/own_pe/golden/shift.py    the same in numpy

Everything else is what every kind has: array, skew, drain, counters, cycle model, Verilog, manifest, simulation.

    pip install 'sysmt[cosim]'
    python examples/own_pe.py
"""

import os
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent / "own_pe"


def main() -> None:
    """Configure, generate, simulate, compare."""
    os.environ["SYSMT_KINDS"] = str(FOLDER)  # inherited by the simulator, which is a process of its own
    import sysmt

    config = sysmt.preset("os4", kind="shift")
    design = sysmt.generate(config, name="shift4x4")
    print(f"{design.name}: {len(design.verilog.splitlines())} lines of Verilog, kind {config.pe.kind}")

    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (8, 20), dtype=np.uint8)
    w = rng.integers(-128, 128, (20, 8), dtype=np.int8)
    golden = sysmt.matmul(x, w, config=config)
    simulated = sysmt.simulate(x, w, config=config)
    assert np.array_equal(simulated.sums, golden.sums), "the RTL and the golden model must agree"
    print(f"simulated and golden product are equal, after {simulated.cycles} cycles")

    exact = x.astype(np.int32) @ w
    error = np.abs(golden.sums - exact).sum() / np.abs(exact).sum()
    print(f"sums are off by {error:.0%} of the exact ones: a network has to be trained for such a PE")


if __name__ == "__main__":
    main()
