# SPDX-License-Identifier: Apache-2.0
"""What the edge of the array tells a SPARQ PE about each lane: some bits of an activation, and a code.

Lane t of a PE has the weight of thread t. Two trimmed activations of a pair have their own lanes. One that is alone,
and would lose bits, has its high bits in its own lane and its low bits in that of its neighbour, which borrows the
weight.
"""

from itertools import combinations, product

from amaranth.hdl import Cat, Const, Value
from amaranth.lib import data

from sysmt.hdl.params.kinds.sparq import SparqConfig, lane_codes


def lanes(config: SparqConfig) -> data.ArrayLayout:
    """Lanes of one PE, in the order of its threads: `q`, some bits of an activation, and `code` (`lane_codes`).

    With `signed_window`, `negative` too: the lane's product counts negative.
    """
    window = config.narrow
    code = (len(lane_codes(window)) - 1).bit_length()
    sign = {"negative": 1} if config.signed_window else {}
    return data.ArrayLayout(data.StructLayout({"q": window.bits, "code": code} | sign), config.products)


def decoded(code: Value, values: set[int], known: int) -> Value:
    """Whether the code is one of `values`, as few literals as can be; codes from `known` on never come."""
    others = set(range(known)) - values
    cubes = [c for c in product((None, 0, 1), repeat=len(code)) if not any(_in(c, v) for v in others)]
    for size in range(1, len(values) + 1):
        covers = [c for c in combinations(cubes, size) if all(any(_in(cube, v) for cube in c) for v in values)]
        if covers:
            best = min(covers, key=lambda cover: sum(bit is not None for cube in cover for bit in cube))
            return Cat(_holds(code, cube) for cube in best).any()
    return Const(0, 1)


def _in(cube: tuple[int | None, ...], value: int) -> bool:
    return all(bit is None or bit == value >> i & 1 for i, bit in enumerate(cube))


def _holds(code: Value, cube: tuple[int | None, ...]) -> Value:
    return Cat(code[i] if bit else ~code[i] for i, bit in enumerate(cube) if bit is not None).all()
