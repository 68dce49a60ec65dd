# SPDX-License-Identifier: Apache-2.0
"""The pruned SqueezeNet of the Deep Compression authors (BSD-2), from its compressed file, on a photograph.

File format: uint32 non-zeros of the 26 convolutions; then per layer a float32 codebook of 256 values, the float32 bias,
one uint8 code per non-zero, and the gaps between them, two 4-bit gaps a byte.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError

from .layers import LayerOperands
from .networks import max_pool

# Squeeze filters and expand filters of fire modules 2 to 9; pooling follows conv1, fire4 and fire8.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
MEANS = (104, 117, 123)
CROP = 227


def shapes() -> Iterator[tuple[str, int, int, int]]:
    """Name, filters, input channels and kernel of the convolutions, in the order of the file."""
    yield "conv1", 96, 3, 7
    channels = 96
    for number, (squeeze, expand) in enumerate(FIRES, start=2):
        yield f"fire{number}/squeeze1x1", squeeze, channels, 1
        yield f"fire{number}/expand1x1", expand, squeeze, 1
        yield f"fire{number}/expand3x3", expand, squeeze, 3
        channels = 2 * expand
    yield "conv_final", 1000, channels, 1


def weights(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the file: per convolution its weights float32 [N, C, K, K] and bias float32 [N]."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"weights {path} cannot be read ({error.strerror}): give compressed_SqueezeNet.net") from None
    try:
        parameters, end = _parsed(raw)
    except (ValueError, IndexError):
        parameters, end = {}, 0
    if end != len(raw):
        raise UserError(f"weights {path} must be the file compressed_SqueezeNet.net, not {len(raw)} other bytes")
    return parameters


def _parsed(raw: bytes) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], int]:
    """What the file holds, and where it should end."""
    wanted = list(shapes())
    counts = np.frombuffer(raw, "<u4", len(wanted))
    at = counts.nbytes
    parameters = {}
    for (name, filters, channels, kernel), count in zip(wanted, counts, strict=True):
        book = np.frombuffer(raw, "<f4", 256, at)
        bias = np.frombuffer(raw, "<f4", filters, at + 1024)
        at += 1024 + 4 * filters
        codes = np.frombuffer(raw, np.uint8, count, at)
        packed = np.frombuffer(raw, np.uint8, (count - 1) // 2 + 1, at + count)
        at += int(count) + len(packed)
        gaps = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[:count]
        dense = np.zeros(filters * channels * kernel * kernel, np.float32)
        dense[np.cumsum(gaps.astype(np.int64) + 1) - 1] = book[codes]
        parameters[name] = dense.reshape(filters, channels, kernel, kernel), bias
    return parameters, at


def photograph(path: Path) -> np.ndarray:
    """Read a picture as the network wants it: float32 [3, 227, 227], BGR, means subtracted, centre of the picture."""
    from matplotlib.image import imread

    try:
        rgb = imread(path)[..., :3]
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"image {path} cannot be read ({error}): give a .bmp, .jpg or .png file") from None
    rgb = rgb * 255 if rgb.dtype.kind == "f" else rgb
    # Nearest neighbours are enough: what counts is where the zeros of real activations lie.
    side = min(rgb.shape[:2])
    rows, cols = ((n - side) // 2 + np.arange(CROP) * side // CROP for n in rgb.shape[:2])
    picture = rgb[rows][:, cols].astype(np.float32)[..., ::-1] - np.array(MEANS, np.float32)
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def squeezenet(path: Path, image: Path) -> Iterator[LayerOperands]:
    """The convolutions of the pruned SqueezeNet v1.0, each with the activations that the photograph causes there."""
    trained = weights(path)

    def run(name: str, x: np.ndarray, stride: int = 1, pad: int = 0) -> tuple[LayerOperands, np.ndarray]:
        w, bias = trained[name]
        layer = LayerOperands.conv(name, x, w, stride=stride, pad=pad, bias=bias)
        return layer, layer.output()

    layer, x = run("conv1", photograph(image), stride=2)
    yield layer
    x = max_pool(x, 3, 2, ceil_mode=True)
    for number in range(2, 10):
        layer, squeezed = run(f"fire{number}/squeeze1x1", x)
        yield layer
        layer, narrow = run(f"fire{number}/expand1x1", squeezed)
        yield layer
        layer, wide = run(f"fire{number}/expand3x3", squeezed, pad=1)
        yield layer
        x = np.concatenate([narrow, wide])
        if number in (4, 8):
            x = max_pool(x, 3, 2, ceil_mode=True)
    yield run("conv_final", x, pad=1)[0]
