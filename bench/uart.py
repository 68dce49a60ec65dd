# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.uart`: the UART: how far a host's rate may be off, per clocks of a bit, and bytes lost after noise.

The gates are simulated. The host sends without a pause; it receives by sampling 16 times per bit, as most UARTs do: a
start bit is a low level that is still there half a bit later, every further bit is sampled in its middle, and the next
start bit may follow the middle of a stop bit.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from sysmt.boards.definitions import BOARDS
from sysmt.cli.output import progress
from sysmt.hdl.accel.uart import MIN_DIVISOR, UARTReceiver, UARTTransmitter
from sysmt.hdl.params.accel import divisor_of

from . import command, record

FEWEST = {MIN_DIVISOR + more for more in range(5)}
"""Clocks per bit that are measured beside those of the boards; more clocks sample nearer to the middle of a bit."""
EVERY = sorted(FEWEST | {divisor_of(clock, board.baud) for board in BOARDS.values() for clock in board.clocks_hz})
OVERSAMPLING = 16
"""Samples of the host per bit."""
FRAME = 10
"""Bits of a byte on the line."""
PHASES = 4
"""Parts of a clock that the line's edges may lie behind those of the clock."""
CONTENT = bytes((0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0xFE, 0x7F, 0x00, 0x00, 0xFF, 0xFF))
"""A framing error is likeliest beside the longest equal levels."""
STEP, MOST_STEPS = 0.0025, 32
"""Of the rates tried, as a part of the rate, and how many: the last is further than any receiver can follow."""
NOISE_BITS, SEEDS, AFTER = 40, 16, 40
"""Bits of noise, how often, and bytes that follow at once."""


def levels(data: bytes) -> list[int]:
    """The bits of bytes on a line, without a pause."""
    return [bit for byte in data for bit in (0, *(byte >> i & 1 for i in range(8)), 1)]


def clocked(bits: Iterable[int], per_bit: float, phase: float, idle: int) -> list[int]:
    """What a clock sees of bits that last `per_bit` clocks each, the first edge `phase` after a clock; then idle."""
    bits = list(bits)
    places = ((np.arange(int(len(bits) * per_bit + phase)) + 1 - phase) / per_bit).astype(int)
    seen = [1] * idle + [bits[i] for i in places[places < len(bits)]]
    return [*seen, *[1] * idle]


def received(divisor: int, line: Iterable[int]) -> bytes:
    """What the gates' receiver makes of a line, a level per clock."""
    unit, out = UARTReceiver(divisor), bytearray()

    async def bench(ctx: Any) -> None:
        ctx.set(unit.o.ready, 1)
        for level in line:
            ctx.set(unit.rx, level)
            _, _, valid, byte = await ctx.tick().sample(unit.o.valid, unit.o.payload)
            if valid:
                out.append(byte)

    _simulate(unit, bench)
    return bytes(out)


def sent(divisor: int, data: bytes) -> list[int]:
    """The line of the gates' transmitter, a level per clock, when it always has a byte to send."""
    unit, line, left = UARTTransmitter(divisor), [], list(data)

    async def bench(ctx: Any) -> None:
        while len(line) < (FRAME * len(data) + 2 * FRAME) * divisor:
            ctx.set(unit.i.valid, bool(left))
            ctx.set(unit.i.payload, left[0] if left else 0)
            _, _, level, ready = await ctx.tick().sample(unit.tx, unit.i.ready)
            line.append(level)
            if ready and left:
                left.pop(0)

    _simulate(unit, bench)
    return line


def _simulate(unit: Any, bench: Any) -> None:
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def host_takes(line: list[int], per_bit: float, phase: float) -> bytes | None:
    """What a host that samples 16 times per bit of `per_bit` clocks makes of a line; None for a framing error."""
    step, out = per_bit / OVERSAMPLING, bytearray()
    samples = [line[place] for i in range(int(len(line) / step)) if (place := int(phase + i * step)) < len(line)]
    i = 0
    while i + FRAME * OVERSAMPLING < len(samples):
        middle = i + OVERSAMPLING // 2
        if samples[i] or samples[middle]:
            i += 1
            continue
        bits = [samples[middle + OVERSAMPLING * bit] for bit in range(1, FRAME)]
        if not bits[-1]:
            return None
        out.append(sum(bit << place for place, bit in enumerate(bits[:-1])))
        i = middle + OVERSAMPLING * (FRAME - 1)
    return bytes(out)


def gates_take(divisor: int, off: float) -> bool:
    """Whether the gates take all bytes of a host whose rate is `off` (0.02: 2 % faster), whatever the phase."""
    lines: list[int] = []
    for phase in range(PHASES):
        lines += clocked(levels(CONTENT), divisor / (1 + off), phase / PHASES, 3 * FRAME * divisor // 2)
    return received(divisor, lines) == CONTENT * PHASES


def host_accepts(line: list[int], divisor: int, off: float) -> bool:
    """Whether a host whose rate is `off` takes all bytes that the gates sent as `line`, whatever the phase."""
    per_bit = divisor / (1 + off)
    return all(host_takes(line, per_bit, phase * per_bit / OVERSAMPLING / 4) == CONTENT for phase in range(4))


def tolerance(divisor: int) -> dict[str, float]:
    """Percent that the host's rate may be off, in steps of 0.25: faster and slower, to the gates and from them."""
    line = sent(divisor, CONTENT)
    ways = {"to gates": partial(gates_take, divisor), "from gates": partial(host_accepts, line, divisor)}
    return {
        f"{way}, {side} %": 100 * STEP * _most(lambda steps, takes=takes, sign=sign: takes(sign * STEP * steps))
        for way, takes in ways.items()
        for side, sign in (("faster", 1), ("slower", -1))
    }


def _most(takes: Callable[[int], bool]) -> int:
    """The most steps that are taken, by halving: what is taken between two rates that are is not in doubt."""
    least, most = 0, MOST_STEPS
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if takes(middle) else (least, middle)
    return least


def lost_after_noise(divisor: int, seed: int) -> int:
    """Bytes, of random ones that follow noise at once and each other without a pause, until all that follow are taken.

    Noise are levels that last from a clock to two bits.
    """
    random = np.random.default_rng(seed)
    noise: list[int] = []
    while len(noise) < NOISE_BITS * divisor:
        noise += [int(random.integers(2))] * int(random.integers(1, 2 * divisor + 1))
    data = random.integers(0, 256, AFTER, dtype=np.uint8).tobytes()
    line = [1] * divisor + noise + clocked(levels(data), divisor, 0.5, 0) + [1] * 2 * FRAME * divisor
    taken = received(divisor, line)
    kept = 0
    while kept < min(len(taken), len(data)) and taken[-1 - kept] == data[-1 - kept]:
        kept += 1
    return len(data) - kept


def measure() -> list[dict[str, Any]]:
    """A row per number of clocks."""
    rows = []
    for divisor in EVERY:
        progress(f"{divisor} clocks per bit")
        lost = [lost_after_noise(divisor, seed) for seed in range(SEEDS)]
        facts = {"clocks per bit": divisor, **tolerance(divisor)}
        rows.append(facts | {"lost after noise, mean": float(np.mean(lost)), "lost after noise, most": max(lost)})
    return rows


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("uart")


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return command.run("bench.uart", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
