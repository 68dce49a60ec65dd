# SPDX-License-Identifier: Apache-2.0
"""Reads inputs and labels from .npz files, in the type and shape that a network takes."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdl.errors import UserError

from .network import Network


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs [B, ...] as the network takes them, and labels int64 [B] or None."""

    values: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "Inputs":
        return Inputs(self.values[part], None if self.labels is None else self.labels[part])


def load(path: Path, network: Network, limit: int | None = None) -> Inputs:
    """Read a .npz file.

    Parameters
    ----------
    path : Path
        Holds `images` (uint8; 128 is subtracted for an int8 input with zero point -128) or `features` (already the
        network's input), and optionally `labels`.
    network : Network
    limit : int, optional
        Only the first so many.

    Raises
    ------
    UserError
        The file cannot be read, a shape or type does not fit the network, a label is out of range, or it is empty.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("images", "features", "labels") if name in arrays}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "not a plain .npz archive"
        raise UserError(f"inputs must be a readable .npz file, not {str(path)!r} ({reason})") from None
    if ("images" in found) == ("features" in found):
        raise UserError(f"inputs must hold either images or features, not {'both' if found else 'neither'}")
    name = "images" if "images" in found else "features"
    values = _fit(name, found[name], network)
    if not len(values):
        raise UserError(f"{name} must hold at least one input, not {found[name].shape}; the set is empty")
    labels = _labels(found["labels"], len(values), network) if "labels" in found else None
    return Inputs(values, labels)[slice(limit)]


def _fit(name: str, values: np.ndarray, network: Network) -> np.ndarray:
    wanted, dtype = network.input.shape[1:], network.input.dtype
    if values.shape[1:] != wanted or not values.ndim:
        raise UserError(f"{name} must have the shape (inputs, *{wanted}) of the model, not {values.shape}")
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


def _labels(labels: np.ndarray, count: int, network: Network) -> np.ndarray:
    classes = int(np.prod(network.output.shape[1:]))
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise UserError(f"labels must be integers of shape ({count},), not {labels.dtype} of shape {labels.shape}")
    for extreme in (int(labels.min()), int(labels.max())):
        if not 0 <= extreme < classes:
            raise UserError(f"labels must be within 0..{classes - 1}, the model's outputs, not {extreme}")
    return labels.astype(np.int64)
