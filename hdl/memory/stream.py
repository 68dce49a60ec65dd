# SPDX-License-Identifier: Apache-2.0
"""What is read ahead: chunk after chunk from an SDRAM into memories, while the chunk before is in use."""

import enum
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.stream import AHEAD, CHUNK, WeightStreamConfig

from .ports import SdramBurst

ChunkLayout = data.StructLayout({name: field.width for name, field in CHUNK.fields.items()})
"""An entry of the list of chunks."""


def word_members(config: WeightStreamConfig) -> dict[str, wiring.Member]:
    """The ports that words for memories come from: `write`, `memory`, `address`, `data`."""
    return {
        "write": Out(1),
        "memory": Out(Memory),
        "address": Out(range(config.deepest)),
        "data": Out(config.widest * config.sdram.chip.width),
    }


def word_in(config: WeightStreamConfig, memory: Memory, data: Value) -> Value:
    """The word of `memory` in `data`: the SDRAM's words of it came last, so that they are the highest."""
    below = config.widest - config.words_per_word(memory)
    return data[below * config.sdram.chip.width :][: 8 * config.targets[memory][0]]


class StreamState(enum.Enum):
    """Stopped; the address of an entry is out; the entry is here; wait for room; words come."""

    STOPPED = 0
    FETCH = 1
    TAKE = 2
    WAIT = 3
    RECEIVE = 4


