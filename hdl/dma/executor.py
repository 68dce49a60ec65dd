# SPDX-License-Identifier: Apache-2.0
"""Does the commands of a list, one after the other (`sysmt.hdl.params.command_list`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.accel.ports import layout
from sysmt.hdl.bus.ports import ADDRESS_WIDTH, BEATS_WIDTH, Burst, read_beat
from sysmt.hdl.params.command_list import COMMAND_BYTES, COMMAND_WIDTH, ListError, ListOpcode, beats_of
from sysmt.hdl.params.fields import PackedRecord

NUMBER_WIDTH = 32
"""Bits of a number of commands."""


class Executor(wiring.Component):
    """Fetches commands and data as one stream of beats, and hands out words, runs and reads.

    Parameters
    ----------
    data_width : int
        Bits of a beat.
    words : sequence of (bytes, depth)
        Of every memory that WRITE fills, by target.
    records : mapping of ListOpcode to PackedRecord
        The commands.

    Members
    -------
    start, list_address, list_commands : In(1), In(32), In(32)
        A list begins, in a cycle that is not `busy`; it has a command at least.
    busy, done, failed : Out(1)
        A list is under way; high for one cycle: it ended well, or before its end.
    error, number, left : Out(ListError), Out(32), Out(32)
        Why the last list failed; the command under way, counted from 0; how many are left.
    o_request : Out(stream of Burst)
        What is fetched next.
    i_beats : In(stream of read_beat)
        The beats of all bursts, in order.
    command : Out(bits of a command)
        Stable from two cycles before it is looked at.
    legal : In(1)
        The RUN or READ in `command` of a cycle ago can be done.
    ready : In(1)
        What `command` needs is there.
    quiet : In(1)
        No run is unfinished, no result under way.
    trouble : In(ListError)
        What went wrong elsewhere: ends the list.
    run_failed : In(1)
        The last run failed: no RUN and no READ is done, and the list does not end well.
    o_write : Out(stream)
        A word, its place (of the half), and its memory.
    o_run : Out(stream without payload)
    o_read : Out(stream without payload)
        The command is done.
    """

    block = "link"

    def __init__(self, data_width: int, words: Sequence[tuple[int, int]], records: Mapping[ListOpcode, PackedRecord]):
        self.data_width, self.words = data_width, tuple(words)
        self.layouts = {opcode: layout(record) for opcode, record in records.items()}
        self.beats = [beats_of(size, data_width) if size else 0 for size, _ in words]
        word = data.StructLayout(
            {
                "memory": range(len(words)),
                "address": range(max(depth for _, depth in words)),
                "word": 8 * max(size for size, _ in words),
            }
        )
        super().__init__(
            {
                "start": In(1),
                "list_address": In(ADDRESS_WIDTH),
                "list_commands": In(NUMBER_WIDTH),
                "busy": Out(1),
                "done": Out(1),
                "failed": Out(1),
                "error": Out(ListError),
                "number": Out(NUMBER_WIDTH),
                "left": Out(NUMBER_WIDTH),
                "o_request": Out(stream.Signature(Burst)),
                "i_beats": In(stream.Signature(read_beat(data_width))),
                "command": Out(COMMAND_WIDTH),
                "legal": In(1),
                "ready": In(1),
                "quiet": In(1),
                "trouble": In(ListError),
                "run_failed": In(1),
                "o_write": Out(stream.Signature(word)),
                "o_run": Out(stream.Signature(0)),
                "o_read": Out(stream.Signature(0)),
            }
        )

    def _view(self, opcode: ListOpcode) -> data.View:
        shape = self.layouts[opcode]
        return data.View(shape, self.command[: shape.size])

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        per_command = COMMAND_WIDTH // self.data_width
        pointer, fetched = Signal(ADDRESS_WIDTH), Signal(range(per_command))
        wrong = Signal(ListError)  # What was wrong with the beats of the command under way.
        ahead = Signal()  # The next command has been asked for.
        beat = self.i_beats
        request = self.o_request
        next_command = [request.payload.address.eq(pointer), request.payload.beats.eq(per_command)]
        last_beat = fetched == per_command - 1

        def fail(error: Any) -> None:
            m.d.sync += self.error.eq(error)
            m.next = "settle"
            with m.If(ahead):
                m.next = "discard"

        write, known = self._view(ListOpcode.WRITE), Signal()
        m.d.comb += self.busy.eq(1)
        with m.Switch(write.target):
            for target, (size, _) in enumerate(self.words):
                if size:
                    with m.Case(target):
                        m.d.comb += known.eq(1)
        misaligned = write.address[: (self.data_width // 8 - 1).bit_length()] != 0  # READ has its address there, too.
        store = self._store(m, wrong)
        # Behind the data, so that the way of the next command costs nothing; while they are taken, since a bus may take
        # a request only when those before it are done.
        asks = Signal()
        with m.FSM(name="state") as machine:
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                m.d.sync += [pointer.eq(self.list_address), fetched.eq(0), ahead.eq(0), wrong.eq(ListError.NONE)]
                with m.If(self.start):
                    m.d.sync += [self.left.eq(self.list_commands), self.number.eq(0), self.error.eq(ListError.NONE)]
                    m.next = "ask"
                    with m.If(self.list_address[: (COMMAND_BYTES - 1).bit_length()] != 0):
                        m.d.sync += self.error.eq(ListError.ALIGNMENT)
                        m.next = "settle"
            with m.State("ask"):
                m.d.comb += [request.valid.eq(1), *next_command]
                with m.If(request.ready):
                    m.d.sync += pointer.eq(pointer + COMMAND_BYTES)
                    m.next = "command"
            with m.State("command"):
                m.d.comb += beat.ready.eq(1)
                with m.If(beat.valid):
                    m.d.sync += [
                        self.command.eq(Cat(self.command[self.data_width :], beat.payload.data)),
                        fetched.eq(Mux(last_beat, 0, fetched + 1)),
                        ahead.eq(0),
                    ]
                    with m.If(beat.payload.error):
                        m.d.sync += wrong.eq(ListError.BUS_READ)
                    with m.If(last_beat):
                        m.next = "look"
            with m.State("look"):
                m.next = "compare"
            with m.State("compare"):
                # What is registered of the command, such as `legal`, is there in the next cycle.
                m.next = "do"
            with m.State("do"):
                opcode = self.command[:8]
                with m.If(wrong != ListError.NONE):
                    fail(wrong)
                with m.Elif(self.trouble != ListError.NONE):
                    fail(self.trouble)
                with m.Elif(opcode == ListOpcode.WRITE):
                    with m.If(~known):
                        fail(ListError.COMMAND)
                    with m.Elif(write.beats == 0):
                        fail(ListError.ARGUMENT)
                    with m.Elif(misaligned):
                        fail(ListError.ALIGNMENT)
                    with m.Elif(self.ready):
                        m.next = "fetch"
                with m.Elif((opcode != ListOpcode.RUN) & (opcode != ListOpcode.READ)):
                    fail(ListError.COMMAND)
                with m.Elif((opcode == ListOpcode.READ) & misaligned):
                    fail(ListError.ALIGNMENT)
                with m.Elif(self.run_failed):
                    fail(ListError.RUN)
                with m.Elif(~self.legal):
                    fail(ListError.ARGUMENT)
                with m.Elif(self.ready):
                    out = {ListOpcode.RUN: self.o_run, ListOpcode.READ: self.o_read}
                    for which, stream_out in out.items():
                        m.d.comb += stream_out.valid.eq(opcode == which)
                        with m.If(stream_out.valid & stream_out.ready):
                            m.next = "next"
            with m.State("fetch"):
                m.d.comb += [
                    request.valid.eq(1),
                    request.payload.address.eq(write.address),
                    request.payload.beats.eq(write.beats),
                    store["begins"].eq(1),
                ]
                with m.If(request.ready):
                    m.next = "data"
            with m.State("data"):
                m.d.comb += [beat.ready.eq(store["ready"]), store["taken"].eq(beat.valid & beat.ready)]
                with m.If(store["taken"] & store["last"]):
                    m.next = "stored"
            with m.State("stored"), m.If((~self.o_write.valid | self.o_write.ready) & ~asks):
                m.next = "next"
                with m.If(wrong != ListError.NONE):
                    fail(wrong)
            with m.State("next"):
                m.d.sync += [self.left.eq(self.left - 1), self.number.eq(self.number + 1)]
                m.next = "ask"
                with m.If(ahead):
                    m.next = "command"
                with m.If(self.left == 1):
                    m.next = "finish"
            with m.State("finish"), m.If(self.quiet):
                with m.If(self.trouble != ListError.NONE):
                    fail(self.trouble)
                with m.Elif(self.run_failed):
                    fail(ListError.RUN)
                with m.Else():
                    m.d.comb += self.done.eq(1)
                    m.next = "idle"
            with m.State("discard"):
                m.d.comb += beat.ready.eq(1)
                with m.If(beat.valid):
                    m.d.sync += fetched.eq(fetched + 1)
                    with m.If(last_beat):
                        m.next = "settle"
            with m.State("settle"), m.If(self.quiet):
                m.d.comb += self.failed.eq(1)
                m.next = "idle"
        m.d.comb += asks.eq((machine.ongoing("data") | machine.ongoing("stored")) & (self.left != 1) & ~ahead)
        with m.If(asks):
            m.d.comb += [request.valid.eq(1), *next_command]
            with m.If(request.ready):
                m.d.sync += [pointer.eq(pointer + COMMAND_BYTES), ahead.eq(1)]
        return m

    def _store(self, m: Module, wrong: Signal) -> dict[str, Signal]:
        """Beats into words, words into their memory.

        Returns the signals `begins` and `taken` (to be driven: the data of a command begin, a beat is taken), `ready`
        and `last`.
        """
        write, beat, out = self._view(ListOpcode.WRITE), self.i_beats.payload, self.o_write
        left, address = Signal(BEATS_WIDTH), Signal(ADDRESS_WIDTH)
        parts, part = Signal(self.data_width * max(self.beats)), Signal(range(max(self.beats) + 1))
        whole, inside = Signal(), Signal()
        signals = {name: Signal(name=name) for name in ("begins", "taken", "ready", "last")}
        with m.Switch(write.target):
            for target, (beats, (size, depth)) in enumerate(zip(self.beats, self.words, strict=True)):
                if size:
                    with m.Case(target):
                        m.d.comb += [
                            whole.eq(part == beats - 1),
                            inside.eq(address < depth),
                            out.payload.word.eq(parts[-self.data_width * beats :][: 8 * size]),
                        ]
        m.d.comb += [
            out.payload.memory.eq(write.target),
            signals["ready"].eq(~out.valid | out.ready),
            signals["last"].eq(left == 1),
        ]
        with m.If(out.ready):
            m.d.sync += out.valid.eq(0)
        with m.If(signals["begins"]):
            m.d.sync += [left.eq(write.beats), address.eq(write.first), part.eq(0)]
        with m.If(signals["taken"]):
            m.d.sync += [
                parts.eq(Cat(parts[self.data_width :], beat.data)),
                part.eq(Mux(whole, 0, part + 1)),
                left.eq(left - 1),
            ]
            with m.If(whole):
                m.d.sync += [out.valid.eq(inside), out.payload.address.eq(address), address.eq(address + 1)]
            with m.If(beat.error):
                m.d.sync += wrong.eq(ListError.BUS_READ)
            with m.Elif((wrong == ListError.NONE) & ((whole & ~inside) | (signals["last"] & ~whole))):
                m.d.sync += wrong.eq(ListError.ARGUMENT)
        return signals
