# SPDX-License-Identifier: Apache-2.0
"""The Zero Detector and Approximator: which words count as zero."""

from functools import reduce
from operator import and_

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config_cache import WORD_BYTES, NullCacheConfig


def near_zero(part: Value, limit: int) -> Value:
    """Whether `part`, in two's complement, is at most `limit` in magnitude."""
    if limit == 0:
        return part == 0
    # The upper bits must all be equal to the sign before the rest is worth a comparison.
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
