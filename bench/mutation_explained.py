# SPDX-License-Identifier: Apache-2.0
"""Mutants of the gates that no test can tell from the original, and why; those of arrays are in a file of their own."""

from .mutation_explained_arrays import ARRAYS, COMB, FLAG

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
_EMPTY = "position.eq(0)", "emitting.eq(0)", "padding.eq(0)", "dropping.eq(0)", "exhausted.eq(0)"
_ROWS = "row, left, col, byte = Signal(16), Signal(16), Signal(range(cols)), Signal(range(SUM_BYTES))"
_THREAD = "Signal(range(max(config.array.pe.threads, 2)))"
_WORD = "self.word.word_select(c, width)"
_CLOSES = "(self.precharges & of_row | self.closes, config.t_rp)"
_ACTIVATE = f"_following(self.activate[bank], (activates, config.t_rc), {_CLOSES}"
_REFRESH, _MODE = "(self.refreshes, config.t_rfc)", "(self.loads_mode, MODE_CYCLES)"

EXPLAINED: dict[tuple[str, ...], str] = {
    **ARRAYS,
    **{
        ("accel/controller", *_without(_RESETS, register)): "the last step of a row of tiles has made it 0 already"
        for register in ("step.eq(0)", "n_tile.eq(0)", "w_base.eq(0)")
    },
    (
        "accel/requests",
        *_without(("size.eq(0)", "place.eq(0)", "part.eq(0)", "self.number.eq(registers.first)"), "part.eq(0)"),
    ): "a register has four bytes, after which a counter of two bits is 0",
    ("accel/requests", "8", "7", "left = Signal(range(max(longest // 7, HEADER_BYTES) + 1))"): "a wider counter",
    (
        "engine/rows",
        "self._config.patch > 1",
        "self._config.patch >= 1",
    ): "no layer has patches where they are of one pixel",
    (
        "engine/tiles",
        "Signal()",
        "Signal(init=1)",
        f"half, thread, word_ends = Signal(), {_THREAD}, Signal(init=1)",
    ): "threads that there are not are refused before",
    (
        "engine/word_store",
        "0",
        "1",
        f"words = [{_WORD} if c < rows else Const(1, width) for c in range(count)]",
    ): "a row beyond the last is never read",
    (
        "memory/stream",
        "8",
        "9",
        "return data[below * config.sdram.chip.width :][: 9 * config.targets[memory][0]]",
    ): "what is wider than a word is cut off",
    (
        "memory/timers",
        f"{_ACTIVATE}, {_REFRESH}, {_MODE})",
        f"{_ACTIVATE}, {_MODE}, {_REFRESH})",
    ): "events are gathered by `|`, in any order",
    ("nullcache/replacement", "0", "1", 'age = Signal.like(ages[1], name="age_of_used")'): "all have as many bits",
    ("engine/patches", "1", "2", "depth = 2 << len(write_address)"): "no address reaches what is beyond",
    ("accel/buffers", "Signal()", "Signal(init=1)", "takes = Signal(init=1)"): COMB,
    ("dma/registers", "2", "3", 'cleared = Mux(written["interrupt"], port.data[:3], 0)'): "of two flags",
    **{
        ("dma/rows", "32", "31", line): "of data widths of 32, 64 and 128 it is as many"
        for line in (
            "sums = [shift[i * acc : (i + 1) * acc].as_signed() for i in range(min(config.data_width // 31, cols))]",
            "shift.eq(Mux(self._scaled, shift >> config.data_width, shift >> (config.data_width // 31 * acc))),",
        )
    },
    (
        "memory/sdram",
        *_without(("self.pins.cke.eq(1)", "self.pins.cs_n.eq(0)", "self.pins.dqm.eq(0)"), "self.pins.dqm.eq(0)"),
    ): "a pin that nothing drives is 0",
    ("engine/patches", "[beat.eq(0), row.eq(row + 1)]", "[row.eq(row + 1)]"): (
        "a row has a power of two of beats, after which their count is 0 by itself"
    ),
    (
        "engine/transposer",
        "1",
        "2",
        "m.d.sync += [begun.eq(0), used.eq(0), half.eq(0), room.eq(2)]",
    ): "it is 1 by itself a cycle later, before the first word of a layer has come",
    (
        "engine/add",
        "1",
        "2",
        'fraction: Value = delay_line(m, product[:FRACTION], 2, "fraction", reset_less=True)',
    ): "an enable is on where it is not 0",
    ("memory/stream", "Signal()", "Signal(init=1)", "loaded = Signal(init=1)"): (
        "after reset the stream is stopped, and what is loaded is not counted"
    ),
    ("dma/accelerator", "8", "9", "low = (config.data_width // 9 - 1).bit_length()"): (
        "of 32, 64 and 128 bits of data, as many bits of an address are below a beat"
    ),
    ("memory/selftest", "1", "2", "word = Signal(chip.width, init=2)"): (
        "any word but 0 begins the same sequence, which has all of them"
    ),
    ("accel/uart", "3", "2", "past = Signal(2, init=2)"): (
        "one clock that is low is outvoted, and the synchroniser is high for the next two"
    ),
    ("engine/engine", "Signal()", "Signal(init=1)", "pooling, pooled = Signal(), Signal(init=1)"): (
        "rows come cycles after the start of a layer, which sets it"
    ),
    ("engine/transposer", "Signal()", "Signal(init=1)", "position, sideways = Signal(range(rows)), Signal(init=1)"): (
        "groups go through a square in one direction and the other in turn, whichever is first"
    ),
    ("nullcache/cache", "Signal()", "Signal(init=1)", "self.in_both = Signal(init=1)"): COMB,
    ("engine/post", "m.d.sync += part.eq(0)", "pass"): (
        "patches are of a power of two of parts, after which their count is 0 by itself"
    ),
    ("dma/executor", "1", "2", "with m.If(self.list_address[: (COMMAND_BYTES - 2).bit_length()] != 0):"): (
        "a command has 32 bytes: 30 has as many bits as 31"
    ),
    ("accel/requantize", "value > self.high", "value >= self.high"): "at the highest value it is that value, too",
    (
        "dma/executor",
        "0",
        "1",
        "m.d.sync += [pointer.eq(self.list_address), fetched.eq(0), ahead.eq(1), wrong.eq(ListError.NONE)]",
    ): "the first beat of a command makes it 0 before it is looked at",
    (
        "engine/requantize",
        "4 * PART - 1",
        "(4 * PART + 1)",
        "m.submodules.rounding = rounding = RoundingShift((4 * PART + 1), QUOTIENT)",
    ): "two bits more, which are 0",
    (
        "engine/transposer",
        *_without(_EMPTY, "padding.eq(0)"),
    ): "a layer ends with the end of a group, damaged or not, which makes it 0",
    (
        "engine/patches",
        "[self.pixel.eq(start), line.eq(start), x.eq(0), y.eq(0)]",
        "[self.pixel.eq(start), line.eq(start), x.eq(0)]",
    ): ("a layer ends with the end of a patch, which makes it 0"),
    (
        "nullcache/cache",
        "1",
        "2",
        "return Cat(lane.replicate(8) for lane in lanes[WORD_BYTES * word : WORD_BYTES * (word + 2)])",
    ): "a word has 32 bits: those of the next one are cut off",
    (
        "accel/requantize",
        "6",
        "7",
        "m.d.sync += [value.eq(Mux(negative, -value, value)), places.eq(Mux(self.double, 31, 31 - shift)[:7])]",
    ): "what it is assigned to has six bits",
    ("dma/device", "32", "31", "trouble, failed_number = Signal(ListError), Signal(31)"): (
        "2**31 commands are 64 GB, more than an address reaches and than any simulation gets through"
    ),
    ("accel/reader", "m.d.sync += given.eq(1)", "pass"): (
        "the requantiser takes no sum before its result has left, and the channel leaves in that same cycle"
    ),
    ("accel/reader", "16", "15", _ROWS): (
        "a memory has at most 2**15 rows: a row's number has 15 bits, and a count of 2**15 that begins as 0 comes to 1 "
        "after as many"
    ),
    ("accel/reader", "16", "15", '"size": Out(16),'): "only answers on a UART have a size, of less than a slot, 2**12",
    ("dma/accelerator", *_without(_LISTED, "registers.refused.eq(core.array.refused)")): (
        "a RUN that the array would refuse is refused before (`fits_array`)"
    ),
    (
        "engine/rounding_shift",
        "4",
        "3",
        "negative, away, places = register[width + 2], register[width + 3], register[width + 4 :]",
    ): "places are taken from the top: one more below is never looked at",
    ("bus/wishbone_crossing", "Signal()", "Signal(init=1)", "asked_there, answered_here = Signal(), Signal()"): (
        "a synchroniser drives it, so that its initial value is never seen"
    ),
    (
        "engine/ports",
        "1",
        "2",
        '{"step": config.step_bits, "half": 1, "frees": 2} | ({"thread": range(threads)} if threads > 1 else {})',
    ): FLAG,
    ("engine/reader", "24", "23", "address, left = Signal(24), Signal(16)"): (
        "an answer is refused before where it is not within a memory, which has at most 2**20 words"
    ),
    ("nullcache/tcam_memory", "Signal()", "Signal(init=1)", "update, last = Signal(), Signal(init=1)"): (
        "after reset nothing is chosen that could become valid"
    ),
    **{
        ("accel/link", "1", "2", line): "of a power of two from 64 on, the bits are as many"
        for line in (
            "write.addr.eq(Cat(count[: (self.slot - 2).bit_length()], fill)),",
            "read.addr.eq(Cat(ahead[: (self.slot - 2).bit_length()], drain)),",
        )
    },
    **{
        ("accel/link", "8", "7", line): "the header is what it is: 16 // 7 is 2, too, and so is its place"
        for line in (
            "for i in range(len(length) // 7):",
            'with m.Case(HEADER.offsets["length"] // 7 + i):',
        )
    },
}
