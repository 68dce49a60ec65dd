# SPDX-License-Identifier: Apache-2.0
"""Performance counters: their width and names, for gates, models, registers and drivers."""

from .pe import PEConfig

COUNTER_WIDTH = 48
"""Bits of every performance counter, of arrays and of caches; they wrap."""

STALLS = ("stalls_operands", "stalls_drain", "stalls_output")


def array_counters(pe: PEConfig) -> tuple[str, ...]:
    """Names of the counters of an array of these PEs, in the order of their layout."""
    return ("steps", *pe.EVENTS, *STALLS)
