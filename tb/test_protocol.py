# SPDX-License-Identifier: Apache-2.0
"""The fields of the link protocol: the same bits for the bytes on the wire, the hardware, host and reference."""

import struct

import numpy as np
import pytest

from sysmt.boards.frames import Frame, decode, encode
from sysmt.boards.link import Link, LinkError
from sysmt.boards.plan import Plan
from sysmt.boards.session import Session
from sysmt.boards.transport import SerialTransport
from sysmt.hdl.accel.commands import Commands
from sysmt.hdl.accel.ports import Channel, Figures, argument_layouts, layout
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.fields import Field, PackedRecord
from sysmt.hdl.params.link_reference import markdown
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.protocol import ARGUMENTS, CHANNEL, HEADER, RESPONSE, Opcode, Status, Target, pack
from sysmt.hdl.params.registers import FIGURES, IDENTITY, NUMBERS, registers
from sysmt.sim.golden.requantize import Requantize

from .accel import send, simulate, small

RECORDS = {command.name: record for command, record in ARGUMENTS.items()} | {"CHANNEL": CHANNEL, "HEADER": HEADER}

# The bytes on the wire, written down a second time: they may only change together with the protocol's version.
REGISTERS = registers(PEConfig())

WIRE = [
    (Opcode.SYNC, {"nonce": 0x04030201}, bytes([1, 2, 3, 4])),
    (Opcode.REGISTERS, {"first": 1, "count": 2}, bytes([1, 2])),
    (Opcode.WRITE, {"run": 0x0102, "target": 1, "address": 0x0304}, struct.pack("<HBH", 0x0102, 1, 0x0304)),
    (
        Opcode.RUN,
        {"run": 1, "steps": 2, "m_tiles": 3, "n_tiles": 4, "rows": 5, "cols": 6, "threads": 7},
        struct.pack("<HHHHHHB", 1, 2, 3, 4, 5, 6, 7),
    ),
    (
        Opcode.READ,
        {
            "run": 1,
            "first": 2,
            "rows": 3,
            "channel": 4,
            "zero_point": -5,
            "low": -6,
            "high": 7,
            "requantize": 0,
            "double": 1,
        },
        struct.pack("<HHHHhhhB", 1, 2, 3, 4, -5, -6, 7, 2),
    ),
]


def distinct(record: PackedRecord) -> dict[str, int]:
    """A value for every field, different ones where there are enough."""
    named = (field for field in record.fields.values() if not field.reserved)
    return {f.name: (-3 - i if f.signed else (3 + i) % (1 << f.width)) for i, f in enumerate(named)}


@pytest.mark.parametrize(("command", "arguments", "content"), WIRE, ids=[command.name for command, *_ in WIRE])
def test_arguments_on_the_wire(command, arguments, content):
    assert pack(command, **arguments) == content
    assert ARGUMENTS[command].unpack(content) == arguments


def test_header_and_table_word_on_the_wire():
    assert HEADER.pack(type=4, sequence=0x0102, length=0x0304) == struct.pack("<BHH", 4, 0x0102, 0x0304)
    assert CHANNEL.pack(bias=-1, multiplier=2, shift=-3) == struct.pack("<iIb", -1, 2, -3)
    assert decode(encode(Frame(4, 0x0102, b"ab"))[1:-1]) == Frame(4, 0x0102, b"ab")


def test_registers_keep_their_numbers():
    first = "magic protocol version fingerprint_low fingerprint_high geometry element operands results frames link"
    assert list(NUMBERS) == [*first.split(), "runs", "status", "errors", "overflows", "steps", "span", "cycles"]
    assert list(REGISTERS)[18] == "array_steps_low"
    assert list(REGISTERS)[33] == "array_stalls_output_high"
    assert [record.size for record in REGISTERS.values() if record.size > 4] == []
    assert list(IDENTITY["element"].offsets.values()) == [0, 5, 11, 13, 14, 15, 16, 17, 20, 24]
    assert IDENTITY["geometry"].to_int({"rows": 3, "cols": 5}) == 0x0005_0003
    assert IDENTITY["link"].to_int({"divisor": 3, "channels": 5, "requantize": 1}) == 0x01_05_0003
    assert set(FIGURES) <= set(REGISTERS)
    assert list(dict(Figures)) == list(FIGURES)


