# SPDX-License-Identifier: Apache-2.0
"""A ternary content-addressable memory in flip-flops: every entry compares itself with the key, all at once."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import shared
from sysmt.hdl.params.cache import TCAMConfig


def select(vector: Value, values: list) -> Value:
    """The value whose bit is set in `vector`; zero when none is, the OR of several."""
    return reduce(or_, (value & vector[i].replicate(len(value)) for i, value in enumerate(values)))


def lowest(vector: Value) -> Value:
    """The lowest set bit of `vector`, alone."""
    return vector & (~vector + 1)[: len(vector)]


def encode(vector: Value) -> Value:
    """The index of the only set bit of `vector`; zero when none is."""
    bits = ([vector[i] for i in range(len(vector)) if i >> b & 1] for b in range((len(vector) - 1).bit_length()))
    return Cat(reduce(or_, chosen) for chosen in bits)


class TCAMEntry(wiring.Component):
    """One entry of a TCAM: two flip-flops a bit and a comparator per port. All entries are one module.

    Members
    -------
    key : In(width) per port
        What is looked for.
    found : Out(ports)
        The entry is valid and matches.
    write, value, mask, clear : In
        As those of `TCAM`, for this entry.
    valid, held_value, held_mask : Out
        What it holds.

    Latency
    -------
    None from `key` to `found`.
    """

    def __init__(self, config: TCAMConfig):
        self.config = config
        width = config.width
        super().__init__(
            {
                "key": In(width).array(config.ports),
                "found": Out(config.ports),
                "write": In(1),
                "value": In(width),
                "mask": In(width),
                "clear": In(1),
                "valid": Out(1),
                "held_value": Out(width),
                "held_mask": Out(width),
            }
        )

    @staticmethod
    def module_name(_: TCAMConfig) -> str:
        """Name of the shared module in an emitted design."""
        return "tcam_entry"

    def elaborate(self, platform):
        m = Module()
        # No reset: what they hold means nothing until the entry is valid, and 2 * width flip-flops stay small.
        value = Signal(self.config.width, reset_less=True)
        mask = Signal(self.config.width, reset_less=True)
        with m.If(self.write):
            m.d.sync += [value.eq(self.value), mask.eq(self.mask)]
        m.d.sync += self.valid.eq(self.valid & ~self.clear | self.write)
        m.d.comb += [self.held_value.eq(value), self.held_mask.eq(mask)]
        m.d.comb += [
            self.found[port].eq(self.valid & (((self.key[port] ^ value) & ~mask) == 0))
            for port in range(self.config.ports)
        ]
        return m


class TCAM(wiring.Component):
    """Ternary CAM: an entry is a value and a mask, and matches a key that equals the value wherever the mask is 0.

    One search per port and cycle, one write and any number of invalidations per cycle. An entry that is written or
    invalidated answers accordingly from the next cycle on.

    Parameters
    ----------
    config : TCAMConfig
        Entries, width, search ports and latency.

    Members
    -------
    key : In(width) per port
        What is looked for.
    match : Out(entries) per port
        The entries that match.
    hit : Out(1) per port
        Some entry matches.
    index : Out(clog2(entries)) per port
        The lowest entry that matches, 0 when none does.
    write : In(entries)
        Entries that take `value` and `mask` and become valid: one bit, or none.
    value, mask : In(width)
        What is written. A mask bit of 1 means "any".
    clear : In(entries)
        Entries that become invalid; writing wins.
    valid : Out(entries)
        Entries in use.
    values, masks : Out(width) per entry
        Content of all entries, for those who reason about coverage; leave unconnected otherwise.

    Latency
    -------
    `config.latency` cycles from `key` to `match`, `hit` and `index`: 1 puts a register behind the comparison, 2 one
    more behind the encoder.

    Limits
    ------
    Cannot stall. Area grows with entries x width: two flip-flops a bit.
    """

    block = "tcam"

    def __init__(self, config: TCAMConfig):
        self.config = config
        n, width = config.entries, config.width
        super().__init__(
            {
                "key": In(width).array(config.ports),
                "match": Out(n).array(config.ports),
                "hit": Out(1).array(config.ports),
                "index": Out(config.index_bits).array(config.ports),
                "write": In(n),
                "value": In(width),
                "mask": In(width),
                "clear": In(n),
                "valid": Out(n),
                "values": Out(width).array(n),
                "masks": Out(width).array(n),
            }
        )

    def elaborate(self, platform):
        m = Module()
        n, ports = self.config.entries, range(self.config.ports)
        entries = [shared(m, f"entry_{i}", TCAMEntry, self.config, platform) for i in range(n)]
        for i, entry in enumerate(entries):
            m.d.comb += [entry.key[port].eq(self.key[port]) for port in ports]
            m.d.comb += [
                entry.write.eq(self.write[i]),
                entry.value.eq(self.value),
                entry.mask.eq(self.mask),
                entry.clear.eq(self.clear[i]),
                self.valid[i].eq(entry.valid),
                self.values[i].eq(entry.held_value),
                self.masks[i].eq(entry.held_mask),
            ]
        for port in ports:
            match = found = Cat(entry.found[port] for entry in entries)
            if self.config.latency > 0:
                match = Signal(n, name=f"match_{port}")
                m.d.sync += match.eq(found)
            first = Signal(n, name=f"first_{port}")
            m.d.comb += first.eq(lowest(match))
            m.d["sync" if self.config.latency > 1 else "comb"] += [
                self.match[port].eq(match),
                self.hit[port].eq(match.any()),
                self.index[port].eq(encode(first)),
            ]
        return m
