# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.golden`: time of the golden products against numpy's own float64 product of the same shapes.

The contestants take turns, and the median of each counts: a busy machine then slows all of them alike.
"""

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.matmul import matmul

from .command import run

SHAPE = (512, 1152, 256)
POLICIES = ("S", "S+A", "S+Aw", "A")
SPARQ = (SparqConfig(), SparqConfig(window="7opt"), SparqConfig(pairs=2))
SEED = 1


def measure(shape: tuple[int, int, int] = SHAPE, rounds: int = 15) -> list[dict[str, Any]]:
    """Time the golden product.

    Parameters
    ----------
    shape : (M, K, N)
    rounds : int
        Turns per contestant; one more comes first and is not counted.

    Returns
    -------
    list of dict
        Per configuration: `threads`, `policy` (of SPARQ the window), `milliseconds` (median), `ratio` to numpy's
        float64 product.
    """
    x, w = _operands(shape)
    x_float, w_float = x.astype(np.float64), w.astype(np.float64)
    pes: list[PEConfig] = [NbSmtConfig(threads=1)]
    pes += [NbSmtConfig(threads=t, policy=p) for t in (2, 4) for p in POLICIES]
    pes += SPARQ
    contestants = [lambda: x_float @ w_float] + [lambda pe=pe: matmul(x, w, pe) for pe in pes]
    times = np.array([[_time(run) for run in contestants] for _ in range(rounds + 1)])[1:]
    numpy_time, *golden = (1000 * median(column) for column in times.T.tolist())
    rows = [{"threads": "-", "policy": "numpy float64 @", "milliseconds": numpy_time, "ratio": 1.0}]
    for pe, spent in zip(pes, golden, strict=True):
        rows.append({"threads": pe.threads, "policy": _name(pe), "milliseconds": spent, "ratio": spent / numpy_time})
    return rows


def _name(pe: PEConfig) -> str:
    if isinstance(pe, NbSmtConfig):
        return pe.policy if pe.threads > 1 else "exact"
    return f"{pe.kind} {getattr(pe, 'window', '')}".strip()


def _operands(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Activations of which half are zero, as behind a ReLU; weights over the whole range."""
    m, k, n = shape
    rng = np.random.default_rng(SEED)
    x = rng.integers(1, 256, (m, k)) * (rng.random((m, k)) < 0.5)
    return x.astype(np.uint8), rng.integers(-128, 128, (k, n)).astype(np.int8)


def _time(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.golden", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
