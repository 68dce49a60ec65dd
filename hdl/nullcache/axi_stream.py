# SPDX-License-Identifier: Apache-2.0
"""Cache and TCAMs with AXI4-Stream ports."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Out, connect

from sysmt.hdl.bus.axi import AXI4
from sysmt.hdl.bus.axi_stream import AXIStream, from_bytes, to_bytes
from sysmt.hdl.bus.axi_stream_ports import AXIStreamPorts
from sysmt.hdl.bus.ports import flat, joined
from sysmt.hdl.common.promised_queue import PromisedQueue
from sysmt.hdl.params.cache import CacheConfig, TCAMConfig

from .cache import SparseCache
from .ports import CacheCounters, Request, Response
from .tcam import TCAM
from .tcam_memory import MemoryTCAM

REQUEST, RESPONSE, STORED = "s_axis_request", "m_axis_response", "m_axis_stored"
WRITE, KEY, MATCH = "s_axis_write", "s_axis_key", "m_axis_match"
MOST_PORTS = 4
"""Of a TCAM."""


class AXIStreamCache(AXIStreamPorts):
    """`SparseCache` between streams of AXI4-Stream, with memory on AXI4.

    Parameters
    ----------
    config : CacheConfig

    Members
    -------
    aclk, aresetn, refused : as of `AXIStreamPorts`
    s_axis_request : Request
    m_axis_response : Response
        A beat per load, in order.
    m_axis_stored : error
        A beat per store, in order, once memory has answered.
    m_axi_... : AXI4, 32 bits of data
    counters : Out(CacheCounters)

    Latency
    -------
    2 cycles more than that of the cache: a register in front, one behind.
    """

    parts = {REQUEST: "link", RESPONSE: "link", STORED: "link", "cache": SparseCache}

    def __init__(self, config: CacheConfig):
        streams = [
            AXIStream(REQUEST, Request(config.addr_width)),
            AXIStream(RESPONSE, Response),
            AXIStream(STORED, data.StructLayout({"error": 1})),
        ]
        memory = flat("m_axi", AXI4(config.addr_width))
        super().__init__(config, streams, memory | {"counters": Out(CacheCounters(config))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self.clock(m, platform)
        m.submodules.cache = cache = SparseCache(self.config)
        request, _ = self.enter(m, REQUEST)
        connect(m, request, cache.i)
        self.leave(m, RESPONSE, cache.o, cache.o.payload.as_value())
        self.leave(m, STORED, cache.o_stores, cache.o_stores.payload.as_value())
        m.d.comb += [self.refused.eq(self.stray), self.counters.eq(cache.counters)]
        m.d.comb += joined(self, "m_axi", cache.axi, AXI4(self.config.addr_width))
        return m


class AXIStreamTCAM(AXIStreamPorts):
    """`TCAM` or `MemoryTCAM` between streams of AXI4-Stream: keys in, what matches out, for each port; and writes.

    A search happens in the cycle in which its key is taken, a write in that of its beat: a key that is taken in a later
    cycle meets what was written (of a TCAM in memory: an entry that answers some cycles later, see there). In the same
    cycle a TCAM in flip-flops still searches what was there before; one in memory leaves entries out that are being
    written or cleared.

    Parameters
    ----------
    config : TCAMConfig

    Members
    -------
    aclk, aresetn, refused : as of `AXIStreamPorts`
    s_axis_write : value, mask, clear [entries bits], entry, write
        With `write`, `entry` takes `value` and `mask`; entries whose bit of `clear` is set become invalid, but for the
        one that is written. An entry that is none is refused.
    s_axis_key, m_axis_match : key; match [entries bits], index, hit
        Of the only port; of several, `s_axis_key0`, `m_axis_match0`, ...
    valid : Out(entries)
        Entries in use.

    Latency
    -------
    1 cycle more than that of the TCAM.
    """

    parts = {"tcam": TCAM} | {f"{MATCH}{port}": "link" for port in ("", *range(MOST_PORTS))}

    def __init__(self, config: TCAMConfig):
        self.ends = [(KEY, MATCH)] if config.ports == 1 else [(f"{KEY}{p}", f"{MATCH}{p}") for p in range(config.ports)]
        width, entries = config.width, config.entries
        write = {"value": width, "mask": width, "clear": entries, "entry": config.index_bits, "write": 1}
        self.answer = data.StructLayout({"match": entries, "index": config.index_bits, "hit": 1})
        streams = [AXIStream(WRITE, data.StructLayout(write))]
        for key, match in self.ends:
            streams += [AXIStream(key, data.StructLayout({"key": width})), AXIStream(match, self.answer)]
        super().__init__(config, streams, {"valid": Out(entries)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self.clock(m, platform)
        config = self.config
        m.submodules.tcam = tcam = MemoryTCAM(config) if config.memory else TCAM(config)
        beat, wrong = from_bytes(self.port(WRITE, "tdata"), self.streams[WRITE].layout)
        fields = data.View(self.streams[WRITE].layout, beat)
        if config.entries < 1 << config.index_bits:
            wrong = wrong | (fields.write & (fields.entry >= config.entries))
        taken = self._taken(m, WRITE, tcam.ready if config.memory else 1, wrong)
        for i in range(config.entries):
            m.d.comb += [
                tcam.write[i].eq(taken & fields.write & (fields.entry == i)),
                tcam.clear[i].eq(taken & fields.clear[i]),
            ]
        m.d.comb += [tcam.value.eq(fields.value), tcam.mask.eq(fields.mask), self.valid.eq(tcam.valid)]
        for port, (key, match) in enumerate(self.ends):
            asked, *answer = (
                end if config.memory else end[port] for end in (tcam.key, tcam.match, tcam.index, tcam.hit)
            )
            self._search(m, key, match, asked, Cat(answer))
        m.d.comb += self.refused.eq(self.stray)
        return m

    def _taken(self, m: Module, name: str, free: Value | int, wrong: Value) -> Value:
        """Whether a beat is taken and right. One that is wrong is dropped, and is the last one."""
        given = self.port(name, "tvalid") & self.port(name, "tready")
        refused = self.refuse(m, name, given & wrong)
        m.d.comb += self.port(name, "tready").eq(free & ~refused)
        return given & ~wrong

    def _search(self, m: Module, key: str, match: str, asked: Value, answer: Value) -> None:
        latency = self.config.latency
        m.submodules[match] = queue = PromisedQueue(len(answer), 1 << (latency + 1).bit_length())
        beat, wrong = from_bytes(self.port(key, "tdata"), self.streams[key].layout)
        taken = self._taken(m, key, queue.room, wrong)
        arrives: Value = taken
        for i in range(latency):
            register = Signal(name=f"{key}_{i}")
            m.d.sync += register.eq(arrives)
            arrives = register
        m.d.comb += [
            asked.eq(beat),
            queue.promise.eq(taken),
            queue.write.eq(arrives),
            queue.data.eq(answer),
            self.port(match, "tvalid").eq(queue.o.valid),
            self.port(match, "tdata").eq(to_bytes(queue.o.payload, self.answer)),
            self.port(match, "tlast").eq(1),
            queue.o.ready.eq(self.port(match, "tready")),
        ]
