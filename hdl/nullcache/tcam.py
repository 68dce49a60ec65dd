# SPDX-License-Identifier: Apache-2.0
"""A ternary content-addressable memory in flip-flops: every entry compares itself with the key, all at once."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config_cache import TCAMConfig


def select(vector: Value, values: list) -> Value:
    """The value whose bit is set in `vector`; zero when none is, the OR of several."""
    return reduce(or_, (value & vector[i].replicate(len(value)) for i, value in enumerate(values)))


def lowest(vector: Value) -> Value:
    """The lowest set bit of `vector`, alone."""
    return vector & (~vector + 1)[: len(vector)]


def encode(vector: Value) -> Value:
    """The index of the only set bit of `vector`; zero when none is."""
    width = max(1, (len(vector) - 1).bit_length())
    bits = ([vector[i] for i in range(len(vector)) if i >> b & 1] for b in range(width))
    return Cat(reduce(or_, chosen) if chosen else Const(0, 1) for chosen in bits)


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
        n, width = self.config.entries, self.config.width
        # No reset: what they hold means nothing until the entry is valid, and 2 * width flip-flops stay small.
        values = [Signal(width, name=f"value_{i}", reset_less=True) for i in range(n)]
        masks = [Signal(width, name=f"mask_{i}", reset_less=True) for i in range(n)]
        for i in range(n):
            with m.If(self.write[i]):
                m.d.sync += [values[i].eq(self.value), masks[i].eq(self.mask)]
            m.d.comb += [self.values[i].eq(values[i]), self.masks[i].eq(masks[i])]
        m.d.sync += self.valid.eq(self.valid & ~self.clear | self.write)
        for port in range(self.config.ports):
            found = Signal(n, name=f"found_{port}")
            for i in range(n):
                m.d.comb += found[i].eq(
                    self.valid[i] & (((self.key[port] ^ values[i]) & ~masks[i]) == 0)
                )
            match = found
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
