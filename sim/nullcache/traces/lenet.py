# SPDX-License-Identifier: Apache-2.0
"""LeNet-5 (Caffe's shapes) trained here and pruned as Scalpel prunes: real weights, real images, real zeros.

Scalpel (Yu et al., ISCA 2017, section 4.1) removes weights in aligned groups as wide as the SIMD unit, by the root mean
square of a group, and trains what is left. The group is a parameter: 1 is the unstructured pruning of Han et al. The
densities are those of Han et al. (NIPS 2015, table 3), which the trained network keeps within a point of top-1. Images
are MNIST where they are here (its test set, split in two), else the digits of scikit-learn, enlarged and centred as
those of MNIST are.
"""

import gzip
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.cache import cached
from sysmt.base.errors import ConfigError, UserError
from sysmt.base.files import data_folder

from .layers import LayerOperands

SHAPES = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 50, 4, 4), "fc2": (10, 500, 1, 1)}
DENSITY = {"conv1": 0.66, "conv2": 0.12, "fc1": 0.08, "fc2": 0.19}
GROUPS = (1, 4, 8)
SIDE, BOX = 28, 20
TESTED = 2000
BATCH, RATE, MOMENTUM, DECAY = 64, 0.02, 0.9, 5e-4
STEPS = {"dense": 320, "pruned": 480}
SEED = 2017

Weights = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Digits:
    """Images float32 [B, 28, 28], 0 to 1, and their digits; the training part, then the tested part."""

    pixels: np.ndarray
    labels: np.ndarray
    tested: int


@dataclass(frozen=True, eq=False)
class Trained:
    """LeNet-5 after training: `weights` with NAME and NAME_bias, top-1 before and after it was pruned, 0 to 1."""

    weights: Weights
    dense: float
    pruned: float

    def density(self, name: str) -> float:
        """Share of the weights of a layer that is not zero."""
        return float((self.weights[name] != 0).mean())


def digits() -> Digits:
    """MNIST's test set, of which the last 2000 are tested, else the digits of scikit-learn."""
    folder = data_folder() / "data" / "mnist"
    if (folder / "t10k-images-idx3-ubyte.gz").exists():
        pixels = _idx(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, SIDE, SIDE)
        labels = _idx(folder / "t10k-labels-idx1-ubyte.gz", 8)
        if len(pixels) != len(labels) or len(labels) <= TESTED:
            raise UserError(f"images of {folder} must be as many as its labels, {len(labels)}, not {len(pixels)}")
        return Digits(np.float32(pixels) / 255, labels.astype(np.int64), TESTED)
    from sysmt.sim.nn.digits import data

    train, test = data.load()
    small = np.concatenate([train.pixels, test.pixels])[..., 0].astype(np.float32) / 16
    # Bilinear, as thick as MNIST's strokes: 8 pixels become the 20 of MNIST's box.
    at = np.linspace(0, small.shape[1] - 1, BOX)
    low = np.minimum(at.astype(int), small.shape[1] - 2)
    part = np.float32(at - low)
    rows = small[:, low] * (1 - part[:, None]) + small[:, low + 1] * part[:, None]
    large = rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part
    edge = (SIDE - BOX) // 2
    pixels = np.pad(large, ((0, 0), (edge, edge), (edge, edge)))
    return Digits(pixels, np.concatenate([train.labels, test.labels]), len(test))


def _idx(path: Path, header: int) -> np.ndarray:
    try:
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"images {path} cannot be read ({error}): give the files of MNIST as they are") from None


