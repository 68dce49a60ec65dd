# SPDX-License-Identifier: Apache-2.0
"""Which tests a source of gates is held by: the narrowest that find what is wrong in it, cheap ones first.

Every file of `hdl` that Amaranth is imported in has its line; `tb/test_mutation.py` checks that.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_ACCEL = ("protocol", "accel_link", "accel_rtl")
_FILLER = ("engine_filler", "engine_filler_faults", "engine_rows", "engine_rtl")
_POST = ("engine_post", "engine_rtl")
_REQUESTS = ("engine_board",)
_CACHE = ("tcam", "cache_rtl")
_SDRAM = ("sdram", "sdram_formal")

TESTS: dict[str, tuple[str, ...]] = {
    "accel/buffers": ("accel_link", "accel_rtl"),
    "accel/commands": _ACCEL,
    "accel/controller": ("accel_rtl",),
    "accel/link": ("accel_link",),
    "accel/ports": _ACCEL,
    "accel/reader": ("accel_rtl", "engine_board"),
    "accel/registers": (*_ACCEL, "board"),
    "accel/requantize": ("accel_requantize", "accel_rtl"),
    "accel/requests": ("accel_rtl", "engine_board"),
    "accel/top": ("accel_rtl", "board"),
    "accel/uart": ("accel_link",),
    "array/column": ("array",),
    "array/counters": ("array", "sparq_gates", "conv1d"),
    "array/ports": ("array",),
    "array/sequencer": ("array", "conv1d"),
    "array/systolic": ("array", "sparq_gates", "conv1d"),
    "array/window_counters": ("conv1d",),
    "bus/axi": ("bus", "cache_rtl"),
    "bus/signature": ("bus",),
    "bus/wishbone": ("bus",),
    "common/adders": ("multiplier", "array"),
    "common/delay_line": ("array",),
    "common/popcount": ("array",),
    "common/promised_queue": ("engine_formal", "engine_filler", "engine_memory"),
    "common/skid_buffer": ("accel_link", "accel_formal"),
    "emit": ("emit", "simulator"),
    "engine/add": ("engine_add",),
    "engine/addition": _POST,
    "engine/addresses": ("engine_addresses", "engine_formal", *_FILLER),
    "engine/commands": _REQUESTS,
    "engine/counter": ("engine_addresses", *_POST),
    "engine/engine": ("engine_rtl",),
    "engine/filler": _FILLER,
    "engine/layers": ("engine_sequencer", "engine_rtl"),
    "engine/memory": ("engine_memory", "engine_rtl"),
    "engine/pool": (*_FILLER[:2], "engine_rtl"),
    "engine/ports": ("engine_ranges", *_POST),
    "engine/post": _POST,
    "engine/ranges": ("engine_ranges",),
    "engine/reader": _REQUESTS,
    "engine/registers": _REQUESTS,
    "engine/requantize": ("engine_requantize", *_POST),
    "engine/residual": _POST,
    "engine/rounding_shift": ("engine_requantize", "engine_add"),
    "engine/rows": ("engine_rows", "engine_rtl"),
    "engine/scatter": ("engine_scatter", *_FILLER),
    "engine/threads": (*_FILLER[:2], "engine_rtl"),
    "engine/tiles": ("engine_sequencer", "engine_rtl"),
    "engine/top": _REQUESTS,
    "engine/transposer": _FILLER,
    "engine/words": _FILLER,
    "engine/x_buffer": _FILLER,
    "memory/ports": _SDRAM,
    "memory/queue": (*_SDRAM, "engine_memory"),
    "memory/sdram": _SDRAM,
    "memory/segments": _SDRAM,
    "memory/selftest": ("sdram", "board_memory"),
    "memory/stream": ("weight_stream",),
    "memory/streamed": ("weight_stream",),
    "memory/timers": _SDRAM,
    "nullcache/cache": _CACHE,
    "nullcache/detector": _CACHE,
    "nullcache/nullcache": (*_CACHE, "cache_formal"),
    "nullcache/ports": _CACHE,
    "nullcache/replacement": _CACHE,
    "nullcache/storage": _CACHE,
    "nullcache/tcam": ("tcam", "cache_rtl"),
    "nullcache/tcam_memory": ("tcam",),
    "nullcache/writebuffer": _CACHE,
    "pe/element": ("array",),
    "pe/fpga": ("multiplier", "array"),
    "pe/kind": ("pe_kinds", "array"),
    "pe/kinds/nbsmt": ("multiplier", "array"),
    "pe/kinds/sparq": ("sparq_gates",),
    "pe/multiplier": ("multiplier", "pe_kinds", "array"),
    "pe/nbsmt": ("multiplier", "array"),
    "pe/ports": ("pe_kinds", "array"),
    "pe/reduction": ("multiplier", "sparq_gates"),
    "pe/sparq": ("sparq_gates",),
    "pe/sparq_edge": ("sparq_gates",),
    "pe/sparq_lanes": ("sparq_gates",),
}
"""Source below `hdl`, and the names of its files of tests, in the order in which they run."""

EXPLAINED: dict[tuple[str, str, str], str] = {}
"""Mutants that no test can tell from the original (source, before, after), and why."""


def sources() -> list[str]:
    """The files of gates, by their names in `TESTS`."""
    folder, imports = ROOT / "hdl", re.compile(r"^(from|import) amaranth", re.MULTILINE)
    paths = [path for path in folder.rglob("*.py") if imports.search(path.read_text())]
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in paths)
