# SPDX-License-Identifier: Apache-2.0
"""Runs a trace through the simulated RTL of a cache: the counterpart of `sysmt.sim.nullcache.model.simulate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sysmt.hdl.emit import Design
from sysmt.hdl.nullcache.designs import cache_design, read_counters
from sysmt.hdl.params.cache import CacheConfig
from sysmt.sim.nullcache.traces.trace import Trace

from .simulator import require, run


@dataclass(frozen=True, eq=False)
class CacheRtlRun:
    """What the Verilog did: loads, errors of loads and stores (in order), cycles, counters, memory, bursts read."""

    loads: np.ndarray
    load_errors: np.ndarray
    store_errors: np.ndarray
    cycles: int
    counters: dict[str, Any]
    memory: dict[int, int]
    reads: int
    writes: int


@lru_cache(maxsize=8)
def emitted_cache(config: CacheConfig) -> Design:
    """The emitted cache; one emission per configuration and process."""
    return cache_design(config)


def simulate_rtl(
    trace: Trace,
    config: CacheConfig,
    stall: float = 0.0,
    refuse: Sequence[int] = (),
    refuse_stores: int = 0,
    simulator: str = "verilator",
    design: Design | None = None,
    patient: bool = False,
) -> CacheRtlRun:
    """Play `trace` on the simulated Verilog of `config`.

    Parameters
    ----------
    stall : float
        Chance of a stall per cycle and channel, on both sides; cycles equal those of the model at 0 only.
    refuse : sequence of int
        Lines at which memory answers with an error.
    refuse_stores : int
        So many stores are refused by memory, the first ones; it serves reads.
    design : Design, optional
        Another design than that of `config`.
    patient : bool
        Whether the core waits until all stores are acknowledged before every access.

    Raises
    ------
    UserError
        The trace leaves the address range, or the simulator is missing.
    SimulationError
        The RTL broke a rule of a stream or of AXI, or did not come to an end.
    """
    require(simulator)
    trace.check_range(config.addr_width)
    given = {name: getattr(trace, name) for name in ("op", "addr", "size", "data", "mem")}
    given |= {"stall": np.float64(stall), "line": np.int64(config.line), "latency": np.int64(config.memory_cycles)}
    given |= {"refuse": np.array(list(refuse), np.int64), "patient": np.bool_(patient)}
    given["refuse_stores"] = np.int64(refuse_stores)
    got = run(
        design or emitted_cache(config),
        "sysmt.sim.cosim.tb_cache",
        given,
        simulator=simulator,
        testcase="replay",
        unfold=True,
    )
    return CacheRtlRun(
        got["loads"],
        got["load_errors"],
        got["store_errors"],
        int(got["cycles"]),
        read_counters(config, int.from_bytes(got["counters"].tobytes(), "little")),
        {int(i): int(w) for i, w in got["words"]},
        int(got["reads"]),
        int(got["writes"]),
    )
