# SPDX-License-Identifier: Apache-2.0
"""How tensors of many inputs lie in memory: a batch of 1 in front gives way to the inputs, else they stand before it.

A tensor (1, ...) of B inputs is an array [B, ...]; a tensor of any other shape (n, ...) is an array [B, n, ...].
Operators that keep the first dimension need not know more; `whole` serves those that treat it like any other.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from .graph import Tensor

Operation = Callable[..., np.ndarray]
Operations = Callable[..., tuple[np.ndarray, ...]]


def joined(shape: tuple[int, ...]) -> tuple[int, ...]:
    """What stands behind the inputs in an array of tensors of this shape."""
    return shape[1:] if shape[:1] == (1,) else shape


def count(values: np.ndarray, shape: tuple[int, ...]) -> int:
    """Inputs in an array of tensors of this shape."""
    return values.size // prod(shape)


def join(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """From `[B, *shape]` to the array as it lies in memory."""
    return values.reshape(count(values, shape), *joined(shape))


def whole(operation: Operation, inputs: Sequence[Tensor], output: Tensor) -> Operation:
    """An operation on `[B, *shape]` of every input, as one on arrays as they lie in memory; constants repeat."""
    many = several(lambda *values: (operation(*values),), inputs, [output])
    return lambda *values: many(*values)[0]


def several(operation: Operations, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Operations:
    """The same for an operation with several outputs."""
    shapes = [tensor.shape for tensor in inputs]

    def run(*values: np.ndarray) -> tuple[np.ndarray, ...]:
        wide = [v.reshape(count(v, shape), *shape) for v, shape in zip(values, shapes, strict=True)]
        batch = max(map(len, wide))
        results = operation(*(np.broadcast_to(v, (batch, *v.shape[1:])) for v in wide))
        return tuple(join(np.asarray(v), y.shape) for v, y in zip(results, outputs, strict=True))

    return run
