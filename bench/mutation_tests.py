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
    "accel/commands": _ACCEL,
    "accel/controller": ("run_limits", "accel_rtl"),
    "accel/core": ("accel_rtl", "dma_accel"),
    "accel/link": ("accel_link",),
    "accel/ports": _ACCEL,
    "accel/reader": ("read_limits", "accel_rtl", "engine_board"),
    "accel/registers": ("accel_registers", *_ACCEL, "board"),
    "accel/requantize": ("accel_requantize", "accel_rtl"),
    "accel/requests": ("read_limits", "accel_rtl", "engine_board"),
    "accel/top": ("accel_rtl", "board"),
    "accel/uart": ("accel_link", "uart"),
    "array/axi_stream": ("axi_stream",),
    "array/column": ("random_arrays", "array"),
    "array/counters": ("counters", "random_arrays", "array", "sparq_gates", "conv1d"),
    "array/edges": ("random_arrays", "signed_windows", "stc"),
    "array/ports": ("random_arrays", "array"),
    "array/sequencer": ("random_arrays", "array", "conv1d"),
    "array/smt_sa": ("smt_sa_gates",),
    "array/stored_weights": ("stc_accel",),
    "array/systolic": ("random_arrays", "array", "sparq_gates", "conv1d"),
    "array/window_counters": ("random_arrays", "conv1d"),
    "bus/axi": ("bus", "cache_rtl"),
    "bus/axi_lite": ("bus_masters", "dma_accel", "dma_engine"),
    "bus/axi_master": ("bus_masters", "dma_accel", "dma_engine"),
    "bus/axi_stream": ("axi_stream", "axi_stream_layout"),
    "bus/axi_stream_ports": ("axi_stream",),
    "bus/crossing": ("crossing",),
    "bus/ports": ("bus", "dma_accel", "dma_engine"),
    "bus/signature": ("bus",),
    "bus/wishbone": ("bus",),
    "bus/wishbone_crossing": ("crossing",),
    "bus/wishbone_master": (
        "bus_masters",
        "dma_accel",
    ),
    "bus/wishbone_registers": (
        "bus_masters",
        "dma_accel",
    ),
    "common/adders": ("random_arrays", "multiplier", "array"),
    "common/banked_memory": ("banked_memory",),
    "common/clock_gate": ("unknown", "config"),
    "common/delay_line": ("random_arrays", "array"),
    "common/popcount": ("random_arrays", "array"),
    "common/promised_queue": ("engine_formal", "engine_filler", "engine_memory"),
    "common/short_queue": ("short_queue", "smt_sa_gates"),
    "common/skid_buffer": ("accel_link", "accel_formal"),
    "designs": ("emit", "dma_accel", "engine_sdram_board"),
    "dma/accelerator": ("dma_accel", "dma_stream"),
    "dma/axi": _DMA,
    "dma/cfu": ("dma_cfu",),
    "dma/device": _DMA,
    "dma/engine": ("dma_engine",),
    "dma/executor": _DMA,
    "dma/registers": _DMA,
    "dma/rows": _DMA,
    "dma/sender": _DMA,
    "dma/stream": ("dma_stream",),
    "dma/wishbone": ("dma_accel",),
    "dma/words": _DMA,
    "emit": ("emit", "simulator"),
    "style": ("unknown",),
    "wrapped_memory": ("unknown",),
    "engine/add": ("engine_add",),
    "engine/addition": _POST,
    "engine/addresses": ("engine_addresses", "engine_formal", *_FILLER),
    "engine/commands": _REQUESTS,
    "engine/counter": ("engine_addresses", *_POST),
    "engine/engine": ("engine_rtl", "engine_stream"),
    "engine/filler": _FILLER,
    "engine/layers": ("engine_sequencer", "engine_rtl"),
    "engine/memory": ("engine_memory", "engine_rtl", "engine_bands"),
    "engine/patches": ("engine_patches", *_FILLER),
    "engine/pool": (*_FILLER[:2], "engine_rtl"),
    "engine/ports": ("engine_ranges", *_POST),
    "engine/post": _POST,
    "engine/ranges": ("engine_ranges",),
    "engine/reader": ("engine_reader", *_REQUESTS),
    "engine/registers": _REQUESTS,
    "engine/requantize": ("engine_requantize", *_POST),
    "engine/residual": _POST,
    "engine/rounding_shift": ("engine_requantize", "engine_add"),
    "engine/rows": ("engine_rows", "engine_rtl"),
    "engine/scatter": ("engine_scatter", *_FILLER),
    "engine/stored_transposer": _FILLER,
    "engine/threads": (*_FILLER[:2], "engine_rtl", "stc_engine"),
    "engine/tiles": ("engine_sequencer", "engine_rtl"),
    "engine/top": (*_REQUESTS, "engine_sdram_board"),
    "engine/transposer": _FILLER,
    "engine/word_fetcher": _FILLER,
    "engine/word_store": _FILLER,
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
    "nullcache/axi_stream": ("axi_stream",),
    "nullcache/cache": _CACHE,
    "nullcache/detector": _CACHE,
    "nullcache/nullcache": _CACHE,
    "nullcache/ports": _CACHE,
    "nullcache/replacement": ("cache_rtl",),
    "nullcache/storage": _CACHE,
    "nullcache/tcam": ("tcam", "cache_rtl"),
    "nullcache/tcam_memory": ("tcam",),
    "nullcache/writebuffer": _CACHE,
    "pe/centre": ("signed_windows",),
    "pe/element": ("random_arrays", "array", "testbench"),
    "pe/fpga": ("random_arrays", "multiplier", "array"),
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

