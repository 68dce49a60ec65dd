# SPDX-License-Identifier: Apache-2.0
"""Command lists by custom instructions, in Amaranth's own simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from sysmt.hdl.dma.cfu import CFUAccelerator, CFUFunction
from sysmt.hdl.params.command_list import LINK_REGISTERS, ListError, number_of
from sysmt.hdl.params.registers import MAGIC

from .accel import small
from .dma_products import cycles_of, listed, outputs
from .mutants import seeded_bug

LIMIT = 3000


UNKNOWN = 7
"""A function that there is not: it answers 0."""


def by_instructions() -> None:
    config = small(link="cfu", requantize=False)
    plan, expected, commands, words = listed(config)
    design = CFUAccelerator(config)
    assert len(design.cmd_payload_function_id) == 7 + 3, "funct7 and funct3 of an instruction"
    sums: list[int] = []

    cycle = cycles_of(design.clk)

    async def call(ctx, function: int, first: int = 0, second: int = 0, slow: bool = False) -> int:
        ctx.set(design.cmd_payload_function_id, function)
        ctx.set(design.cmd_payload_inputs_0, first)
        ctx.set(design.cmd_payload_inputs_1, second)
        ctx.set(design.cmd_valid, 1)
        assert ctx.get(design.cmd_ready)
        await cycle(ctx)
        ctx.set(design.cmd_valid, 0)
        for _ in range(4):
            if ctx.get(design.rsp_valid):
                break
            await cycle(ctx)
        assert ctx.get(design.rsp_valid), "no answer"
        answer = ctx.get(design.rsp_payload_outputs_0)
        if slow:
            # The answer stays until it is taken, and no other command is.
            for _ in range(3):
                await cycle(ctx)
                assert not ctx.get(design.cmd_ready)
                assert (ctx.get(design.rsp_valid), ctx.get(design.rsp_payload_outputs_0)) == (1, answer)
        ctx.set(design.rsp_ready, 1)
        await cycle(ctx)
        ctx.set(design.rsp_ready, 0)
        return answer

    async def pop(ctx) -> bool:
        """Take a beat of results, if there is one. Returns whether a beat of a list would be taken."""
        ready = await call(ctx, CFUFunction.READY)
        if ready >> 1 & 1:
            assert ready >> 2 == 0xF
            sums.append(await call(ctx, CFUFunction.POP))
        return bool(ready & 1)

    async def reset(ctx) -> None:
        ctx.set(design.reset, 1)
        await cycle(ctx)
        ctx.set(design.reset, 0)

    async def testbench(ctx):
        await reset(ctx)
        assert await call(ctx, CFUFunction.READ, 0) == MAGIC
        assert await call(ctx, CFUFunction.POP) == 0
        assert await call(ctx, CFUFunction.READ, 0) == MAGIC
        assert await call(ctx, UNKNOWN) == 0
        for funct7 in (1, 0x40, 0x7F):
            assert await call(ctx, CFUFunction.READ | funct7 << 3, 0) == MAGIC, "only funct3 says what to do"
        # No list is under way: nothing would be taken, nothing is.
        assert await call(ctx, CFUFunction.READY) & 3 == 0
        assert await call(ctx, CFUFunction.PUSH, words[0]) == 0
        assert await call(ctx, CFUFunction.WRITE, 0, 1) == 1
        assert await call(ctx, CFUFunction.WRITE, number_of("interrupt_enable"), 1) == 0
        assert await call(ctx, CFUFunction.READ, number_of("interrupt_enable")) == 1
        for beyond in (1 << bit for bit in range(8, 32)):
            assert await call(ctx, CFUFunction.READ, beyond) == 0, "a register that there is not"
            assert await call(ctx, CFUFunction.WRITE, beyond + number_of("interrupt_enable"), 0) == 1
        assert await call(ctx, CFUFunction.READ, number_of("interrupt_enable")) == 1
        for name, value in (("list_address", 0xAAAAAAA0), ("list_address", 0x55555540), ("list_address", 0)):
            assert await call(ctx, CFUFunction.WRITE, number_of(name), value, slow=True) == 0
            assert await call(ctx, CFUFunction.READ, number_of(name), slow=True) == value
        assert await call(ctx, CFUFunction.WRITE, number_of("list_address"), 0x40) == 0
        await reset(ctx)
        assert await call(ctx, CFUFunction.READ, number_of("list_address")) == 0
        assert await call(ctx, CFUFunction.WRITE, number_of("interrupt_enable"), 1) == 0
        # A list that fails: what is left of it is taken and dropped, to the beat that is marked as its last one.
        assert await call(ctx, CFUFunction.WRITE, number_of("list_commands"), 1) == 0
        for i, word in enumerate([0xFF, *[0] * 7, 1, 1]):
            assert await call(ctx, CFUFunction.PUSH, word, i == 9)
            for _ in range(3 * (i == 7)):
                state = await call(ctx, CFUFunction.READ, number_of("list"))
        assert LINK_REGISTERS["list"].record.from_int(state) == {"busy": 0, "error": ListError.COMMAND, "reads": 0}
        assert not ctx.get(design.irq)
        assert await call(ctx, CFUFunction.WRITE, number_of("list_commands"), len(commands)) == 0
        for i, word in enumerate(words):
            for _ in range(LIMIT):
                ready = await pop(ctx)
                pushed = await call(ctx, CFUFunction.PUSH, word, i == len(words) - 1)
                assert pushed >= ready
                if pushed:
                    break
            else:
                raise AssertionError("the list is not taken")
        for _ in range(LIMIT):
            if ctx.get(design.irq):
                break
            await pop(ctx)
        else:
            raise AssertionError("the list does not end")
        assert await call(ctx, CFUFunction.READ, number_of("list")) & 0xFF == 0
        np.testing.assert_array_equal(outputs(plan, iter(sums)), expected)

    simulator = Simulator(design)
    simulator.add_testbench(testbench)
    simulator.run()


def test_a_product_by_custom_instructions():
    by_instructions()


def test_a_seeded_bug_is_found():
    bug = seeded_bug("sysmt.hdl.dma.cfu", "CFUFrontEnd", "answer.eq(~port.writable)", "answer.eq(0)")
    with bug, pytest.raises(AssertionError):
        by_instructions()
