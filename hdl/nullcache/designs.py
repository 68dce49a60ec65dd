# SPDX-License-Identifier: Apache-2.0
"""The cache and the TCAMs as designs: Verilog with a manifest."""

from typing import Any

from sysmt.hdl.emit import Design, emit
from sysmt.hdl.params.cache import COUNTERS, CacheConfig, TCAMConfig
from sysmt.hdl.style import PLAIN, Style

from .cache import SparseCache
from .ports import CacheCounters
from .tcam import TCAM
from .tcam_memory import MemoryTCAM


def cache_design(config: CacheConfig, name: str = "sparse_cache", style: Style = PLAIN) -> Design:
    """A sparse cache, or a plain one without `config.null`, as the module `name`."""
    return emit(SparseCache(config), name, cache_facts(config), style)


def tcam_design(config: TCAMConfig, name: str = "tcam", style: Style = PLAIN) -> Design:
    """A TCAM as the module `name`: in flip-flops, or with `config.memory` in FPGA memory."""
    component = MemoryTCAM(config) if config.memory else TCAM(config)
    return emit(component, name, tcam_facts(config), style)


def cache_facts(config: CacheConfig) -> dict[str, Any]:
    """For the manifest of a cache."""
    return {"kind": "sparse_cache", "config": config.as_dict()}


def tcam_facts(config: TCAMConfig, registers: int = 0) -> dict[str, Any]:
    """For the manifest of a TCAM, with so many cycles of latency more."""
    return {"kind": "tcam", "config": config.as_dict(), "latency": config.latency + registers}


def read_counters(config: CacheConfig, bits: int) -> dict[str, Any]:
    """The counters in the port `counters`, named as the model names them, and `merges_by_order` when there are any."""
    values = CacheCounters(config).from_bits(bits)
    counters = dict.fromkeys(COUNTERS, 0)
    for name in ("accesses", "hits", "misses", "null_hits"):
        counters[name] = int(values[name])
    orders = [0] * (config.line_bits + 1)
    if config.null is not None:
        null = values["null"]
        orders = [int(null["merges"][n]) for n in range(config.line_bits + 1)]
        for name in ("inserts", "removals", "splits", "evictions", "lost_lines", "covered_lines"):
            counters[name] = int(null[name])
        counters["merges"] = sum(orders)
    return counters | {"merges_by_order": orders}
