# SPDX-License-Identifier: Apache-2.0
"""Layers as nests of loops, and how an array unrolls them."""

from collections.abc import Iterator
from itertools import permutations

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError
from sysmt.sim.nn.layer import Layer

from .lattice import divisors
from .machine import Machine
from .nest import LOOPS, Nest, Unrolling

DEFAULT_UNROLL = "OC,IC"
ALL = "all"
"""The choice of unrolling that tries every pair of loops."""
WELL_USED = 0.75
"""Unrollings that keep fewer elements busy than this share of the best one are not tried (the authors' threshold)."""


def nest_of(layer: Layer) -> tuple[int, Nest]:
    """How many equal nests a layer is, and the nest: one per channel where a filter sees one channel."""
    image = layer.geometry
    (fy, fx), (oy, ox), (down, across) = image.kernel, image.out_size, image.stride
    count, inputs, outputs = 1, layer.channels, layer.outputs
    if layer.per_channel:
        count, inputs, outputs = layer.channels, 1, layer.outputs // layer.channels
    dilation = (image.dilation[1], image.dilation[0])
    return count, Nest((fx, fy, ox, oy, outputs, inputs, layer.batch), (across, down), dilation)


def product_nest(layer: Layer, machine: Machine) -> tuple[int, Nest]:
    """How many equal matrix products a layer is, and the product as a nest, padded to whole tiles of the array."""
    p = layer.products
    m, k, n = (
        -(-size // tile) * tile for size, tile in ((p.m, machine.rows), (p.k, machine.threads), (p.n, machine.cols))
    )
    return p.count, Nest((1, 1, m, 1, n, k, 1))


def product_unrolling(machine: Machine) -> Unrolling:
    """How this project's array unrolls a product: pixels down the rows, outputs across, K among the threads."""
    factors = (("OX", machine.rows), ("OC", machine.cols), ("IC", machine.threads))
    return Unrolling(tuple(((loop, factor),) for loop, factor in factors if factor > 1))


def unrollings(choice: str, nest: Nest, machine: Machine) -> Iterator[Unrolling]:
    """The unrollings that a choice of loops means: `DOWN,ACROSS` as `OC,IC`, or `ALL` pairs.

    A loop shorter than its axis takes as many elements as it has iterations; among all pairs, a second loop then lies
    behind it on the axis (replication). Where tiles must be shared evenly, only divisors of the loop do.

    Raises
    ------
    UserError
        The choice is no pair of loops.
    """
    if choice == ALL:
        yield from _all(nest, machine)
        return
    names = choice.split(",")
    for name in names:
        if name not in LOOPS:
            raise UserError(f"{must_be_one_of('unroll', name, LOOPS)}; give two, as {DEFAULT_UNROLL}, or {ALL}")
    if len(names) != 2 or names[0] == names[1]:
        raise UserError(f"unroll must be two loops, as {DEFAULT_UNROLL}, or {ALL}, not {choice!r}")
    yield Unrolling(
        tuple(
            ((name, _factor(nest.size[name], room, machine)),)
            for name, room in zip(names, (machine.rows, machine.cols), strict=True)
        )
    )


def _factor(size: int, room: int, machine: Machine) -> int:
    """Elements that a loop takes of an axis."""
    if machine.shares_evenly:
        return max(factor for factor in divisors(size) if factor <= room)
    return min(size, room)


def _all(nest: Nest, machine: Machine) -> Iterator[Unrolling]:
    """All pairs of loops of more than one iteration, with a loop behind each where there is room, that use the array
    well."""
    size = {loop: n for loop, n in nest.size.items() if n > 1}
    found = {Unrolling()}
    for down, across in permutations(size, 2):
        left = [loop for loop in size if loop not in (down, across)]
        for behind in ({}, *({at: loop} for at in (0, 1) for loop in left)):
            axes = []
            for at, (loop, room) in enumerate(((down, machine.rows), (across, machine.cols))):
                factor = _factor(size[loop], room, machine)
                second = _factor(size[behind[at]], room // factor, machine) if at in behind else 1
                axes.append(((loop, factor), *([(behind[at], second)] if second > 1 else [])))
            found.add(Unrolling(tuple(axes)))
    if len(size) == 1:
        ((loop, n),) = size.items()
        found |= {Unrolling((((loop, _factor(n, room, machine)),),)) for room in (machine.rows, machine.cols)}
    most = max(unrolling.elements for unrolling in found)
    yield from sorted((u for u in found if u.elements >= WELL_USED * most), key=lambda u: u.axes)
