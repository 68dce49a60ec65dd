# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.emission`: time to emit Verilog, with equal modules shared and as Amaranth does it by itself.

Amaranth alone elaborates a module per instance; it is measured on an 8x8 array, because larger ones take minutes.
"""

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from amaranth.back import verilog

from sysmt.hdl.array.systolic import SystolicArray
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset

from .command import run

ROUNDS = 3


def measure() -> list[dict[str, Any]]:
    """Time each way, in turns; the median counts."""
    plans: list[tuple[str, str, Callable[[], str]]] = [
        ("sysmt2_64", "shared modules", lambda: array_design(preset("sysmt2_64", ArrayConfig), "a").verilog),
        ("sysmt2_8", "shared modules", lambda: array_design(preset("sysmt2_8", ArrayConfig), "a").verilog),
        (
            "sysmt2_8",
            "Amaranth alone",
            lambda: verilog.convert(SystolicArray(preset("sysmt2_8", ArrayConfig)), name="a"),
        ),
    ]
    times: list[list[float]] = [[] for _ in plans]
    sizes = [0] * len(plans)
    for turn in range(ROUNDS):
        for i, (_, _, work) in enumerate(plans):
            start = perf_counter()
            sizes[i] = len(work())
            times[i].append(perf_counter() - start)
        print(f"emission: turn {turn + 1} of {ROUNDS} done", file=sys.stderr)
    seconds = [median(t) for t in times]
    return [
        {"array": name, "way": way, "seconds": s, "bytes": size, "to 8x8 shared": s / seconds[1]}
        for (name, way, _), s, size in zip(plans, seconds, sizes, strict=True)
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.emission", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
