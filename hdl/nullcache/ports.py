# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the cache on the core side: requests, responses, counters."""

from amaranth.lib import data

from sysmt.hdl.params.cache import WORD_BYTES, CacheConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH

from .nullcache import NullCounters


class Request(data.StructLayout):
    """One access to one word.

    `addr` is a byte address whose two lowest bits are ignored; `strobe` chooses the bytes that a store writes, lane i
    being bits 8i..8i+7 of `data` at address `addr + i`. An access of any size is thus a word access, and cannot be
    misaligned. Loads ignore `data` and `strobe`.
    """

    def __init__(self, addr_width: int):
        fields = {"write": 1, "addr": addr_width, "strobe": WORD_BYTES, "data": 8 * WORD_BYTES}
        super().__init__(fields)


Response = data.StructLayout({"data": 8 * WORD_BYTES, "error": 1})
"""What a load read: the whole word; with `error` memory refused and `data` means nothing."""


class CacheCounters(data.StructLayout):
    """Counters of the cache, `COUNTER_WIDTH` bits each; `accesses = hits + misses + null_hits`.

    An access counts when it is looked up for good; `null` holds those of the null cache, when there is one.
    """

    def __init__(self, config: CacheConfig):
        own = dict.fromkeys(("accesses", "hits", "misses", "null_hits"), COUNTER_WIDTH)
        super().__init__(own | ({"null": NullCounters(config.line_bits)} if config.null else {}))
