# SPDX-License-Identifier: Apache-2.0
"""The registers of an engine by themselves: every bit of them, nothing where nothing is, and counters of 16 bits."""

from importlib.metadata import version

import pytest

from sysmt.hdl.engine.registers import EngineRegisters
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import NUMBERS, STATE, identity
from sysmt.hdl.params.settings import with_settings

from .accel import simulate

CONFIG = EngineConfig(layers=1024)


async def read(ctx, dut: EngineRegisters, number: int) -> int:
    ctx.set(dut.number, number)
    await ctx.tick()
    return ctx.get(dut.value)


@pytest.mark.parametrize("config", [CONFIG, with_settings(CONFIG, ["stream.cas=2"])], ids=["on chip", "sdram"])
def test_what_there_is_and_zero_elsewhere(config):
    dut, words = EngineRegisters(config), identity(config, version("sysmt"))

    async def bench(ctx):
        for name, word in words.items():
            assert await read(ctx, dut, NUMBERS[name]) == word, name
        for number in set(range(256)) - {NUMBERS[name] for name in words} - {NUMBERS[name] for name in STATE}:
            await read(ctx, dut, NUMBERS["magic"])
            assert await read(ctx, dut, number) == 0, number

    simulate(dut, bench)


def test_every_bit_of_what_the_engine_says():
    dut = EngineRegisters(CONFIG)

    async def bench(ctx):
        for issued, finished, busy, error, layer, cycles in (
            (0xFFFE, 0x8001, 1, 4, 1023, 0xFFFFFFFF),
            (0x8001, 0x7FFE, 0, 1, 512, 1 << 31),
        ):
            given = {"issued": issued, "finished": finished, "busy": busy, "error": error, "layer": layer}
            for name, value in (given | {"cycles": cycles}).items():
                ctx.set(getattr(dut, name), value)
            wanted = {
                "runs": {"issued": issued, "finished": finished},
                "state": {"busy": busy, "error": error, "layer": layer},
                "cycles": {"cycles": cycles},
            }
            for name, values in wanted.items():
                assert STATE[name].from_int(await read(ctx, dut, NUMBERS[name])) == values

    simulate(dut, bench)


def test_errors_are_counted_in_16_bits():
    """Apart and together, beyond half of what they hold."""
    dut = EngineRegisters(CONFIG)

    async def bench(ctx):
        ctx.set(dut.dropped, 1)
        await ctx.tick().repeat(2)
        ctx.set(dut.bad_bytes, 1)
        await ctx.tick().repeat(1 << 15)
        ctx.set(dut.dropped, 0)
        await ctx.tick().repeat(5)
        ctx.set(dut.bad_bytes, 0)
        found = STATE["errors"].from_int(await read(ctx, dut, NUMBERS["errors"]))
        assert found == {"frames": (1 << 15) + 2, "bytes": (1 << 15) + 5}

    simulate(dut, bench)