_RESETS = "step.eq(0)", "tiles.eq(0)", "n_tile.eq(0)", "m_tile.eq(0)", "x_base.eq(0)", "w_base.eq(0)"


def _without(parts: tuple[str, ...], left_out: str) -> tuple[str, str]:
    """A list of statements, and the same without one."""
    return f"[{', '.join(parts)}]", f"[{', '.join(part for part in parts if part != left_out)}]"


_LISTED = (
    "registers.number.eq(listed.number)",
    "listed.value.eq(registers.value)",
    "registers.issued.eq(controller.issued)",
    "registers.finished.eq(controller.finished)",
    "registers.busy.eq(controller.issued != controller.finished)",
    "registers.refused.eq(core.array.refused)",
    "registers.figures.eq(controller.figures)",
)
_ROWS = "row, left, col, byte = Signal(16), Signal(16), Signal(range(cols)), Signal(range(SUM_BYTES))"

EXPLAINED: dict[tuple[str, ...], str] = {
    **{
        ("accel/controller", *_without(_RESETS, register)): "the last step of a row of tiles has made it 0 already"
        for register in ("step.eq(0)", "n_tile.eq(0)", "w_base.eq(0)")
    },
    (
        "accel/requests",
        *_without(("size.eq(0)", "place.eq(0)", "part.eq(0)", "self.number.eq(registers.first)"), "part.eq(0)"),
    ): "a register has four bytes, after which a counter of two bits is 0",
    ("array/counters", "len(real).bit_count() == 1", "len(real).bit_count() != 1"): (
        "which lane is added by itself changes the adders, not the sum"
    ),
    (
        "array/sequencer",
        "Signal()",
        "Signal(init=1)",
        "running, begun, busy = Signal(), Signal(init=1), Signal()",
    ): "only looked at while a tile is running, and the start of a tile makes it 0",
    (
        "accel/link",
        "1",
        "2",
        'count, length = Signal(range(self.slot + 1)), Signal(HEADER.fields["length"].width)',
    ): "it counts to the size of a slot: room for one more is never used",
    **{
        ("pe/smt_sa", f"Signal(name=f'{name}_{{t}}')", f"Signal(name=f'{name}_{{t}}', init=1)"): (
            "it is always assigned in `comb`, so that its initial value is never seen"
        )
        for name in ("may", "takes")
    },
    ("pe/element", "not config.x_registers", "config.x_registers"): (
        "modules have other names, which are as different from one another"
    ),
    ("pe/kinds/sparq", "1", "2", "if shift > 2 and shift - 1 not in config.narrow.shifts:"): (
        "where no window begins at bit 1, those that begin at 2 or above are those at 1 or above: it only saves gates"
    ),
    ("pe/sparq", "1", "2", "total: Value = Const(0, 2)"): "the first product takes its place",
    (
        "pe/sparq",
        "multiply(m, self._q(m, t), self._weight(m, t), width, self.config.target, f'm{t}')",
        "multiply(m, self._q(m, t), self._weight(m, t), width, f'm{t}', self.config.target)",
    ): "it is the multiplier of ASICs alone: what is not fpga is an ASIC's, and only signals are called otherwise",
    ("pe/sparq_edge", "True", "False", "for on, code in zip(begins, codes, strict=False):"): "they are as many",
    ("pe/sparq_edge", "shift + window.bits < len(x)", "shift + window.bits <= len(x)"): (
        "above the highest bit is nothing, which is 0, too"
    ),
    ("pe/sparq_lanes", "1", "2", "for size in range(1, len(values) + 2):"): "a cube per value is always a cover",
    ("pe/sparq_stc", "i < GROUP - 1", "i <= GROUP - 1"): "behind the last of a group is nothing, which is 0, too",
    ("pe/smt_sa", "Signal()", "Signal(init=1)", "vacant = Signal()"): (
        "it is always assigned in `comb`, so that its initial value is never seen"
    ),
    ("pe/smt_sa", "1", "2", 'super().__init__({"sum": signed(config.acc_width), "last": 1})'): (
        "a flag with room for a bit more, which is never set"
    ),
    ("accel/reader", "m.d.sync += given.eq(1)", "pass"): (
        "the requantiser takes no sum before its result has left, and the channel leaves in that same cycle"
    ),
    ("accel/reader", "16", "15", _ROWS): (
        "a memory has at most 2**15 rows: a row's number has 15 bits, and a count of 2**15 that begins as 0 comes to 1 "
        "after as many"
    ),
    ("accel/reader", "16", "15", '"size": Out(16),'): "only answers on a UART have a size, of less than a slot, 2**12",
    (
        "bus/crossing",
        "1",
        "2",
        "memory = Memory(shape=self.shape, depth=self.depth, init=[], attrs={UNINITIALISED: 1})",
    ): "an attribute is there, whatever its value",
    ("dma/accelerator", *_without(_LISTED, "registers.refused.eq(core.array.refused)")): (
        "a RUN that the array would refuse is refused before (`fits_array`)"
    ),
    **{
        ("engine/add", "8", "9", line): "a product of 8 bits and so many has no more"
        for line in (
            "low, high = Signal(8 + PART, reset_less=True), Signal(8 + 31 - PART, reset_less=True)",
            "product = Signal(8 + 31, reset_less=True)",
        )
    },
    ("accel/controller", "Signal()", "Signal(init=1)", "beyond, misfit = Signal(), Signal(init=1)"): (
        "it is always assigned in `comb`, so that its initial value is never seen"
    ),
    (
        "engine/rounding_shift",
        "4",
        "3",
        "negative, away, places = register[width + 2], register[width + 3], register[width + 4 :]",
    ): ("places are taken from the top: one more below is never looked at"),
    (
        "common/clock_gate",
        "True",
        "False",
        'domain = ClockDomain(f"{name}_gated", reset_less=True, local=False)',
    ): "nothing above has a domain of that name: the Verilog is the same",
    ("bus/wishbone_crossing", "Signal()", "Signal(init=1)", "asked_there, answered_here = Signal(), Signal()"): (
        "a synchroniser drives it, so that its initial value is never seen"
    ),
    ("nullcache/tcam_memory", "2", "3", "write.en.eq(update & (writing < 2**piece)),"): (
        "a narrower table's rows are written again, with what they have"
    ),
    (
        "engine/addition",
        "8",
        "9",
        '"i_codes": In(8 * (config.add_lanes if config.adds_in_lanes else config.lanes)),',
    ): "bits behind the last code, which nobody looks at",
    (
        "engine/ports",
        "1",
        "2",
        '{"step": config.step_bits, "half": 1, "frees": 2} | ({"thread": range(threads)} if threads > 1 else {})',
    ): "a flag with room for a bit more, which is never set",
    ("engine/reader", "24", "23", "address, left = Signal(24), Signal(16)"): (
        "an answer is refused before where it is not within a memory, which has at most 2**20 words"
    ),
}
"""Mutants that no test can tell from the original, and why: source, before, after and, where others are alike, its line
or its changed line."""


def sources() -> list[str]:
    """The files of gates, by their names in `TESTS`."""
    folder, imports = ROOT / "hdl", re.compile(r"^(from|import) amaranth", re.MULTILINE)
    paths = [path for path in folder.rglob("*.py") if imports.search(path.read_text())]
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in paths)
