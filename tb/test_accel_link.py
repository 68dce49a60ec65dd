# SPDX-License-Identifier: Apache-2.0
"""UART and frames on their own, with random stalls and damage, against models; seeded bugs."""

import zlib

import numpy as np
import pytest
from amaranth.hdl import Module

from sysmt.boards.frames import Decoder, Frame, encode
from sysmt.hdl.accel.link import FrameReceiver, FrameTransmitter
from sysmt.hdl.accel.uart import UARTReceiver, UARTTransmitter
from sysmt.hdl.params.protocol import CRC, END, ESC, ESC_END, HEADER

from .accel import receive, send, simulate
from .mutants import one_bug_per_component, seeded_bug

SLOT, SLOTS = 64, 4


def frames(count: int, seed: int = 0) -> list[Frame]:
    """Frames of any content that fits in a slot, rich in bytes that need an escape."""
    random = np.random.default_rng(seed)
    longest = SLOT - HEADER.size - CRC.size
    lengths = [0, longest, *random.integers(0, longest + 1, count - 2)]
    contents = [random.choice([0, 0xC0, 0xDB, 0xDC, 0xDD, 0x7F, 255], int(n)).astype(np.uint8) for n in lengths]
    return [Frame(int(random.integers(256)), i, content.tobytes()) for i, content in enumerate(contents)]


def taken_apart(payloads: list[tuple[int, int]]) -> list[Frame]:
    """Frames from the packets (data, last) that a receiver gave."""
    out, body = [], bytearray()
    for byte, last in payloads:
        body.append(byte)
        if last:
            assert len(body) >= HEADER.size
            header = HEADER.unpack(bytes(body))
            assert len(body) == HEADER.size + header["length"]
            out.append(Frame(header["type"], header["sequence"], bytes(body[HEADER.size :])))
            body.clear()
    assert not body, "half a frame came out"
    return out


def through_receiver(data: bytes, pause: float = 0.2, slot: int = SLOT) -> tuple[list[Frame], int]:
    """The frames that the RTL finds in `data`, and how many it dropped."""
    unit, random, found, dropped = FrameReceiver(slot, SLOTS), np.random.default_rng(1), [], []

    async def bench(ctx):
        await send(ctx, unit.i, data, random, 0.7)
        await ctx.tick().repeat(2 * slot * SLOTS)

    async def sink(ctx):
        await receive(ctx, unit.o, np.random.default_rng(2), pause, found, lambda p: (p.data, p.last))

    async def count(ctx):
        async for _, _, lost in ctx.tick().sample(unit.dropped):
            dropped.append(lost)

    simulate(unit, bench, sink, count)
    return taken_apart(found), sum(dropped)


def test_the_rtl_takes_the_frames_of_the_host():
    sent = frames(8)
    assert through_receiver(b"".join(map(encode, sent))) == (sent, 0)


def test_lengths_of_more_than_seven_bits_and_of_more_than_a_byte():
    sent = [Frame(1, length & 0xFF, bytes([length & 0xFF]) * length) for length in (127, 128, 255, 256, 300)]
    assert through_receiver(b"".join(map(encode, sent)), slot=512) == (sent, 0)


def test_the_host_takes_what_the_rtl_sends():
    unit, out = FrameTransmitter(), []
    sent = frames(8)
    packets = []
    for frame in sent:
        body = HEADER.pack(type=frame.kind, sequence=frame.sequence, length=len(frame.payload)) + frame.payload
        packets += [{"data": byte, "last": i == len(body) - 1} for i, byte in enumerate(body)]

    async def bench(ctx):
        await send(ctx, unit.i, packets, np.random.default_rng(3), 0.3)
        await ctx.tick().repeat(100)

    async def sink(ctx):
        await receive(ctx, unit.o, np.random.default_rng(4), 0.3, out)

    simulate(unit, bench, sink)
    assert bytes(out) == b"".join(map(encode, sent))
    assert list(Decoder().feed(bytes(out))) == sent


def damage(data: bytes, random: np.random.Generator) -> bytes:
    """One byte flipped, dropped, doubled or put in, anywhere."""
    at, kind = int(random.integers(len(data))), random.integers(4)
    middle = [bytes([data[at] ^ 1 << int(random.integers(8))]), b"", data[at : at + 1] * 2, bytes(2)][kind]
    return data[:at] + middle + data[at + 1 :]