@pytest.mark.parametrize("name", RECORDS)
def test_hardware_reads_what_the_host_packs(name):
    record = RECORDS[name]
    values = distinct(record)
    content = record.pack(**values)
    hardware = layout(record)
    assert hardware.size == 8 * record.size
    word = hardware.from_bits(int.from_bytes(content, "little"))
    for field, value in values.items():
        group = record.fields[field].group
        assert (word[group] if group else word)[field] == value, field


def test_layouts_are_those_of_the_table():
    assert {command: layout(record) for command, record in ARGUMENTS.items()} == argument_layouts(PEConfig())
    assert layout(CHANNEL) == Channel


def test_commands_hands_on_every_field_by_name():
    """Frames from the host's side, with a different value in every field, into the RTL that takes them apart."""
    config = small(depth=64, result_rows=64)
    unit, seen, answers = Commands(config), {}, []
    sizes = {"steps": 5, "m_tiles": 3, "n_tiles": 4, "rows": 2, "cols": 1, "threads": 0}
    run = {"run": 1} | sizes
    read = {"run": 1, "first": 2, "rows": 3, "channel": 4, "zero_point": -5, "low": -6, "high": 7}
    flags = {"requantize": 0, "double": 1}
    words = bytes(range(1, 1 + config.x_bytes))
    requests = [
        (Opcode.WRITE, pack(Opcode.WRITE, run=1, target=Target.X, address=9) + words),
        (Opcode.RUN, pack(Opcode.RUN, **run)),
        (Opcode.READ, pack(Opcode.READ, **read, **flags)),
        (Opcode.REGISTERS, pack(Opcode.REGISTERS, first=6, count=2)),
        (Opcode.SYNC, pack(Opcode.SYNC, nonce=0x04030201)),
    ]

    async def bench(ctx):
        ctx.set(unit.o.ready, 1)
        ctx.set(unit.o_run.ready, 1)
        for i, (command, payload) in enumerate(requests):
            body = HEADER.pack(type=command, sequence=i, length=len(payload)) + payload
            packets = [{"data": byte, "last": at == len(body) - 1} for at, byte in enumerate(body)]
            await send(ctx, unit.i, packets, np.random.default_rng(0), 0.0)
            await ctx.tick().repeat(40)

    async def watch(ctx):
        while True:
            if ctx.get(unit.write):
                target = Target(ctx.get(unit.write).bit_length() - 1)
                seen["write"] = (target, ctx.get(unit.address), ctx.get(unit.half))
            if ctx.get(unit.o_run.valid):
                ctx.set(unit.issued, 1)
                ctx.set(unit.finished, 1)
                seen["run"] = {name: ctx.get(unit.o_run.payload[name]) for name in run}
            if ctx.get(unit.start):
                seen["read"] = {name: ctx.get(unit.read[name]) for name in read}
                seen["flags"] = {name: ctx.get(unit.read.flags[name]) for name in flags}
            if ctx.get(unit.o.valid):
                answers.append(ctx.get(unit.o.payload.data))
            # A register whose value is its number.
            number = ctx.get(unit.number)
            await ctx.tick()
            ctx.set(unit.value, number)

    simulate(unit, bench, watch)
    assert seen == {"write": (Target.X, 9, 1), "run": run, "read": read, "flags": flags}
    bodies = [b"", b"", b"", struct.pack("<II", 6, 7), bytes([1, 2, 3, 4])]
    assert bytes(answers) == b"".join(
        struct.pack("<BHHB", command | RESPONSE, i, 1 + len(body), Status.OK) + body
        for i, ((command, _), body) in enumerate(zip(requests, bodies, strict=True))
    )


class RecordingLink:
    """A link that notes requests by command and arguments; the last run was number 6, and every result is zero."""

    def __init__(self, cols: int):
        self.requests, self.cols = [], cols

    def registers(self, first: int, count: int) -> list[int]:
        assert (first, count) == (NUMBERS["runs"], 1)
        return [REGISTERS["runs"].to_int({"issued": 6, "finished": 5})]

    def submit(self, command: Opcode, payload: bytes) -> bytes:
        arguments = ARGUMENTS[command].unpack(payload)
        self.requests.append((command, arguments, payload[ARGUMENTS[command].size :]))
        return bytes(arguments["rows"] * self.cols if command is Opcode.READ else 0)

    def wait(self, *requests: bytes) -> list[bytes]:
        return list(requests)


