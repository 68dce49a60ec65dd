# SPDX-License-Identifier: Apache-2.0
"""Memories as modules of their own against the same memories inside: every kind of port, and reads that wait."""

import contextlib
import re

import numpy as np
import pytest
from amaranth.hdl import Fragment, Module
from amaranth.lib.memory import Memory

from sysmt.base.errors import ConfigError
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.presets import preset
from sysmt.hdl.style import Style
from sysmt.hdl.wrapped_memory import MemoryShape, WrappedMemory, connected, shape_of

from .accel import simulate
from .mutants import seeded_bug

CYCLES = 400
WIDTH, DEPTH = 12, 5
SHAPE = MemoryShape(WIDTH, DEPTH, (WIDTH, WIDTH // 3), ((0, 1), (), None), (("ram_style", 1),))


def memory() -> Memory:
    """With two write ports, one of three enables, and reads that show what is written, do not, and have no clock."""
    made = Memory(shape=WIDTH, depth=DEPTH, init=[], attrs={"ram_style": 1})
    writes = (made.write_port(), made.write_port(granularity=WIDTH // 3))
    made.read_port(transparent_for=writes)
    made.read_port()
    made.read_port(domain="comb")
    return made


class Separate:
    """What Amaranth asks for memories where they are separate."""

    def get_memory(self, memory: Memory) -> Module:
        part = WrappedMemory(shape_of(memory))
        m = connected(memory, part)
        m.submodules += part
        return m


def differences() -> int:
    """Words read that differ, in cycles in which every port does something or nothing at random."""
    random = np.random.default_rng(1)
    inside, outside = memory(), memory()
    design = Module()
    design.submodules += [inside, Fragment.get(outside, Separate())]
    pairs = [
        *zip(inside.write_ports, outside.write_ports, strict=True),
        *zip(inside.read_ports, outside.read_ports, strict=True),
    ]
    found = 0

    async def test(ctx) -> None:
        nonlocal found
        for _ in range(CYCLES):
            for ports in pairs:
                address, word, enables = (int(random.integers(high)) for high in (DEPTH, 1 << WIDTH, 8))
                for port in ports:
                    ctx.set(port.addr, address)
                    if port in (*inside.write_ports, *outside.write_ports):
                        ctx.set(port.data, word)
                    if port.domain != "comb":
                        ctx.set(port.en, enables & ((1 << len(port.en)) - 1))
            found += differ(ctx)
            await ctx.tick()
            found += differ(ctx)

    def differ(ctx) -> int:
        return sum(
            ctx.get(one.data) != ctx.get(other.data)
            for one, other in zip(inside.read_ports, outside.read_ports, strict=True)
        )

    simulate(design, test)
    return found


def test_a_memory_outside_is_the_memory_inside():
    assert differences() == 0


def test_a_shape_says_all_that_a_memory_is():
    made = memory()
    Fragment.get(made, None)
    assert shape_of(made) == SHAPE
    assert WrappedMemory.module_name(SHAPE) == "memory_5x12_w_w4_rs01_r_a_ram_style1"
    part, least = WrappedMemory(SHAPE), WrappedMemory(MemoryShape(8, 1, (8,), ((),)))
    assert [len(part.w1_en), len(part.w1_addr), len(least.r0_addr)] == [3, 3, 0]
    for one in (part, least):
        Fragment.get(one, None)


def test_contents_stay_inside():
    for init, refused in (([0, 0], False), ([0, 1], True)):
        made = Memory(shape=4, depth=2, init=init)
        with pytest.raises(ConfigError, match="inline, not separate") if refused else contextlib.nullcontext():
            assert shape_of(made) == MemoryShape(4, 2, (), ())
        Fragment.get(made, None)


def test_a_cache_has_a_module_per_shape_in_a_file_of_their_own():
    made, inline = (design_of(preset("tiny"), "a", Style(memories=memories)) for memories in ("separate", "inline"))
    modules = re.findall(r"^module (\w+)", made.texts["a_memories.v"], re.MULTILINE)
    assert modules
    for module in modules:
        assert re.fullmatch(r"a__memory_\d+x\d+_\w+", module)
        assert f"  {module} " in made.verilog
    assert "a_memories.v" not in inline.texts
    assert "a__memory_" not in inline.verilog


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('read.en.eq(getattr(self, f"r{i}_en"))', "read.en.eq(1)"),
        ("tuple(writes[n] for n in shown)", "()"),
        ("None if part == shape.width else part", "None"),
    ],
)
def test_seeded_bugs_in_wrapped_memories_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.wrapped_memory", "WrappedMemory", right, wrong):
        assert differences() > 0
