# SPDX-License-Identifier: Apache-2.0
"""A layer as seven nested loops, and the words of each tensor that a tile touches (Yang et al., ASPLOS 2020)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError

LOOPS = ("FX", "FY", "OX", "OY", "OC", "IC", "ON")
"""Filter x, y; output x, y; output and input channels; images of the batch."""

LONGEST = (1 << 31) - 1
"""Iterations that a loop may have."""

TENSORS = ("input", "output", "weights")

IRRELEVANT: dict[str, tuple[str, ...]] = {
    "input": ("FX", "FY", "OC"),
    "output": ("FX", "FY", "IC"),
    "weights": ("OX", "OY", "ON"),
}
"""Loops that do not index a tensor: while they turn, its words stay the same."""


@dataclass(frozen=True)
class Nest:
    """The loops of one layer.

    Parameters
    ----------
    sizes : ints
        Iterations of every loop of `LOOPS`, each at least 1 and at most `LONGEST`.
    stride, dilation : (int, int)
        Along x and along y.

    Raises
    ------
    UserError
        Not one size per loop; a size, stride or dilation below 1, or above `LONGEST`.
    """

    sizes: Sequence[int]
    stride: Sequence[int] = (1, 1)
    dilation: Sequence[int] = (1, 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", whole_numbers("loops", self.sizes, len(LOOPS), " ".join(LOOPS)))
        for name in ("stride", "dilation"):
            object.__setattr__(self, name, whole_numbers(name, getattr(self, name), 2, "x, y"))
        for name, n in (self.size | {"stride": max(self.stride), "dilation": max(self.dilation)}).items():
            if n > LONGEST:
                raise UserError(f"{name} must be at most {LONGEST}, not {n}")

    @property
    def size(self) -> dict[str, int]:
        """Iterations by loop."""
        return dict(zip(LOOPS, self.sizes, strict=True))

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return math.prod(self.sizes)

    @property
    def words(self) -> dict[str, int]:
        """Words of every tensor of the layer."""
        return self.tile(self.size)

    @property
    def strides(self) -> int:
        """Product of the strides, by which the passes over the input are divided."""
        return self.stride[0] * self.stride[1]

    def tile(self, size: Mapping[str, Any]) -> dict[str, Any]:
        """Words of every tensor that a tile of `size` iterations per loop touches; of numbers or of arrays."""
        wide, high = (
            (size[f"F{axis}"] - 1) * dilation + 1 + (size[f"O{axis}"] - 1) * stride
            for axis, stride, dilation in zip("XY", self.stride, self.dilation, strict=True)
        )
        return {
            "input": wide * high * size["IC"] * size["ON"],
            "output": size["OX"] * size["OY"] * size["OC"] * size["ON"],
            "weights": size["FX"] * size["FY"] * size["IC"] * size["OC"],
        }


@dataclass(frozen=True)
class Unrolling:
    """Loops spread over the axes of the array of processing elements.

    Parameters
    ----------
    axes : tuple of tuple of (str, int)
        Per axis the loops that lie on it and their factors, the one between neighbours first. A second loop on an axis
        is its replication (Yang et al., section 3.2).

    Raises
    ------
    UserError
        More than two loops on an axis, an unknown loop, one that comes twice, a factor below 1.
    """

    axes: tuple[tuple[tuple[str, int], ...], ...] = ()

    def __post_init__(self) -> None:
        axes = tuple(tuple((loop, plain(factor)) for loop, factor in axis) for axis in self.axes)
        object.__setattr__(self, "axes", axes)
        names = [loop for axis in self.axes for loop, _ in axis]
        for axis in self.axes:
            for loop, factor in axis:
                if loop not in LOOPS:
                    raise UserError(must_be_one_of("unroll", loop, LOOPS))
                if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
                    raise UserError(f"unroll of {loop} must be a whole number of at least 1, not {factor!r}")
        if len(set(names)) != len(names):
            raise UserError(f"unroll must name a loop once, not {' '.join(names)}")
        if any(len(axis) > 2 for axis in self.axes):
            raise UserError(f"unroll must have at most 2 loops on an axis, not {self.as_dict()!r}")

    @classmethod
    def of(cls, unroll: "Unrolling | Mapping[str, int] | Sequence[Mapping[str, int]]") -> "Unrolling":
        """From a mapping of loops to factors, or from one such mapping per axis.

        In one mapping every loop is a neighbour on an axis of its own, as in the authors' scripts where the whole
        unrolling is given; loops in the mapping of one axis lie behind each other.
        """
        if isinstance(unroll, Unrolling):
            return unroll
        if isinstance(unroll, Mapping):
            return cls(tuple(((loop, factor),) for loop, factor in unroll.items()))
        if isinstance(unroll, Sequence) and all(isinstance(axis, Mapping) for axis in unroll):
            return cls(tuple(tuple(axis.items()) for axis in unroll))
        raise UserError(f"unroll must be a mapping of loops to factors, or one per axis, not {unroll!r}")

    @property
    def factor(self) -> dict[str, int]:
        """Factor of every loop, 1 where it is not unrolled."""
        return dict.fromkeys(LOOPS, 1) | {loop: factor for axis in self.axes for loop, factor in axis}

    @property
    def elements(self) -> int:
        """Processing elements that are in use."""
        return math.prod(factor for axis in self.axes for _, factor in axis)

    def hops(self, tensor: str) -> int:
        """Steps between elements that a word of the tensor takes each time it enters the array.

        One per neighbour that has the same word; to the neighbour of a second loop it is as far as the first loop is
        long.
        """
        same = IRRELEVANT[tensor]
        near = math.prod(axis[0][1] for axis in self.axes if axis and axis[0][0] in same)
        behind = (axis for axis in self.axes if len(axis) > 1 and axis[1][0] in same and axis[1][1] > 1)
        return near + sum(axis[0][1] * axis[1][1] for axis in behind)

    def as_dict(self) -> list[dict[str, int]]:
        """Per axis, loops and factors."""
        return [dict(axis) for axis in self.axes]


def whole_numbers(name: str, values: Sequence[int], count: int, form: str) -> tuple[int, ...]:
    """`values` as a tuple of `count` whole numbers of at least 1, or a refusal that names what they are (`form`)."""
    some = isinstance(values, Sequence) and not isinstance(values, str) or np.ndim(values) == 1
    numbers = tuple(values) if some else ()
    if len(numbers) != count or not all(type(v) is int and v >= 1 for v in map(plain, numbers)):
        raise UserError(f"{name} must be {count} whole numbers of at least 1 ({form}), not {values!r}")
    return tuple(map(int, numbers))


def plain(value: Any) -> Any:
    """A number of numpy as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
