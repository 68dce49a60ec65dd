# SPDX-License-Identifier: Apache-2.0
"""Large memories as banks that block RAM takes without a multiplexer per bit. Plain Python."""

SMALL = 1024
"""Words up to which one block RAM after the other costs little."""
WIDE = 64
"""Bits of a bank. In wider ones synthesis takes shapes with parity bits, a few blocks fewer but many multiplexers."""


def bank_depths(depth: int) -> tuple[int, ...]:
    """Words of the banks one above the other: a power of two and a smaller rest, or all in one."""
    whole = 1 << (depth.bit_length() - 1)
    rest = depth - whole
    return (whole, rest) if rest and depth > SMALL and 2 * rest <= whole else (depth,)


def bank_widths(width: int, depth: int) -> tuple[int, ...]:
    """Bits of the banks side by side; a small memory is one bank."""
    if depth <= SMALL:
        return (width,)
    return tuple(min(WIDE, width - start) for start in range(0, width, WIDE))


def banks(width: int, depth: int) -> list[tuple[int, int]]:
    """Width and depth of every bank of a memory of `depth` words of `width` bits."""
    return [(wide, deep) for deep in bank_depths(depth) for wide in bank_widths(width, depth)]