class WeightStream(wiring.Component):
    """Loads the chunks of a list (`sysmt.hdl.params.stream`) in order, as far ahead as there is room.

    Parameters
    ----------
    config : WeightStreamConfig

    Members
    -------
    enable : In(1)
        While high, chunks are loaded, from the first of the list on. When it falls the chunk under way is received to
        its end, and all are forgotten, even if it rises again before that.
    stopped : Out(1)
        Not enabled, and no words are under way: the list and the SDRAM may be written.
    entry_address, entry : Out(range(chunks)), In(ChunkLayout)
        Port of the list; an entry comes one cycle after its address.
    o_burst : Out(stream of SdramBurst)
    i_words : In(stream of width bits), always ready
        To and from the controller.
    write, memory, address : Out(1), Out(Memory), Out(range(deepest))
        A word for a memory. Never stalls.
    data : Out(widest words of the SDRAM)
        That word is `word_in(config, memory, data)`.
    ready : Out(1)
        The next chunk in order is in the memories. After `freed`, this is about the one behind it.
    freed : In(1)
        High for one cycle, while `ready` is: the chunk will not be read again.
    error : Out(1)
        Since `enable` rose: an entry was no part of the SDRAM, or for another memory, and counts as empty; or a word
        had no place in its memory, or not all its words; such a word is dropped.

    Latency
    -------
    `ready` rises 2 cycles after the last word of a chunk came; the next burst is offered 3 cycles after it, and 1 cycle
    after `freed`.
    """

    block = "memory controller"

    def __init__(self, config: WeightStreamConfig):
        self.config = config
        chip = config.sdram.chip
        super().__init__(
            {
                "enable": In(1),
                "stopped": Out(1),
                "entry_address": Out(range(config.chunks)),
                "entry": In(ChunkLayout),
                "o_burst": Out(stream.Signature(SdramBurst(chip))),
                "i_words": In(stream.Signature(chip.width, always_ready=True)),
                **word_members(config),
                "ready": Out(1),
                "freed": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        chip = config.sdram.chip
        state = Signal(StreamState)
        # Of the entry: what is left of it, and how it ends.
        chunk = Signal(
            data.StructLayout(
                {
                    "address": chip.address_bits,
                    "words": chip.address_bits + 1,
                    # A bit more than the entry has: behind its last word the next is not word 0.
                    "first": 25,
                    "alone": 1,
                    "last": 1,
                    "memory": 3,
                    "more": 1,
                }
            )
        )
        known = Cat(
            (self.entry.memory == memory) & (self.entry.more if memory == Memory.ACTIVATIONS else 1)
            for memory in config.targets
        ).any()
        legal = known & (self.entry.address < 1 << chip.address_bits) & (self.entry.words <= 1 << chip.address_bits)
        held, ends = Signal(range(AHEAD + 1)), Signal()
        room = Signal()
        # Enabled ever since the first chunk was asked for.
        begun, live = Signal(), Signal()
        m.d.sync += begun.eq(live)
        m.d.comb += [
            live.eq(begun & self.enable),
            self.ready.eq((held != 0) & live),
            self.stopped.eq(state == StreamState.STOPPED),
            room.eq((held == 0) | ((held != AHEAD) & ~chunk.alone)),
            self.o_burst.valid.eq((state == StreamState.WAIT) & room & (chunk.words != 0)),
            self.o_burst.payload.address.eq(chunk.address),
            self.o_burst.payload.length.eq(chunk.words),
        ]
        with m.Switch(state):
            with m.Case(StreamState.STOPPED):
                m.d.sync += [self.entry_address.eq(0), held.eq(0)]
                with m.If(self.enable):
                    m.d.sync += [state.eq(StreamState.FETCH), self.error.eq(0), begun.eq(1)]
            with m.Case(StreamState.FETCH):
                m.d.sync += state.eq(StreamState.TAKE)
            with m.Case(StreamState.TAKE):
                m.d.sync += [field.eq(self.entry[name]) for name, field in _fields(chunk)]
                m.d.sync += state.eq(StreamState.WAIT)
                with m.If(~legal):
                    m.d.sync += [chunk.words.eq(0), self.error.eq(1)]
            with m.Case(StreamState.WAIT):
                with m.If(self.o_burst.valid & self.o_burst.ready):
                    m.d.sync += state.eq(StreamState.RECEIVE)
                with m.If(room & (chunk.words == 0)):
                    m.d.comb += ends.eq(1)
                # What was offered stays, until it is taken.
                with m.If(~live & ~self.o_burst.valid):
                    m.d.sync += state.eq(StreamState.STOPPED)
            with m.Case(StreamState.RECEIVE):
                m.d.comb += ends.eq(self.i_words.valid & (chunk.words == 1))
        with m.If(ends):
            m.d.sync += [
                self.entry_address.eq(self.entry_address + 1),
                state.eq(StreamState.FETCH),
            ]
            with m.If(chunk.last):
                m.d.sync += self.entry_address.eq(0)
            with m.If(~live):
                m.d.sync += state.eq(StreamState.STOPPED)
        with m.If(self.i_words.valid):
            m.d.sync += chunk.words.eq(chunk.words - 1)
        complete = self._words(m, chunk, live)
        with m.If(ends & self.i_words.valid & live & ~complete):
            m.d.sync += self.error.eq(1)
        # The last word is written one cycle after it came.
        loaded = Signal()
        m.d.sync += loaded.eq(ends & live & ~chunk.more)
        with m.If(state != StreamState.STOPPED):
            m.d.sync += held.eq(held + loaded - (self.freed & self.ready))
        return m

    def _words(self, m: Module, chunk: Any, live: Value) -> Value:
        """Words of memories from words of the SDRAM; returns whether one is complete. None is unless `live`."""
        config, word = self.config, self.i_words.payload
        complete, inside = Signal(), Signal()
        count = Signal(range(max(config.widest, 2)))
        with m.Switch(chunk.memory):
            for memory, (_, words) in config.targets.items():
                number = config.words_per_word(memory)
                with m.Case(memory):
                    m.d.comb += [
                        complete.eq(self.i_words.valid & live & (count == number - 1)),
                        inside.eq(chunk.first < words),
                    ]
        with m.If(self.i_words.valid):
            m.d.sync += [self.data.eq(Cat(self.data, word)[len(word) :]), count.eq(count + 1)]
        with m.If(complete | ~live):
            m.d.sync += count.eq(0)
        m.d.sync += [
            self.write.eq(complete & inside),
            self.memory.eq(chunk.memory),
            self.address.eq(chunk.first),
        ]
        with m.If(complete):
            m.d.sync += [chunk.first.eq(chunk.first + 1), self.error.eq(self.error | ~inside)]
        return complete


def _fields(struct: Any) -> list[tuple[str, Value]]:
    """Names and fields of a structure."""
    return [(name, struct[name]) for name, _ in struct.shape()]