def trained(group: int, channels_last: bool = False, steps: dict[str, int] | None = None) -> Trained:
    """LeNet-5 with its weights pruned in aligned groups of `group`, trained once and kept in the build folder.

    Groups are aligned where the weights lie as [N, C, KH, KW], or with `channels_last` as [N, KH, KW, C].
    """
    if group not in GROUPS:
        raise ConfigError(f"group must be one of {', '.join(map(str, GROUPS))}, not {group!r}")
    steps = steps or STEPS
    images = digits()
    # What decides about the result: the program itself, the recipe, the images, the lengths.
    content = {
        "source": [inspect.getsource(part) for part in (Network, kept_groups, _columns, _pool, _unpool)],
        "recipe": [SEED, BATCH, RATE, MOMENTUM, DECAY, list(DENSITY.items())],
        "images": [len(images.labels), float(images.pixels.sum(dtype=np.float64))],
        "group": [group, channels_last],
        "steps": steps,
    }

    def make(folder: Path) -> None:
        network = Network()
        network.train(images, steps["dense"], {})
        dense = network.top1(images)
        kept = {
            name: kept_groups(network.weights[name], share, group, channels_last) for name, share in DENSITY.items()
        }
        network.train(images, steps["pruned"], kept)
        arrays: dict[str, Any] = {"dense": dense, "pruned": network.top1(images), **network.weights}
        np.savez(folder / "lenet5.npz", **arrays)

    path = cached("lenet", f"scalpel{group}{'_last' if channels_last else ''}", content, make) / "lenet5.npz"
    with np.load(path, allow_pickle=False) as arrays:
        weights = {name: arrays[name] for name in arrays.files if name not in ("dense", "pruned")}
        return Trained(weights, float(arrays["dense"]), float(arrays["pruned"]))


def kept_groups(w: np.ndarray, density: float, group: int, channels_last: bool = False) -> np.ndarray:
    """Which weights stay: whole groups, aligned in memory, with the largest root mean squares; the shape of `w`."""
    if channels_last:
        return kept_groups(w.transpose(0, 2, 3, 1), density, group).transpose(0, 3, 1, 2)
    flat = np.pad(w.reshape(-1), (0, -w.size % group)).reshape(-1, group)
    strength = (flat.astype(np.float64) ** 2).sum(axis=1)
    count = max(1, round(density * len(flat)))
    kept = np.zeros(len(flat), bool)
    kept[np.argsort(-strength, kind="stable")[:count]] = True
    return np.repeat(kept, group)[: w.size].reshape(w.shape)


