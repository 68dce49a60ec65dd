# SPDX-License-Identifier: Apache-2.0
"""Reads inputs and labels from .npz files, in the type and shape that a network takes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from sysmt.base.errors import UserError

from .archive import read_archive
from .arrays import join, joined
from .batches import pack
from .graph import Tensor
from .network import Network

NAMES = ("images", "features", "labels")
NUMBERED = re.compile(r"in\d{1,3}")
"""Inputs of a network with several, by their place."""

SHOWN, SHORT = 4, 32
"""Most names of other arrays, and most of their letters, that an error shows."""


class NetworkEnds(Protocol):
    """What inputs must fit: a network, or a program made from one."""

    @property
    def input(self) -> Tensor:
        """The input."""

    @property
    def output(self) -> Tensor:
        """The output."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs [B, ...] as the network takes them, and labels int64 [B] or None."""

    values: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "Inputs":
        return Inputs(self.values[part], None if self.labels is None else self.labels[part])

    def mirrored(self) -> "Inputs":
        """The same images, [B, H, W, C], left and right exchanged."""
        return Inputs(np.ascontiguousarray(self.values[:, :, ::-1]), self.labels)

    def __add__(self, others: "Inputs") -> "Inputs":
        labels = None if self.labels is None else np.concatenate([self.labels, others.labels])
        return Inputs(np.concatenate([self.values, others.values]), labels)


def load(path: Path, network: NetworkEnds, limit: int | None = None) -> Inputs:
    """Read a .npz file.

    Parameters
    ----------
    path : Path
        Holds `images` (uint8; 128 is subtracted for an int8 input with zero point -128) or `features` (already the
        network's input), or one array per input, `in0`, `in1`, ..., and optionally `labels`.
    network : NetworkEnds
    limit : int, optional
        Only the first so many.

    Raises
    ------
    UserError
        The file cannot be read, a shape or type does not fit the network, a label is out of range, or it is empty.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    present: list[str] = []

    def wanted(name: str) -> bool:
        present.append(repr(name[:SHORT]))
        return name in NAMES or NUMBERED.fullmatch(name) is not None

    arrays = read_archive(path, "inputs", wanted)
    kinds = [name for name in ("images", "features", "in0") if name in arrays]
    if len(kinds) != 1:
        found = " and ".join(kinds) or ", ".join(present[:SHOWN]) or "nothing"
        raise UserError(f"inputs must hold images, features, or in0, in1, ..., not {found}")
    values = _several(arrays, network) if kinds == ["in0"] else _fit(kinds[0], arrays[kinds[0]], network)
    if not len(values):
        raise UserError(f"{kinds[0]} must hold at least one input, not {arrays[kinds[0]].shape}; the set is empty")
    labels = _labels(arrays["labels"], len(values), network) if "labels" in arrays else None
    return Inputs(values, labels)[slice(limit)]


def _several(arrays: dict[str, np.ndarray], network: NetworkEnds) -> np.ndarray:
    """`in0`, `in1`, ...: one array per input of the network, as many of each, packed."""
    tensors = [tensor for _, tensor in network.inputs] if isinstance(network, Network) else [network.input]
    names = sorted(name for name in arrays if name != "labels")
    if names != sorted(f"in{i}" for i in range(len(tensors))):
        raise UserError(f"inputs must hold in0 to in{len(tensors) - 1}, the model's inputs, not {', '.join(names)}")
    values = []
    for i, tensor in enumerate(tensors):
        array, wanted = arrays[f"in{i}"], joined(tensor.shape)
        if array.dtype != tensor.dtype or (array.shape != tensor.shape and array.shape[1:] != wanted):
            shape = ", ".join(map(str, ("inputs", *wanted)))
            raise UserError(
                f"in{i} must be {tensor.dtype} ({shape}) as the model's input, not {array.dtype} {array.shape}"
            )
        values.append(join(array, tensor.shape) if array.size else array)
    if len({len(array) for array in values}) != 1:
        raise UserError(f"inputs must be as many of each, not {', '.join(str(len(array)) for array in values)}")
    return pack(network, values) if isinstance(network, Network) else values[0]


def _fit(name: str, values: np.ndarray, network: NetworkEnds) -> np.ndarray:
    wanted, dtype = joined(network.input.shape), network.input.dtype
    if values.shape[1:] != wanted or not values.ndim:
        shape = ", ".join(map(str, ("inputs", *wanted)))
        turned = values.ndim == 4 and values.shape[1:] == (*wanted[1:], *wanted[:1])
        way = f"; its channels come first: give {name}.transpose(0, 3, 1, 2)" if turned else ""
        raise UserError(f"{name} must have the model's shape ({shape}), not {values.shape}{way}")
    if name == "features" or dtype != "int8":
        if values.dtype != dtype:
            raise UserError(f"{name} of shape {values.shape} must be {dtype} as the model's input, not {values.dtype}")
        return values
    if values.dtype != np.uint8 or network.input.z != -128:
        raise UserError(
            f"images must be uint8 and the model's zero point -128, not {values.dtype} and {network.input.z}; "
            "give features instead"
        )
    return np.ascontiguousarray(values ^ np.uint8(128)).view(np.int8)


def _labels(labels: np.ndarray, count: int, network: NetworkEnds) -> np.ndarray:
    classes = int(np.prod(joined(network.output.shape)))
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise UserError(f"labels must be integers of shape ({count},), not {labels.dtype} of shape {labels.shape}")
    for extreme in (int(labels.min()), int(labels.max())):
        if not 0 <= extreme < classes:
            raise UserError(f"labels must be within 0..{classes - 1}, the model's outputs, not {extreme}")
    return labels.astype(np.int64)
