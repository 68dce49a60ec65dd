# SPDX-License-Identifier: Apache-2.0
"""Training and test inputs: bytes and labels from .npz files, and the digits that scikit-learn brings."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sysmt.base.errors import UserError
from sysmt.base.extras import require
from sysmt.base.files import data_folder
from sysmt.sim.nn.archive import read_archive
from sysmt.sim.nn.digits import data as digits

from .architecture import Architecture

FILES = {
    "resnet8": ("cifar10/train_jpeg30000.npz", "cifar10/test_first500.npz"),
    "dscnn": ("kws/even500.npz", "kws/even500.npz"),
}
"""Where the inputs of a network lie by default, below the folder `data` of the reference data: to train and to test.

Where both are one file, every fifth input is for the test and the others for training."""
HELD_OUT = 5


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs and what they show.

    Parameters
    ----------
    inputs : uint8 tensor [B, H, W, C]
    labels : int64 tensor [B]
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: "slice | torch.Tensor") -> "Examples":
        return Examples(self.inputs[part], self.labels[part])

    def to(self, device: str) -> "Examples":
        """The same on another device."""
        return Examples(self.inputs.to(device), self.labels.to(device))

    def digest(self) -> str:
        """What tells their contents from others."""
        content = hashlib.sha256(repr(tuple(self.inputs.shape)).encode())
        for values in (self.inputs, self.labels):
            content.update(values.cpu().numpy().tobytes())
        return content.hexdigest()[:16]


def load(architecture: Architecture, train: Path | None = None, test: Path | None = None) -> tuple[Examples, Examples]:
    """Training and test examples.

    Parameters
    ----------
    architecture : Architecture
    train, test : Path, optional
        .npz files with `labels` and `images` (uint8 [B, H, W, C]), `features` (int8, 128 less), or `jpg` (files of
        images one after the other, uint8) and `length` (of each of them). Both, or by default the network's own.

    Raises
    ------
    UserError
        A file is missing, damaged or does not fit the network; or only one is given.
    """
    if (train is None) != (test is None):
        raise UserError("data must be given for both, training and test, or for neither; add --data and --test")
    if train is None or test is None:
        if architecture.name not in FILES:
            return _examples(digits.load()[0]), _examples(digits.load()[1])
        train, test = (data_folder() / "data" / name for name in FILES[architecture.name])
    if train != test:
        return _read(train, architecture), _read(test, architecture)
    every = _read(train, architecture)
    held_out = torch.arange(len(every)) % HELD_OUT == HELD_OUT - 1
    if not held_out.any():
        raise UserError(
            f"data must be {HELD_OUT} inputs at least where one file is for both, not {len(every)}: {train}"
        )
    return every[~held_out], every[held_out]


def _examples(images: digits.Images) -> Examples:
    return Examples(torch.from_numpy(images.pixels), torch.from_numpy(images.labels))


def _read(path: Path, architecture: Architecture) -> Examples:
    if not path.exists():
        raise UserError(f"data must be a .npz file that exists, not {str(path)!r}; give --data and --test")
    arrays = read_archive(path, "data", lambda _: True)
    inputs = _inputs(arrays, path)
    wanted = (*architecture.size, architecture.channels)
    if inputs.shape[1:] != wanted or not len(inputs):
        raise UserError(f"data of {architecture.name} must be inputs of shape {wanted}, not {inputs.shape} ({path})")
    labels = arrays.get("labels")
    if labels is None or labels.shape != (len(inputs),) or labels.dtype.kind not in "iu":
        raise UserError(f"data must hold one integer label for each of {len(inputs)} inputs; mend {str(path)!r}")
    if not 0 <= labels.min() <= labels.max() < architecture.classes:
        raise UserError(
            f"labels must be within 0..{architecture.classes - 1}, not {labels.min()}..{labels.max()} ({path})"
        )
    return Examples(torch.from_numpy(np.ascontiguousarray(inputs)), torch.from_numpy(labels.astype(np.int64)))


def _inputs(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray:
    if "jpg" in arrays and "length" in arrays:
        return _pictures(arrays["jpg"], arrays["length"], path)
    for name, dtype in (("images", "uint8"), ("features", "int8")):
        if name in arrays:
            if arrays[name].dtype != dtype:
                raise UserError(f"{name} must be {dtype}, not {arrays[name].dtype}; convert {str(path)!r}")
            return arrays[name] if dtype == "uint8" else arrays[name].view(np.uint8) ^ np.uint8(128)
    raise UserError(f"data must hold images, features, or jpg and length, not {', '.join(arrays)} ({path})")


def _pictures(content: np.ndarray, lengths: np.ndarray, path: Path) -> np.ndarray:
    image = require("PIL.Image", "train")
    ends = np.cumsum(lengths)
    if content.dtype != np.uint8 or not len(ends) or ends[-1] != len(content):
        raise UserError(f"jpg must be bytes, as many as length adds up to; mend {str(path)!r}")
    try:
        parts = (content[end - length : end].tobytes() for end, length in zip(ends, lengths, strict=True))
        return np.stack([np.asarray(image.open(io.BytesIO(part)).convert("RGB")) for part in parts])
    except (OSError, ValueError) as error:
        raise UserError(f"jpg must hold pictures of one size, not {type(error).__name__} ({path})") from None


def augmented(inputs: torch.Tensor, architecture: Architecture, random: torch.Generator) -> torch.Tensor:
    """Each input moved by up to `architecture.shift`, mirrored every other time: what moves in stands for 0."""
    count, device = len(inputs), inputs.device
    down, across = architecture.shift
    padded = torch.nn.functional.pad(inputs, (0, 0, across, across, down, down), value=architecture.zero)
    moves = [torch.randint(0, 2 * most + 1, (count,), generator=random).to(device) for most in (down, across)]
    rows, columns = (
        move[:, None] + torch.arange(size, device=device) for move, size in zip(moves, architecture.size, strict=True)
    )
    if architecture.mirror:
        turned = torch.rand(count, generator=random).to(device) < 0.5
        columns = torch.where(turned[:, None], columns.flip(1), columns)
    return padded[torch.arange(count, device=device)[:, None, None], rows[:, :, None], columns[:, None, :]]