def test_damaged_frames_are_dropped_and_the_next_one_is_good():
    random = np.random.default_rng(5)
    sent = frames(16, 7)
    damaged = b"".join(damage(encode(f), random) if i % 2 else encode(f) for i, f in enumerate(sent))
    found, dropped = through_receiver(damaged)
    assert dropped > 0
    assert all(frame in sent for frame in found)
    assert [f for f in sent[::2] if f not in found] == []
    host = list(Decoder().feed(damaged))
    assert all(frame in sent for frame in host)
    assert {f.sequence for f in sent[::2]} <= {f.sequence for f in host}


def test_garbage_cut_and_long_frames():
    good = frames(3, 9)
    too_long = encode(Frame(1, 2, bytes(SLOT)))
    wrong_escape = b"\xc0\xdb\x00" + encode(good[0])[1:]
    short = b"\xc0abc\xc0"
    noise = np.random.default_rng(11).integers(0, 256, 300, dtype=np.uint8).tobytes()
    stream = noise + encode(good[0]) + encode(good[1])[:-9] + encode(good[1]) + too_long + wrong_escape + short
    found, dropped = through_receiver(stream + encode(good[2]), pause=0.0)
    assert found == good
    assert dropped >= 5


def test_a_long_frame_that_says_it_is_as_long_as_a_slot():
    """Its checksum is right, over all of its bytes."""
    body = HEADER.pack(type=1, sequence=2, length=SLOT - HEADER.size - CRC.size) + bytes(SLOT)
    body += CRC.pack(crc=zlib.crc32(body))
    assert not {END, ESC} & set(body)
    good = frames(2, 9)
    data = bytes([END]) + body + bytes([END])
    assert through_receiver(encode(good[0]) + data + encode(good[1]), pause=0.0) == (good, 1)


@pytest.mark.parametrize("beyond", [1, 2])
def test_frames_a_little_longer_than_a_slot(beyond):
    good = frames(2, 9)
    long = Frame(1, 2, bytes(SLOT - HEADER.size - CRC.size + beyond))
    assert through_receiver(b"".join(map(encode, (good[0], long, good[1]))), pause=0.0) == (good, 1)


def test_frames_without_a_delimiter_before_and_cut_within_an_escape():
    good = frames(3, 9)
    cut = encode(good[0])[:-1] + bytes([ESC, END])
    assert through_receiver(encode(good[0])[1:] + cut + encode(good[1])[1:] + encode(good[2])) == (good, 1)


def test_an_escape_of_something_else_is_no_delimiter():
    """Its checksum is right, were it one."""
    wrong = encode(Frame(1, 2, bytes([END] * 9))).replace(bytes([ESC, ESC_END]), bytes([ESC, 0]), 1)
    good = frames(2, 9)
    assert through_receiver(wrong + b"".join(map(encode, good))) == (good, 1)


def test_frames_beyond_the_credit_are_dropped_whole():
    sent = frames(7, 13)
    found, dropped = through_receiver(b"".join(map(encode, sent)), pause=1.0)
    assert (found, dropped) == ([], len(sent) - SLOTS)


FRAME_BUGS = [
    ("FrameReceiver", " & crc.match_detected", "", test_damaged_frames_are_dropped_and_the_next_one_is_good),
    ("FrameReceiver", "count.eq(0), bad.eq(0)", "count.eq(0)", test_garbage_cut_and_long_frames),
    ("FrameReceiver", "last_of[fill].eq(", "last_of[0].eq(", test_the_rtl_takes_the_frames_of_the_host),
    ("FrameReceiver", " & ~escaped & (held != self.slots)", "", test_frames_beyond_the_credit_are_dropped_whole),
    ("FrameTransmitter", "(byte == END) | (byte == ESC)", "byte == END", test_the_host_takes_what_the_rtl_sends),
    ("FrameTransmitter", "self.i.ready.eq(taken)", "self.i.ready.eq(moves)", test_the_host_takes_what_the_rtl_sends),
]


@one_bug_per_component(("component", "right", "wrong", "check"), FRAME_BUGS)
def test_seeded_bugs_of_the_frames_are_found(component, right, wrong, check):
    with seeded_bug("sysmt.hdl.accel.link", component, right, wrong), pytest.raises(AssertionError):
        check()


