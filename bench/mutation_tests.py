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
_DMA = ("dma_accel", "dma_engine", "dma_stream")
_CACHE = ("cache_formal", "cache_rtl")
_SDRAM = ("sdram", "sdram_formal")

TESTS: dict[str, tuple[str, ...]] = {
    "accel/buffers": ("accel_link", "accel_rtl"),
    "accel/commands": ("request_order", *_ACCEL),
    "accel/controller": ("run_order", "run_limits", "accel_rtl", "signed_accel"),
    "accel/core": ("run_order", "accel_rtl", "dma_accel", "signed_accel"),
    "accel/link": ("accel_link", "accel_rtl"),
    "accel/ports": _ACCEL,
    "accel/reader": ("read_limits", "accel_rtl", "engine_board"),
    "accel/registers": ("accel_registers", *_ACCEL, "board"),
    "accel/requantize": ("accel_requantize", "accel_rtl"),
    "accel/requests": ("request_order", "read_limits", "accel_rtl", "engine_board"),
    "accel/top": ("leds", "accel_rtl", "board"),
    "accel/uart": ("accel_link", "uart"),
    "array/axi_stream": ("axi_stream_ends", "axi_stream"),
    "array/column": ("random_arrays", "array"),
    "array/counters": ("counters", "random_arrays", "array", "sparq_gates", "conv1d"),
    "array/edges": ("random_arrays", "signed_windows", "stc"),
    "array/ports": ("array_ports", "random_arrays", "array"),
    "array/sequencer": ("random_arrays", "array", "conv1d", "engine_timing"),
    "array/smt_sa": ("smt_sa_gates",),
    "array/stored_weights": ("stc_accel", "stc"),
    "array/systolic": ("random_arrays", "array", "sparq_gates", "conv1d", "signed_accel", "engine_timing"),
    "array/window_counters": ("random_arrays", "conv1d"),
    "bus/axi": ("bus", "cache_rtl"),
    "bus/axi_lite": ("bus_masters", "dma_fronts", "dma_accel", "dma_engine"),
    "bus/axi_master": ("bus_masters", "dma_accel", "dma_engine"),
    "bus/axi_stream": ("axi_stream", "axi_stream_layout"),
    "bus/axi_stream_ports": ("axi_stream",),
    "bus/crossing": ("crossing", "dma_fronts", "dma_stream"),
    "bus/ports": ("bus", "dma_fronts", "dma_accel", "dma_engine"),
    "bus/signature": ("bus",),
    "bus/wishbone": ("bus",),
    "bus/wishbone_crossing": ("crossing", "dma_fronts"),
    "bus/wishbone_master": (
        "bus_masters",
        "dma_fronts",
        "dma_accel",
    ),
    "bus/wishbone_registers": (
        "bus_masters",
        "dma_fronts",
        "dma_accel",
    ),
    "common/adders": ("random_arrays", "multiplier", "array"),
    "common/banked_memory": ("banked_memory",),
    "common/clock_gate": ("style", "config", "unknown"),
    "common/delay_line": ("random_arrays", "array"),
    "common/popcount": ("random_arrays", "array"),
    "common/promised_queue": ("engine_formal", "engine_filler", "engine_memory"),
    "common/short_queue": ("short_queue", "smt_sa_gates"),
    "common/skid_buffer": ("accel_link", "accel_formal"),
    "designs": ("designs", "emit", "packaging", "dma_accel", "engine_sdram_board"),
    "dma/accelerator": ("dma_device", "dma_accel", "dma_stream", "signed_accel"),
    "dma/axi": ("dma_fronts", *_DMA),
    "dma/cfu": ("dma_cfu",),
    "dma/device": _DMA,
    "dma/engine": ("dma_order", "dma_engine"),
    "dma/executor": ("dma_executor", *_DMA),
    "dma/registers": ("dma_registers", *_DMA),
    "dma/rows": ("dma_rows", *_DMA),
    "dma/sender": ("dma_words", "dma_rows", *_DMA),
    "dma/stream": ("dma_stream",),
    "dma/wishbone": ("dma_fronts", "dma_accel", "crossing"),
    "dma/words": ("dma_words", *_DMA),
    "emit": ("emit", "wrapped_memory", "simulator"),
    "style": ("style", "unknown"),
    "wrapped_memory": ("wrapped_memory", "unknown"),
    "engine/add": ("engine_add", "engine_post"),
    "engine/addition": _POST,
    "engine/addresses": ("engine_addresses", "engine_formal", *_FILLER),
    "engine/commands": ("request_order", *_REQUESTS),
    "engine/counter": ("engine_addresses", *_POST),
    "engine/engine": ("engine_link", "engine_rtl", "engine_stream"),
    "engine/filler": (*_FILLER, "sparq_engine"),
    "engine/layers": ("engine_sequencer", "engine_descriptors", "engine_rtl", "engine_timing"),
    "engine/memory": ("engine_memory", "engine_rtl", "engine_bands"),
    "engine/patches": ("engine_patches", *_FILLER),
    "engine/pool": (*_FILLER[:2], "engine_rtl"),
    "engine/ports": ("engine_ranges", *_POST),
    "engine/post": _POST,
    "engine/ranges": ("engine_ranges",),
    "engine/reader": ("engine_reader", *_REQUESTS),
    "engine/registers": (*_REQUESTS, "engine_sdram_board"),
    "engine/requantize": ("engine_requantize", *_POST),
    "engine/residual": _POST,
    "engine/rounding_shift": ("engine_requantize", "engine_add"),
    "engine/rows": ("engine_rows", "engine_rtl"),
    "engine/scatter": ("engine_scatter", *_FILLER),
    "engine/stored_transposer": (*_FILLER, "sparq_engine"),
    "engine/threads": (*_FILLER[:2], "engine_rtl", "stc_engine"),
    "engine/tiles": ("engine_sequencer", "engine_rtl", "sparq_engine"),
    "engine/top": ("leds", "engine_link", *_REQUESTS, "engine_sdram_board"),
    "engine/transposer": (*_FILLER, "sparq_engine"),
    "engine/word_fetcher": _FILLER,
    "engine/word_store": _FILLER,
    "engine/words": _FILLER,
    "engine/x_buffer": _FILLER,
    "memory/ports": _SDRAM,
    "memory/queue": (*_SDRAM, "engine_memory"),
    "memory/sdram": _SDRAM,
    "memory/segments": _SDRAM,
    "memory/selftest": ("sdram", "board_memory"),
    "memory/stream": ("weight_stream", "engine_stream"),
    "memory/streamed": ("weight_stream", "engine_stream"),
    "memory/timers": _SDRAM,
    "nullcache/axi_stream": ("axi_stream", "axi_stream_layout"),
    "nullcache/cache": _CACHE,
    "nullcache/detector": _CACHE,
    "nullcache/nullcache": _CACHE,
    "nullcache/ports": _CACHE,
    "nullcache/replacement": ("cache_rtl", "cache_formal"),
    "nullcache/storage": _CACHE,
    "nullcache/tcam": ("tcam", "cache_rtl"),
    "nullcache/tcam_memory": ("tcam",),
    "nullcache/writebuffer": _CACHE,
    "pe/centre": ("signed_windows",),
    "pe/element": ("random_arrays", "array", "testbench"),
    "pe/fpga": ("multiplier_pipelines", "random_arrays", "multiplier", "array"),
    "pe/kind": ("random_arrays", "pe_kinds", "array"),
    "pe/kinds/nbsmt": ("random_arrays", "multiplier", "array"),
    "pe/kinds/sparq": ("random_arrays", "sparq_gates", "stc", "stc_accel"),
    "pe/multiplier": ("random_arrays", "multiplier", "pe_kinds", "array"),
    "pe/nbsmt": ("random_arrays", "multiplier", "array"),
    "pe/ports": ("random_arrays", "pe_kinds", "array"),
    "pe/reduction": ("random_arrays", "multiplier", "sparq_gates"),
    "pe/smt_sa": ("smt_sa_gates",),
    "pe/sparq": ("random_arrays", "sparq_gates", "signed_windows"),
    "pe/sparq_edge": ("random_arrays", "sparq_gates", "signed_windows"),
    "pe/sparq_lanes": ("random_arrays", "sparq_gates", "signed_windows"),
    "pe/sparq_stc": ("stc", "stc_accel"),
}
"""Source below `hdl`, and the names of its files of tests, in the order in which they run."""


def sources() -> list[str]:
    """The files of gates, by their names in `TESTS`."""
    folder, imports = ROOT / "hdl", re.compile(r"^(from|import) amaranth", re.MULTILINE)
    paths = [path for path in folder.rglob("*.py") if imports.search(path.read_text())]
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in paths)