def test_session_puts_every_argument_into_its_field():
    config = small(array=ArrayConfig(rows=5, cols=3), depth=64, result_rows=128, channels=32)
    random = np.random.default_rng(0)
    x, w = random.integers(0, 256, (14, 5), dtype=np.uint8), random.integers(-128, 128, (5, 16), dtype=np.int8)
    unit = Requantize(
        multiplier=(1 << 30) + np.arange(16),
        shift=-np.arange(16) - 1,
        bias=np.arange(16) + 11,
        zero_point=4,
        low=-100,
        high=99,
        variant="double",
    )
    plan = Plan(x, w, config, 1)
    link = RecordingLink(cols=3)
    session = Session(link, config, plan, 1, unit)
    (run,) = plan.runs
    assert (run.m_tiles, run.n_tiles, run.steps, run.rows, run.cols) == (3, 6, 5, 4, 1)
    number = session.load(run)
    assert number == 7
    session.order(number, run)
    session.fetch(number, run, np.zeros((14, 16), np.int64))
    by_command = {command: [r for r in link.requests if r[0] == command] for command in Opcode}
    (order,) = by_command[Opcode.RUN]
    sizes = {name: getattr(run, name) for name in ("steps", "m_tiles", "n_tiles", "rows", "cols")}
    assert order[1] == {"run": 7, "threads": 0} | sizes
    assert {arguments["run"] for _, arguments, _ in link.requests} == {7}
    assert {arguments["target"] for _, arguments, _ in by_command[Opcode.WRITE]} == set(Target)
    tables = [request for request in by_command[Opcode.WRITE] if request[1]["target"] == Target.TABLE]
    word = CHANNEL.unpack(tables[0][2][CHANNEL.size :])
    assert [arguments["address"] * CHANNEL.size for _, arguments, _ in tables] == [
        sum(len(words) for _, _, words in tables[:i]) for i in range(len(tables))
    ]
    assert word == {"bias": 12, "multiplier": (1 << 30) + 1, "shift": -2}
    scale = {"zero_point": 4, "low": -100, "high": 99, "requantize": 1, "double": 1}
    reads = [arguments for _, arguments, _ in by_command[Opcode.READ]]
    assert all({name: read[name] for name in scale} == scale for read in reads)
    rows = [row for read in reads for row in range(read["first"], read["first"] + read["rows"])]
    assert rows == list(range(run.m_tiles * run.n_tiles * config.array.rows))
    assert all(read["channel"] == read["first"] // 5 % run.n_tiles * 3 for read in reads)


def test_an_answer_of_another_length_is_an_error(monkeypatch):
    monkeypatch.setattr(Link, "ask", lambda self, command, payload: bytes(5))
    with pytest.raises(LinkError, match=r"^board on '/dev/null' sent 5 bytes for 2 registers: flash this version$"):
        Link(SerialTransport("/dev/null")).registers(0, 2)


def test_a_field_is_missing_unknown_or_too_large():
    with pytest.raises(TypeError, match=r"^fields must be first, count, not first$"):
        pack(Opcode.REGISTERS, first=1)
    with pytest.raises(TypeError, match=r"^fields must be first, count, not first, count, last$"):
        pack(Opcode.REGISTERS, first=1, count=1, last=2)
    with pytest.raises(ValueError, match=r"^count must be from 0 to 255, not 256$"):
        pack(Opcode.REGISTERS, first=1, count=256)
    with pytest.raises(ValueError, match=r"^shift must be from -128 to 127, not -129$"):
        CHANNEL.pack(bias=0, multiplier=0, shift=-129)
    with pytest.raises(ValueError, match=r"^a record of 9 bytes cannot be read from 8$"):
        CHANNEL.unpack(bytes(8))
    with pytest.raises(ValueError, match=r"^field 'a' is in a record twice$"):
        PackedRecord(Field("a", 1, ""), Field("a", 1, ""))


def test_reference_has_every_field():
    text = markdown()
    for record in (*ARGUMENTS.values(), *REGISTERS.values(), HEADER, CHANNEL):
        assert record.markdown() in text
        assert all(f"| `{name}` | {field.type} | {field.text} |" in text for name, field in record.fields.items())
        assert all(field.text.endswith(".") for field in record.fields.values())
    assert all(f"## {command.name} ({command.value})" in text for command in Opcode)