def through_line(sender: int, receiver: int, data: bytes, noise: bool = False) -> bytes:
    """Bytes from a transmitter to a receiver with other clocks per bit; `noise` turns over every ninth clock."""
    m, out = Module(), []
    m.submodules.tx, m.submodules.rx = tx, rx = UARTTransmitter(sender), UARTReceiver(receiver)

    async def bench(ctx):
        await send(ctx, tx.i, data, np.random.default_rng(0), 0.05)
        await ctx.tick().repeat(12 * sender)

    async def line(ctx):
        clock = 0
        async for _, _, level in ctx.tick().sample(tx.tx):
            clock += 1
            ctx.set(rx.rx, level ^ (noise and clock % 9 == 0))

    async def sink(ctx):
        await receive(ctx, rx.o, np.random.default_rng(1), 0.5, out)

    simulate(m, bench, line, sink)
    return bytes(out)


@pytest.mark.parametrize(
    ("sender", "receiver", "noise"), [(4, 4, False), (5, 5, False), (16, 16, False), (50, 51, False), (49, 48, True)]
)
def test_bytes_pass_a_line(sender, receiver, noise):
    data = bytes([0, 255, 0x55, 0xAA, 1, 128, 0xC0])
    assert through_line(sender, receiver, data, noise) == data


@pytest.mark.parametrize("divisor", [4, 5, 16, 33])
def test_a_byte_is_offered_in_the_middle_of_its_stop_bit(divisor):
    """Later by two clocks of the synchroniser and two of the majority, and visible in the clock after that."""
    rx, valid = UARTReceiver(divisor), []

    async def bench(ctx):
        for bit in (0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1):
            ctx.set(rx.rx, bit)
            for _ in range(divisor):
                valid.append(ctx.get(rx.o.valid))
                await ctx.tick()

    simulate(rx, bench)
    assert valid.index(1) == 9 * divisor + divisor // 2 + 4 + 1


def test_a_low_stop_bit_is_an_error_and_no_byte():
    rx, out, errors = UARTReceiver(4), [], []

    async def bench(ctx):
        for bit in [1] * 8 + [0] * 10 + [1] * 4 + [0, 1, 0, 1, 0, 1, 0, 1, 0, 1] + [1] * 3:
            ctx.set(rx.rx, bit)
            await ctx.tick().repeat(4)

    async def sink(ctx):
        await receive(ctx, rx.o, np.random.default_rng(0), 0.0, out)

    async def count(ctx):
        async for _, _, error in ctx.tick().sample(rx.error):
            errors.append(error)

    simulate(rx, bench, sink, count)
    assert (out, sum(errors)) == ([0x55], 1)


@pytest.mark.parametrize("data", [b"\x55", b"\x55\xaa", b"\x55\xaa\x0f"])
@pytest.mark.parametrize("late", [True, False])
def test_a_byte_that_is_not_taken_in_time_is_an_error(late, data):
    """The last one is still there; bytes that wait, but not until the next one, are no error."""
    rx, out, errors = UARTReceiver(4), [], []
    line = [bit for byte in data for bit in (0, *(byte >> i & 1 for i in range(8)), 1)]

    async def bench(ctx):
        for bit in [1, *line, *[1] * 16]:
            ctx.set(rx.rx, bit)
            await ctx.tick().repeat(4)

    async def sink(ctx):
        if late:
            await ctx.tick().repeat(4 * len(line) + 12)
        await receive(ctx, rx.o, np.random.default_rng(0), 0.7, out)

    async def count(ctx):
        async for _, _, error in ctx.tick().sample(rx.error):
            errors.append(error)

    simulate(rx, bench, sink, count)
    assert (bytes(out), sum(errors)) == ((data[-1:], len(data) - 1) if late else (data, 0))


@one_bug_per_component(
    ("component", "right", "wrong"),
    [
        ("UARTReceiver", "timer.eq(self.divisor // 2 - 1)", "timer.eq(self.divisor - 1)"),
        ("UARTReceiver", "level.eq((line & past[0]) | (line & past[1]) | (past[0] & past[1]))", "level.eq(line)"),
        ("UARTReceiver", "with m.If(level):\n                    m.d", "with m.If(1):\n                    m.d"),
        ("UARTTransmitter", "left.eq(left - 1),\n                timer.eq(self.divisor - 1)", "left.eq(left - 1)"),
    ],
)
def test_seeded_bugs_of_the_uart_are_found(component, right, wrong):
    def checks() -> None:
        test_bytes_pass_a_line(16, 16, False)
        test_bytes_pass_a_line(49, 48, True)
        test_a_low_stop_bit_is_an_error_and_no_byte()

    with seeded_bug("sysmt.hdl.accel.uart", component, right, wrong), pytest.raises(AssertionError):
        checks()
