# SPDX-License-Identifier: Apache-2.0
"""Requests of the host: one request in, one response out, in order; what a run is, others say."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.protocol import HEADER, RESPONSE, RUN_WIDTH, Opcode, Status

from .link import Packet
from .ports import HEADER_BYTES, layout

REGISTER_BYTES = 4


class RequestServer(wiring.Component):
    """Does what good frames say, and answers each with a status.

    A run is named by its number, never "the next one", so that a request that comes twice does nothing twice:

    - a write or a run whose number was issued already is answered and not done again;
    - a write goes to the next run or the one after it, and waits until its half is free; words that are not in their
      memory are not written, and it is `REFUSED`;
    - a run is the next one, and waits until there is room for it;
    - a read waits for its run, and is `STALE` when another run may have written over the results.

    Every wait ends by itself: it is for a run whose operands are all resident.

    A subclass says what a legal run is (`_legality`), and may refuse more writes (`_check_write`).

    Parameters
    ----------
    arguments : dict of Opcode to StructLayout
        Of every request; all have `run` but SYNC and REGISTERS, WRITE has `target` and `address`.
    words : sequence of (bytes, depth)
        Of every memory that is written, by target: of a word, and how many there are (of a half).
    ports : dict
        Members of the subclass.

    Members
    -------
    i, o : In(stream of Packet), Out(stream of Packet)
        Requests and responses.
    issued, finished : In(16)
    o_run : Out(stream of arguments of RUN)
    word, address, half : Out(bits of the widest word), Out(bits of an address), Out(1)
        What is written, and where; a memory takes the highest bytes of `word`.
    write : Out(number of memories)
        High for one cycle: one bit per memory.
    number, value : Out(8), In(32)
        A register; its value may come one cycle after its number.
    read, start, size, illegal, i_bytes : Out(arguments of READ), Out(1), In(16), In(1), In(stream of 8 bits)
        The reader of results.
    """

    block = "link"

    def __init__(
        self,
        arguments: dict[Opcode, data.StructLayout],
        words: Sequence[tuple[int, int]],
        ports: dict[str, Any] | None = None,
    ):
        self.arguments, self.words = arguments, tuple(words)
        sizes = [size for size, _ in words]
        super().__init__(
            {
                "i": In(stream.Signature(Packet)),
                "o": Out(stream.Signature(Packet)),
                "issued": In(RUN_WIDTH),
                "finished": In(RUN_WIDTH),
                "o_run": Out(stream.Signature(arguments[Opcode.RUN])),
                "word": Out(8 * max(sizes)),
                "address": Out(arguments[Opcode.WRITE]["address"].width),
                "half": Out(1),
                "write": Out(len(sizes)),
                "number": Out(8),
                "value": In(32),
                "read": Out(arguments[Opcode.READ]),
                "start": Out(1),
                "size": In(16),
                "illegal": In(1),
                "i_bytes": In(stream.Signature(8)),
            }
            | (ports or {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        head = Signal(8 * HEADER_BYTES)
        # None of these when the type is unknown.
        opcode_is = {command: Signal(name=f"does_{command.name.lower()}") for command in Opcode}
        longest = max(shape.size for shape in self.arguments.values())
        arguments = Signal(longest)
        left = Signal(range(max(longest // 8, HEADER_BYTES) + 1))
        status = Signal(Status)
        arguments_of = {
            command: data.View(shape, arguments[-shape.size :]) for command, shape in self.arguments.items()
        }
        byte, last = self.i.payload.data, self.i.payload.last

        writes, runs, reads = arguments_of[Opcode.WRITE], arguments_of[Opcode.RUN], arguments_of[Opcode.READ]
        run = Signal(RUN_WIDTH)
        for command in (Opcode.WRITE, Opcode.RUN, Opcode.READ):
            with m.If(opcode_is[command]):
                m.d.comb += run.eq(arguments_of[command].run)
        # As they were a cycle ago, which is safe: a run is issued here only, and one that finishes is only waited for.
        ahead, unfinished, behind = (Signal(RUN_WIDTH, name=n) for n in ("ahead", "unfinished", "behind"))
        m.d.sync += [
            ahead.eq(run - self.issued),
            behind.eq(self.issued - run),
            unfinished.eq(self.issued - self.finished),
        ]
        m.d.comb += [
            self.o_run.payload.eq(runs),
            self.read.eq(reads),
            self.half.eq(writes.run[0]),
        ]
        repeated = (ahead == 0) | ahead[-1]
        legal = self._legality(m, runs)
        most = max(size for size, _ in self.words)
        word_bytes = Signal(range(most + 1), name="_word_bytes")
        bytes_left = Signal(range(most), name="_bytes_left")
        written, inside = Signal(name="_written"), Signal(name="_inside")
        m.d.sync += written.eq(0)
        with m.Switch(writes.target):
            for i, (size, depth) in enumerate(self.words):
                with m.Case(i):
                    m.d.comb += [
                        word_bytes.eq(size),
                        inside.eq((self.address < depth) & (status == Status.OK)),
                        self.write[i].eq(written & inside),
                    ]
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.sync += left.eq(HEADER_BYTES - 1)
                with m.If(self.i.valid):
                    m.next = "head"
            with m.State("head"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [head.eq(Cat(head[8:], byte)), left.eq(left - 1), status.eq(Status.MALFORMED)]
                    with m.If(left == 0):
                        # The type arrived first and sits one byte up in the register that this byte completes.
                        m.d.sync += [does.eq(head[8:16] == command) for command, does in opcode_is.items()]
                        m.next = "drain"
                    with m.If(last):
                        m.next = "answer"
                    with m.Elif(left == 0), m.Switch(head[8:16]):
                        for command, shape in self.arguments.items():
                            with m.Case(command):
                                m.d.sync += left.eq(shape.size // 8 - 1)
                                m.next = "arguments"
            with m.State("arguments"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [arguments.eq(Cat(arguments[8:], byte)), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "drain"
                        with m.If(opcode_is[Opcode.WRITE] != last):
                            m.next = "compare"
                    with m.If(last & ((left != 0) | opcode_is[Opcode.WRITE])):
                        m.next = "answer"
            with m.State("compare"):
                # The run is known; `ahead` and what is compared beside it are in the next cycle.
                m.next = "check"
            with m.State("check"):
                m.d.sync += status.eq(Status.OK)
                m.next = "answer"
                with m.If(opcode_is[Opcode.WRITE]):
                    m.d.sync += [self.address.eq(writes.address), bytes_left.eq(word_bytes - 1)]
                    self._check_write(m, writes, ahead, repeated, unfinished, word_bytes == 0, status)
                with m.If(opcode_is[Opcode.RUN]):
                    self._check_run(m, legal, ahead, repeated, status)
                with m.If(opcode_is[Opcode.READ]):
                    with m.If(self._refuses_read(behind)):
                        m.d.sync += status.eq(Status.REFUSED)
                    with m.Elif(behind > 1):
                        m.d.sync += status.eq(Status.STALE)
                    with m.Elif(behind < unfinished):
                        m.next = "check"
                    with m.Elif(self.illegal):  # What there is to read is known when the run is finished.
                        m.d.sync += status.eq(Status.REFUSED)
            self._take_data(m, word_bytes, bytes_left, written, status)
            with m.State("drain"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & last):
                    m.next = "answer"
            self._answer(m, head, opcode_is, status, arguments_of)
        with m.If(written):
            m.d.sync += self.address.eq(self.address + 1)
            with m.If(~inside):
                m.d.sync += status.eq(Status.REFUSED)
        return m

    def _check_write(
        self,
        m: Module,
        writes: data.View,
        ahead: Signal,
        repeated: Value,
        unfinished: Signal,
        no_target: Value,
        status: Signal,
    ) -> None:
        """Where the data of a write go: into their memory, nowhere, or on waiting."""
        with m.If(repeated):
            m.next = "drain"
        with m.Elif((ahead > 2) | no_target):
            m.d.sync += status.eq(Status.REFUSED)
            m.next = "drain"
        with m.Elif(ahead + unfinished <= 2):
            m.next = "data"
        with m.Else():
            m.next = "check"

    def _refuses_read(self, behind: Signal) -> Value:
        """Whether a read is refused of a run that is `behind` the last one that was issued."""
        return behind[-1]

    @abstractmethod
    def _legality(self, m: Module, runs: data.View) -> Value:
        """Whether the run of a cycle ago can be done: what would be refused for good is refused here."""

    def _check_run(self, m: Module, legal: Value, ahead: Signal, repeated: Value, status: Signal) -> None:
        with m.If(~repeated):
            with m.If((ahead != 1) | ~legal):
                m.d.sync += status.eq(Status.REFUSED)
            with m.Else():
                m.d.comb += self.o_run.valid.eq(1)
                with m.If(~self.o_run.ready):
                    m.next = "check"

    def _take_data(self, m: Module, word_bytes: Signal, bytes_left: Signal, written: Signal, status: Signal) -> None:
        """Whole words into their memory; a part of a word at the end is malformed."""
        with m.State("data"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                m.d.sync += [
                    self.word.eq(Cat(self.word[8:], self.i.payload.data)),
                    bytes_left.eq(bytes_left - 1),
                ]
                with m.If(bytes_left == 0):
                    m.d.sync += [written.eq(1), bytes_left.eq(word_bytes - 1)]
                with m.If(self.i.payload.last):
                    m.next = "answer"
                    with m.If(bytes_left != 0):
                        m.d.sync += status.eq(Status.MALFORMED)

    def _answer(
        self,
        m: Module,
        head: Signal,
        opcode_is: dict[Opcode, Signal],
        status: Signal,
        arguments_of: dict[Opcode, data.View],
    ) -> None:
        """Header and status, then what was asked for."""
        registers, nonce = arguments_of[Opcode.REGISTERS], arguments_of[Opcode.SYNC]
        size, left = Signal(16), Signal(16)
        place, part = Signal(range(HEADER_BYTES + 1)), Signal(range(REGISTER_BYTES))
        # The bytes to come of the nonce, or of a register; `number` is one ahead.
        rest = Signal(8 * REGISTER_BYTES)
        good = status == Status.OK
        length = size + 1
        with m.State("answer"):
            m.d.sync += [size.eq(0), place.eq(0), part.eq(0), self.number.eq(registers.first)]
            with m.If(good):
                with m.If(opcode_is[Opcode.SYNC]):
                    m.d.sync += size.eq(len(nonce.as_value()) // 8)
                with m.If(opcode_is[Opcode.REGISTERS]):
                    m.d.sync += size.eq(registers.count * REGISTER_BYTES)
                with m.If(opcode_is[Opcode.READ]):
                    m.d.sync += size.eq(self.size)
                    m.d.comb += self.start.eq(1)
            m.next = "response"
        with m.State("response"):
            m.d.sync += [left.eq(size), rest.eq(Mux(opcode_is[Opcode.SYNC], nonce.as_value(), self.value))]
            m.d.comb += self.o.valid.eq(1)
            with m.Switch(place):
                header = data.View(layout(HEADER), head)
                sequence = header.sequence
                answer = (header.type | RESPONSE, sequence[:8], sequence[8:], length[:8], length[8:16], status)
                for i, byte in enumerate(answer):
                    with m.Case(i):
                        m.d.comb += self.o.payload.data.eq(byte)
            m.d.comb += self.o.payload.last.eq((place == HEADER_BYTES) & (size == 0))
            with m.If(self.o.ready):
                m.d.sync += place.eq(place + 1)
                with m.If(place == HEADER_BYTES):
                    m.d.sync += self.number.eq(self.number + 1)
                    m.next = "idle"
                    with m.If(size != 0):
                        m.next = "body"
        with m.State("body"):
            m.d.comb += [self.o.valid.eq(1), self.o.payload.data.eq(rest[:8]), self.o.payload.last.eq(left == 1)]
            with m.If(opcode_is[Opcode.READ]):
                m.d.comb += [
                    self.o.payload.data.eq(self.i_bytes.payload),
                    self.o.valid.eq(self.i_bytes.valid),
                    self.i_bytes.ready.eq(self.o.ready),
                ]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += [left.eq(left - 1), part.eq(part + 1), rest.eq(rest >> 8)]
                with m.If(part == REGISTER_BYTES - 1):
                    m.d.sync += [rest.eq(self.value), self.number.eq(self.number + 1)]
                with m.If(self.o.payload.last):
                    m.next = "idle"
