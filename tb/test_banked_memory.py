# SPDX-License-Identifier: Apache-2.0
"""Memories made of banks against a list of words."""

import numpy as np
import pytest

from sysmt.hdl.common.banked_memory import BankedMemory
from sysmt.hdl.params import banks

from .accel import simulate
from .mutants import seeded_bug

CYCLES = 1000


def test_banks_hold_every_bit_once():
    for width, depth in ((128, 16896), (64, 5120), (100, 12288), (8, 1025), (28, 1024), (64, 7000), (1, 2048)):
        built = banks.banks(width, depth)
        assert sum(wide * deep for wide, deep in built) == width * depth
        assert all(wide <= max(banks.WIDE, width * (depth <= banks.SMALL)) for wide, _ in built)
        # All banks but those at the top take whole address bits: a multiplexer has two inputs at most.
        depths = banks.bank_depths(depth)
        assert len(depths) == 1 or (len(depths) == 2 and depths[0] & (depths[0] - 1) == 0 and depths[0] > depths[1])
    assert banks.banks(128, 16896) == [(64, 16384), (64, 16384), (64, 512), (64, 512)]


def differences(width: int, depth: int) -> int:
    """Words that differ from those of a list, in cycles that read, write, both or neither, most at the seams."""
    random = np.random.default_rng(depth)
    words: dict[int, int] = {}
    found = 0

    def address() -> int:
        near = int(random.choice([0, depth // 2, 1 << (depth.bit_length() - 1), depth])) + int(random.integers(-4, 4))
        return near % depth if random.random() < 0.7 else int(random.integers(depth))

    async def test(ctx) -> None:
        nonlocal found
        expected: int | None = None
        for _ in range(CYCLES):
            writes, reads, to, at = random.random() < 0.6, random.random() < 0.6, address(), address()
            word = int.from_bytes(random.bytes(-(-width // 8)), "little") & ((1 << width) - 1)
            ctx.set(design.write, writes)
            ctx.set(design.write_address, to)
            ctx.set(design.write_data, word)
            # A word that is read in the cycle it is written is not defined.
            reads &= not (writes and to == at) and at in words
            ctx.set(design.read, reads)
            ctx.set(design.read_address, at)
            expected = words[at] if reads else expected
            if writes:
                words[to] = word
            await ctx.tick()
            found += expected is not None and ctx.get(design.data) != expected

    design = BankedMemory(width, depth, {})
    simulate(design, test)
    return found


@pytest.mark.parametrize(("width", "depth"), [(72, 1536), (65, 1025), (8, 2000), (130, 300), (72, 40)])
def test_a_banked_memory_is_a_list_of_words(width, depth):
    assert differences(width, depth) == 0


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(of_write == number)", "1"),
        ("above.eq(of_read)", "above.eq(0)"),
        ("with m.If(self.read):", "with m.If(1):"),
        ("slice(start, start + width)", "slice(0, width)"),
    ],
)
def test_seeded_bugs_in_banks_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.common.banked_memory", "BankedMemory", right, wrong):
        assert differences(72, 1536) > 0
