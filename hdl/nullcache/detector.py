# SPDX-License-Identifier: Apache-2.0
"""The Zero Detector and Approximator: which words count as zero, and which line stores have filled with zeros."""

from functools import reduce
from operator import and_

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.cache import WORD_BYTES, CacheConfig, NullCacheConfig


def near_zero(part: Value, limit: int) -> Value:
    """Whether `part`, in two's complement, is at most `limit` in magnitude."""
    if limit == 0:
        return part == 0
    signed = part.as_signed()
    return (signed <= limit) & (signed >= -limit)


class ZeroDetector(wiring.Component):
    """Zero Detector and Approximator (DATE 2020, section III): flags for words that are zero, or near enough.

    Parameters
    ----------
    words : int
        Words looked at side by side.
    config : NullCacheConfig
        `approx` and `approx_unit`: at 0 only zero is zero.

    Members
    -------
    i : In(32) per word
        The words.
    o : Out(words)
        Which of them count as zero.

    Latency
    -------
    None: combinational.
    """

    block = "zero detector"

    def __init__(self, words: int, config: NullCacheConfig):
        self.words = words
        self.config = config
        super().__init__({"i": In(8 * WORD_BYTES).array(words), "o": Out(words)})

    def elaborate(self, platform):
        m = Module()
        width = 8 if self.config.approx_unit == "byte" else 32
        for k in range(self.words):
            parts = (near_zero(self.i[k][at : at + width], self.config.approx) for at in range(0, 32, width))
            m.d.comb += self.o[k].eq(reduce(and_, parts))
        return m


class ZeroCollector(wiring.Component):
    """Follows one line at a time that stores fill with zeros: it need not be read to know that it is zero.

    It sees every store, those that hit included, so that what it says stays true whatever the caches do.

    Parameters
    ----------
    config : CacheConfig
        Line size and address width.

    Members
    -------
    note : In(1)
        A store is being done.
    line, lanes, zero : In(line_bits), In(line), In(1)
        Its line, its bytes in the line, and whether what it stores counts as zero.
    complete : Out(1)
        With this store every byte of the line has been stored zero, and nothing else since.
    forget : In(1)
        Memory refused a store: begin anew.

    Latency
    -------
    None.
    """

    block = "zero detector"

    def __init__(self, config: CacheConfig):
        self.config = config
        super().__init__(
            {
                "note": In(1),
                "line": In(config.line_bits),
                "lanes": In(config.line),
                "zero": In(1),
                "complete": Out(1),
                "forget": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        followed, zeroed = Signal(self.config.line_bits), Signal(self.config.line)
        same, collected = Signal(), Signal(self.config.line)
        m.d.comb += [
            same.eq(followed == self.line),
            collected.eq(Mux(same, zeroed, 0) | self.lanes),
            self.complete.eq(self.zero & collected.all()),
        ]
        with m.If(self.forget):
            m.d.sync += zeroed.eq(0)
        with m.Elif(self.note & self.zero):
            m.d.sync += [followed.eq(self.line), zeroed.eq(collected)]
        with m.Elif(self.note & same):
            m.d.sync += zeroed.eq(zeroed & ~self.lanes)
        return m
