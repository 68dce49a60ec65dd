# SPDX-License-Identifier: Apache-2.0
"""The intermediate form of a quantised network: tensors and nodes, free of any file format.

A reader of another format only has to fill this in: layouts are channels-last (activations NHWC, convolution weights
OHWI, depthwise weights 1HWC), operators go by their TFLite names, and a quantised tensor carries its scales.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from sysmt.base.errors import UserError

TENSOR_VALUES = 2**26
"""Largest tensor accepted, in values per input: far above any network of this kind, far below the memory."""

SCALE_BITS = 40
"""Scales are within 2**-SCALE_BITS and 2**SCALE_BITS; the kernels' own limits lie within."""

DIMENSIONS = 6
"""Most dimensions of a tensor; the reference kernels stop at five or six."""

RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int4": (-8, 7)}
"""The integers of quantised tensors."""
QUANTISED = tuple(RANGES)
"""Types whose scale matters; elsewhere, as of int32 biases, it follows from others."""

ABSENT = -1
"""Stands for an optional input that is not there, such as a bias."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensor:
    """One tensor.

    Parameters
    ----------
    name : str
    shape : tuple of int
        As in the file: the first dimension of an activation is the batch, and mostly 1.
    dtype : str
        numpy's name, such as int8, int16, int32, float32 or bool; or the file's, for types that numpy does not have.
    scale : float32 [1] or [channels], or [0] when the tensor is not quantised
    zero_point : int64, as long as `scale`
    axis : int
        The dimension that the scales belong to, when there are several.
    data : array or None
        The value of a constant.
    variable : bool
        An operator's own state: kept from one input to the next.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    zero_point: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    axis: int = 0
    data: np.ndarray | None = None
    variable: bool = False

    @property
    def z(self) -> int:
        """The zero point of a tensor with only one."""
        return int(self.zero_point[0])

    def per_tensor(self) -> "Tensor":
        """The tensor itself, refused unless it is quantised with one scale."""
        if len(self.scale) != 1:
            raise UserError(
                f"tensor {self.name!r} must have one scale, not {len(self.scale)}; quantise activations per tensor"
            )
        return self

    def constant(self) -> np.ndarray:
        """The value, refused when it is only known at run time."""
        if self.data is None:
            raise UserError(f"tensor {self.name!r} must be a constant, not computed; freeze the model")
        return self.data


@dataclass(frozen=True, kw_only=True)
class FusedAdd:
    """An ADD that can run behind the layer that computes one of its operands (`sysmt.sim.nn.passes`).

    Parameters
    ----------
    main : int
        The tensor that this layer computes, for the ADD alone.
    residual : int
        The other operand, computed before.
    in_place : bool
        Nobody reads the residual from this layer on, the layer itself included: the sums may be written over it.
    """

    main: int
    residual: int
    in_place: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One operator.

    Parameters
    ----------
    index : int
        Its place in the file, for messages.
    kind : str
        TFLite's name of the operator, such as CONV_2D.
    inputs : tuple of int
        Tensors; `ABSENT` for an optional one that is left out.
    output : int
    options : dict
        The operator's attributes by TFLite's names in lower case, such as stride_h.
    more_outputs : tuple of int
        Of an operator with several outputs those behind the first.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    output: int
    options: dict[str, Any]
    more_outputs: tuple[int, ...] = ()

    @property
    def outputs(self) -> tuple[int, ...]:
        """All outputs."""
        return (self.output, *self.more_outputs)

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"operator {self.index} ({self.kind})"


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """What a network remembers from one input to the next.

    Parameters
    ----------
    tensor : int
        The tensor that is the state when an input arrives.
    update : int
        The tensor that is the state for the next one.
    initial : array
        The state before the first input, in the shape of `tensor`.
    """

    tensor: int
    update: int
    initial: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A network, its nodes in an order they can run in.

    Parameters
    ----------
    tensors : tuple of Tensor
    nodes : tuple of Node
    input, output : int
        The first tensor that goes in, and the first that comes out.
    more_inputs, more_outputs : tuple of int
        The others.
    states : tuple of State
    """

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    input: int
    output: int
    more_inputs: tuple[int, ...] = ()
    more_outputs: tuple[int, ...] = ()
    states: tuple[State, ...] = ()

    @property
    def inputs(self) -> tuple[int, ...]:
        """All tensors that go in."""
        return (self.input, *self.more_inputs)

    @property
    def outputs(self) -> tuple[int, ...]:
        """All tensors that come out."""
        return (self.output, *self.more_outputs)

    def __post_init__(self) -> None:
        known = {*self.inputs, *(state.tensor for state in self.states)}
        known |= {i for i, tensor in enumerate(self.tensors) if tensor.data is not None}
        used = {*self.inputs, *self.outputs}
        for node in self.nodes:
            for index in node.inputs:
                if index != ABSENT and index not in known:
                    raise UserError(f"{node.name} reads tensor {index} before it is computed; the file is damaged")
            for index in node.outputs:
                if index in known:
                    raise UserError(f"{node.name} writes tensor {index} a second time; the file is damaged")
            known.update(node.outputs)
            used.update(node.inputs, node.outputs)
        for index in (*self.outputs, *(state.update for state in self.states)):
            if index not in known:
                raise UserError(f"the output, tensor {index}, is never computed; the file is damaged")
        for index in sorted(used - {ABSENT}):
            check_shape(self.tensors[index])

    def input_of(self, node: Node, position: int) -> Tensor:
        """The tensor a node reads as its `position`-th input; refused when the node has none there."""
        if position >= len(node.inputs) or node.inputs[position] == ABSENT:
            raise UserError(f"{node.name} must have more than {position} inputs; the file is damaged")
        return self.tensors[node.inputs[position]]


def check_shape(tensor: Tensor) -> None:
    """Refuse shapes that no network has and quantisation that cannot be."""
    size = prod(tensor.shape)
    least = 1 if tensor.data is None else 0  # an empty constant is the shape of a scalar
    if len(tensor.shape) > DIMENSIONS or min(tensor.shape, default=1) < least or size > TENSOR_VALUES:
        raise UserError(
            f"tensor {tensor.name!r} must have up to {DIMENSIONS} dimensions from 1 and {TENSOR_VALUES} values at "
            f"most, not the shape {tensor.shape}"
        )
    if len(tensor.scale) != len(tensor.zero_point):
        raise UserError(
            f"tensor {tensor.name!r} must have as many zero points as scales, "
            f"not {len(tensor.zero_point)} and {len(tensor.scale)}"
        )
    if not ((tensor.scale >= 2.0**-SCALE_BITS) & (tensor.scale <= 2.0**SCALE_BITS)).all():
        raise UserError(f"tensor {tensor.name!r} must have scales from 2**-40 to 2**40; requantise the model")
    limits = RANGES.get(tensor.dtype, (0, 0))
    if len(tensor.zero_point) and not limits[0] <= tensor.zero_point.min() <= tensor.zero_point.max() <= limits[1]:
        raise UserError(
            f"tensor {tensor.name!r} must have zero points within {limits[0]}..{limits[1]}, "
            f"not {int(tensor.zero_point.min())}..{int(tensor.zero_point.max())}"
        )
    if tensor.data is not None and tensor.data.shape != tensor.shape:
        raise UserError(f"tensor {tensor.name!r} must hold {tensor.shape}, not {tensor.data.shape}")
