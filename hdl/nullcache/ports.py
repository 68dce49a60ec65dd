# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the cache: requests and responses on the core side, AXI4 on the memory side."""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.cache import WORD_BYTES, CacheConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH

from .nullcache import NullCounters

AXI_WORD, AXI_INCR = 2, 1
"""AxSIZE of 4-byte beats and AxBURST of incrementing addresses."""

AXI_ERROR = 1
"""Bit of a response that tells SLVERR and DECERR from OKAY (AMBA AXI, table of RRESP and BRESP)."""


class Request(data.StructLayout):
    """One access to one word.

    `addr` is a byte address whose two lowest bits are ignored; `strobe` chooses the bytes that a store writes, lane i
    being bits 8i..8i+7 of `data` at address `addr + i`. An access of any size is thus a word access, and cannot be
    misaligned. Loads ignore `data` and `strobe`.
    """

    def __init__(self, addr_width: int):
        fields = {"write": 1, "addr": addr_width, "strobe": WORD_BYTES, "data": 8 * WORD_BYTES}
        super().__init__(fields)


class Response(data.Struct):
    """What a load read: the whole word; with `error` memory refused and `data` means nothing."""

    data: 8 * WORD_BYTES
    error: 1


class CacheCounters(data.StructLayout):
    """Counters of the cache, `COUNTER_WIDTH` bits each; `accesses = hits + misses + null_hits`.

    An access counts when it is looked up for good; `null` holds those of the null cache, when there is one.
    """

    def __init__(self, config: CacheConfig):
        own = dict.fromkeys(("accesses", "hits", "misses", "null_hits"), COUNTER_WIDTH)
        super().__init__(own | ({"null": NullCounters(config.line_bits)} if config.null else {}))


class AXI4(wiring.Signature):
    """AXI4 manager with 32-bit data and one ID, named so that its ports are `PREFIX__awaddr`, ...

    Parameters
    ----------
    addr_width : int
        Bits of a byte address.
    """

    def __init__(self, addr_width: int):
        self.addr_width = addr_width
        members = {}
        for channel in ("aw", "ar"):
            members |= {
                f"{channel}id": Out(1),
                f"{channel}addr": Out(addr_width),
                f"{channel}len": Out(8),
                f"{channel}size": Out(3),
                f"{channel}burst": Out(2),
                f"{channel}valid": Out(1),
                f"{channel}ready": In(1),
            }
        members |= {
            "wdata": Out(8 * WORD_BYTES),
            "wstrb": Out(WORD_BYTES),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bid": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "rid": In(1),
            "rdata": In(8 * WORD_BYTES),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        }
        super().__init__(members)
