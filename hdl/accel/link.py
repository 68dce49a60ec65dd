# SPDX-License-Identifier: Apache-2.0
"""Frames on a byte stream, whatever carries the bytes; `sysmt.hdl.params.protocol` describes them.

Of the framings that keep a delimiter unique this one (SLIP) needs no look-ahead, so no memory on the way out.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.protocol import END, ESC, ESC_END, ESC_ESC, HEADER

from .ports import CRC_BYTES, HEADER_BYTES

Packet = data.StructLayout({"data": unsigned(8), "last": unsigned(1)})
"""One byte of a frame between its delimiters, without checksum; `last` is high for the last byte of its frame."""


class FrameReceiver(wiring.Component):
    """Good frames out of a byte stream; everything else is dropped and counted.

    A frame is good when it fits in a slot, its length says how long it is and its checksum agrees. It is handed on as a
    whole and only then: nothing downstream ever sees a byte of a bad frame. A frame that comes while all slots are full
    is dropped too; the host's credit keeps that from happening.

    Parameters
    ----------
    slot, slots : int
        Bytes of a slot and number of slots, powers of two.

    Members
    -------
    i : In(stream of 8 bits)
        Always ready.
    o : Out(stream of Packet)
        Type, sequence number, length and payload of every good frame.
    dropped : Out(1)
        High for one cycle: a frame was dropped.
    """

    block = "link"

    def __init__(self, slot: int, slots: int):
        self.slot, self.slots = slot, slots
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(Packet)), "dropped": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.frames = frames = Memory(shape=8, depth=self.slot * self.slots, init=[])
        m.submodules.crc = crc = CRC32_ISO_HDLC().create()
        write, read = frames.write_port(), frames.read_port()
        fill, drain, held = Signal(range(self.slots)), Signal(range(self.slots)), Signal(range(self.slots + 1))
        # Place of the last byte of the frame in every slot.
        last_of = Signal(data.ArrayLayout(range(self.slot), self.slots))

        count, length = Signal(range(self.slot + 1)), Signal(HEADER.fields["length"].width)
        escaped, bad = Signal(), Signal()
        byte, takes = Signal(8), Signal()
        m.d.comb += [
            self.i.ready.eq(1),
            byte.eq(self.i.payload),
            crc.data.eq(byte),
            crc.valid.eq(takes),
            write.addr.eq(Cat(count[: (self.slot - 1).bit_length()], fill)),
            write.data.eq(byte),
            write.en.eq(takes & ~bad & (held != self.slots)),
        ]
        fits = count + 1 <= self.slot
        good = Signal()
        m.d.comb += good.eq(
            (count == length + HEADER_BYTES + CRC_BYTES) & crc.match_detected & ~bad & ~escaped & (held != self.slots)
        )
        commit, release = Signal(), Signal()
        with m.If(self.i.valid):
            with m.If(self.i.payload == END):
                m.d.comb += [crc.start.eq(1), commit.eq(good), self.dropped.eq(~good & ((count != 0) | bad))]
                m.d.sync += [count.eq(0), bad.eq(0), escaped.eq(0)]
            with m.Elif(escaped):
                m.d.comb += [takes.eq(1), byte.eq(END)]
                m.d.sync += escaped.eq(0)
                with m.If(self.i.payload == ESC_ESC):
                    m.d.comb += byte.eq(ESC)
                with m.Elif(self.i.payload != ESC_END):
                    m.d.sync += bad.eq(1)
            with m.Elif(self.i.payload == ESC):
                m.d.sync += escaped.eq(1)
            with m.Else():
                m.d.comb += takes.eq(1)
        with m.If(takes):
            with m.If(fits):
                m.d.sync += count.eq(count + 1)
            with m.Else():
                m.d.sync += bad.eq(1)
            with m.Switch(count):
                for i in range(len(length) // 8):
                    with m.Case(HEADER.offsets["length"] // 8 + i):
                        m.d.sync += length.word_select(i, 8).eq(byte)
        with m.If(commit):
            m.d.sync += [fill.eq(fill + 1), last_of[fill].eq(count - (CRC_BYTES + 1))]
        m.d.sync += held.eq(held + commit - release)

        # `ahead`: the byte that the memory shows next; one byte is held in its output.
        ahead = Signal(range(self.slot))
        final = ahead == last_of[drain]
        moves = ~self.o.valid | self.o.ready
        m.d.comb += [
            read.addr.eq(Cat(ahead[: (self.slot - 1).bit_length()], drain)),
            read.en.eq(moves),
            self.o.payload.data.eq(read.data),
            release.eq(moves & (held != 0) & final),
        ]
        with m.If(moves):
            m.d.sync += [self.o.valid.eq(held != 0), self.o.payload.last.eq(final)]
            with m.If(held != 0):
                m.d.sync += ahead.eq(ahead + 1)
        with m.If(release):
            m.d.sync += [ahead.eq(0), drain.eq(drain + 1)]
        return m


class FrameTransmitter(wiring.Component):
    """Frames onto a byte stream: delimiters, escapes and checksum around what comes in.

    Members
    -------
    i : In(stream of Packet)
    o : Out(stream of 8 bits)
    """

    block = "link"

    def __init__(self):
        super().__init__({"i": In(stream.Signature(Packet)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC().create()
        moves = ~self.o.valid | self.o.ready
        left = Signal(range(CRC_BYTES))
        rest = Signal(32)
        byte, offered = Signal(8), Signal()
        escaping = Signal()
        special = (byte == END) | (byte == ESC)
        taken = Signal()
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        def send(value) -> None:
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(value)]

        # A byte that needs an escape is taken when its second half has been sent.
        with m.If(moves & offered):
            with m.If(special & ~escaping):
                send(ESC)
                m.d.sync += escaping.eq(1)
            with m.Elif(escaping):
                send(Mux(byte == END, ESC_END, ESC_ESC))
                m.d.sync += escaping.eq(0)
                m.d.comb += taken.eq(1)
            with m.Else():
                send(byte)
                m.d.comb += taken.eq(1)
        with m.FSM(name="state"):
            with m.State("idle"), m.If(moves & self.i.valid):
                m.d.comb += crc.start.eq(1)
                send(END)
                m.next = "body"
            with m.State("body"):
                m.d.comb += [
                    byte.eq(self.i.payload.data),
                    offered.eq(self.i.valid),
                    self.i.ready.eq(taken),
                    crc.data.eq(byte),
                    crc.valid.eq(taken),
                ]
                with m.If(taken & self.i.payload.last):
                    m.next = "latch"
            with m.State("latch"):
                m.d.sync += [rest.eq(crc.crc), left.eq(CRC_BYTES - 1)]
                m.next = "checksum"
            with m.State("checksum"):
                m.d.comb += [byte.eq(rest[:8]), offered.eq(1)]
                with m.If(taken):
                    m.d.sync += [rest.eq(rest[8:]), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "end"
            with m.State("end"), m.If(moves):
                send(END)
                m.next = "idle"
        return m