class Network:
    """LeNet-5 in float32: convolution, ReLU and 2x2 maximum twice, two fully connected layers."""

    def __init__(self, seed: int = SEED) -> None:
        rng = np.random.default_rng(seed)
        self.rng = rng
        self.weights: Weights = {}
        for name, shape in SHAPES.items():
            deviation = np.sqrt(2 / np.prod(shape[1:]))
            self.weights[name] = (deviation * rng.standard_normal(shape)).astype(np.float32)
            self.weights[f"{name}_bias"] = np.zeros(shape[0], np.float32)

    def train(self, images: Digits, steps: int, kept: Weights) -> None:
        """Stochastic gradients with momentum; weights outside of `kept` are and stay zero."""
        weights = self.weights
        for name, mask in kept.items():
            weights[name] = np.where(mask, weights[name], np.float32(0))
        speed = {name: np.zeros_like(w) for name, w in weights.items()}
        count = len(images.labels) - images.tested
        for step in range(steps):
            chosen = self.rng.integers(0, count, BATCH)
            rate = RATE * (1 + np.cos(np.pi * step / steps)) / 2
            for name, slope in self._slopes(images.pixels[chosen], images.labels[chosen]).items():
                decay = 0 if name.endswith("_bias") else DECAY
                speed[name] = MOMENTUM * speed[name] - np.float32(rate) * (slope + np.float32(decay) * weights[name])
                change = speed[name] if name not in kept else np.where(kept[name], speed[name], np.float32(0))
                weights[name] = weights[name] + change

    def top1(self, images: Digits) -> float:
        """Share of the tested images that are recognised, 0 to 1."""
        pixels, labels = images.pixels[-images.tested :], images.labels[-images.tested :]
        found = [self.scores(pixels[at : at + 250]).argmax(axis=1) for at in range(0, len(pixels), 250)]
        return float((np.concatenate(found) == labels).mean())

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """What the network says about images [B, 28, 28]: [B, 10]."""
        return self._forward(pixels)[-1]

    def _forward(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Images [B, 28, 28] to the columns of conv1, its pooled output's winners, ..., the scores [B, 10]."""
        w = self.weights
        columns1 = _columns(pixels[:, None])
        sums1 = columns1 @ w["conv1"].reshape(20, -1).T + w["conv1_bias"]
        pooled1, winners1 = _pool(sums1.transpose(0, 3, 1, 2))
        columns2 = _columns(pooled1)
        sums2 = columns2 @ w["conv2"].reshape(50, -1).T + w["conv2_bias"]
        pooled2, winners2 = _pool(sums2.transpose(0, 3, 1, 2))
        flat = pooled2.reshape(len(pixels), -1)
        hidden = np.maximum(flat @ w["fc1"].reshape(500, -1).T + w["fc1_bias"], 0)
        scores = hidden @ w["fc2"].reshape(10, -1).T + w["fc2_bias"]
        return [columns1, winners1, columns2, winners2, flat, hidden, scores]

    def _slopes(self, pixels: np.ndarray, labels: np.ndarray) -> Weights:
        """Gradients of the mean cross entropy."""
        w, count = self.weights, len(pixels)
        columns1, winners1, columns2, winners2, flat, hidden, scores = self._forward(pixels)
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        share[np.arange(count), labels] -= 1
        d_scores = share / np.float32(count)
        d_hidden = (d_scores @ w["fc2"].reshape(10, -1)) * (hidden > 0)
        d_flat = d_hidden @ w["fc1"].reshape(500, -1)
        d_sums2 = _unpool(d_flat.reshape(count, 50, 4, 4), winners2).transpose(0, 2, 3, 1).reshape(-1, 50)
        d_columns2 = (d_sums2 @ w["conv2"].reshape(50, -1)).reshape(count, 8, 8, 20, 5, 5)
        d_pooled1 = np.zeros((count, 20, 12, 12), np.float32)
        for row in range(5):
            for column in range(5):
                d_pooled1[:, :, row : row + 8, column : column + 8] += d_columns2[..., row, column].transpose(
                    0, 3, 1, 2
                )
        d_sums1 = _unpool(d_pooled1, winners1).transpose(0, 2, 3, 1).reshape(-1, 20)
        slopes = {
            "conv1": d_sums1.T @ columns1.reshape(-1, 25),
            "conv1_bias": d_sums1.sum(axis=0),
            "conv2": d_sums2.T @ columns2.reshape(-1, 500),
            "conv2_bias": d_sums2.sum(axis=0),
            "fc1": d_hidden.T @ flat,
            "fc1_bias": d_hidden.sum(axis=0),
            "fc2": d_scores.T @ hidden,
            "fc2_bias": d_scores.sum(axis=0),
        }
        return {name: slope.reshape(w[name].shape) for name, slope in slopes.items()}


def _columns(x: np.ndarray) -> np.ndarray:
    """[B, C, H, W] to [B, H - 4, W - 4, C * 25]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(2, 3))
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(len(x), *windows.shape[2:4], -1)


def _pool(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ReLU and the maximum over 2x2 of [B, C, H, W], and which of the values it came from (none where it is zero)."""
    b, c, h, w = sums.shape
    blocks = sums.reshape(b, c, h // 2, 2, w // 2, 2)
    largest = np.maximum(blocks.max(axis=(3, 5)), 0)
    return largest, (blocks == largest[:, :, :, None, :, None]) & (blocks > 0)


def _unpool(slopes: np.ndarray, winners: np.ndarray) -> np.ndarray:
    b, c, h, _, w, _ = winners.shape
    return (winners * slopes[:, :, :, None, :, None]).reshape(b, c, 2 * h, 2 * w)


def lenet5(network: Trained, image: int) -> Iterator[LayerOperands]:
    """The layers of a trained LeNet-5, each with the input that a tested image causes there."""
    images = digits()
    if not 0 <= image < images.tested:
        raise ConfigError(f"image must be from 0 to {images.tested - 1}, the last tested image, not {image}")
    x = images.pixels[len(images.labels) - images.tested + image][None]
    for name in SHAPES:
        bias, last = network.weights[f"{name}_bias"], name == "fc2"
        layer = LayerOperands.conv(name, x, network.weights[name], bias=bias, relu=not last)
        yield layer
        x = layer.output()
        if name.startswith("conv"):
            c, h, w = x.shape
            x = np.ascontiguousarray(x.reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4)))
