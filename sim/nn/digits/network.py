# SPDX-License-Identifier: Apache-2.0
"""The quantised network, its convolutions lowered to matrix products that anything may compute.

`forward` takes the matrix product as an argument: `golden(pe)` computes it with the model, and a function of the same
signature that runs the simulated array gives the same network on gates. Each layer's operands and sums are kept, so
that two runs can be compared layer by layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Product
from sysmt.sim.golden.requantize import Requantize


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Geometry of a square convolution. A fully connected layer is one whose kernel covers its whole input.

    Parameters
    ----------
    name : str
    kernel, stride, pad : int
    channels : int
        Output channels, N of the matrix product.
    threads : int or None
        Threads the layer runs on, None for all that the array has. The first and the last layer run on one, exact:
        they are small, and quantisation papers leave them alone.
    """

    name: str
    kernel: int
    stride: int = 1
    pad: int = 0
    channels: int
    threads: int | None = None


SHAPES = (
    Shape(name="conv1", kernel=3, pad=1, channels=16, threads=1),
    Shape(name="conv2", kernel=3, pad=1, channels=16),
    Shape(name="conv3", kernel=3, pad=1, stride=2, channels=32),
    Shape(name="dense", kernel=4, channels=10, threads=1),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer of the network.

    Parameters
    ----------
    shape : Shape
    weights : int8 [K, N]
        K runs over kernel rows, kernel columns and input channels, the channels innermost.
    bias : int32 [N]
    requantize : Requantize or None
        ReLU and scaling to the next layer's uint8; None for the last layer, whose sums are the scores.
    """

    shape: Shape
    weights: np.ndarray
    bias: np.ndarray
    requantize: Requantize | None


ProductOf = Callable[[np.ndarray, np.ndarray, Layer], Product]
"""Computes x uint8 [M, K] times w int8 [K, N] for a layer, on `layer.shape.threads` threads."""


@dataclass(frozen=True, eq=False)
class Record:
    """What one layer was given and what came out: x uint8 [M, K] (lowered) and the product's sums and counters."""

    layer: Layer
    x: np.ndarray
    product: Product


@dataclass(frozen=True, eq=False)
class Run:
    """One run of the network: scores int64 [B, 10], and a record per layer."""

    scores: np.ndarray
    records: tuple[Record, ...]

    @property
    def classes(self) -> np.ndarray:
        """The digits recognised: int64 [B]."""
        return self.scores.argmax(axis=1)


def golden(pe: PEConfig) -> ProductOf:
    """The matrix product as an array of these PEs computes it, from the golden model."""
    return lambda x, w, layer: matmul(x, w, pe, layer.shape.threads)


def lower(x: np.ndarray, shape: Shape) -> np.ndarray:
    """Lay out a convolution's inputs as the rows of a matrix product (im2col).

    Parameters
    ----------
    x : [B, H, W, C]
    shape : Shape

    Returns
    -------
    [B * OH * OW, kernel * kernel * C], of x's type
        One row per output pixel, padding zeros included.
    """
    edge = (shape.pad, shape.pad)
    padded = np.pad(x, ((0, 0), edge, edge, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (shape.kernel, shape.kernel), axis=(1, 2))
    windows = windows[:, :: shape.stride, :: shape.stride]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, shape.kernel**2 * x.shape[3])


def output_side(side: int, shape: Shape) -> int:
    """Height and width of a convolution's output for an input `side` pixels high and wide."""
    return (side + 2 * shape.pad - shape.kernel) // shape.stride + 1


def forward(layers: tuple[Layer, ...], pixels: np.ndarray, product: ProductOf) -> Run:
    """Classify images.

    Parameters
    ----------
    layers : tuple of Layer
        What `load` returns.
    pixels : uint8 [B, 8, 8, 1]
    product : ProductOf
        Computes the matrix products.
    """
    records, x = [], pixels
    for layer in layers:
        lowered = lower(x, layer.shape)
        found = product(lowered, layer.weights, layer)
        records.append(Record(layer, lowered, found))
        if layer.requantize is None:
            return Run(found.sums.astype(np.int64) + layer.bias, tuple(records))
        side = output_side(x.shape[1], layer.shape)
        x = layer.requantize(found.sums).astype(np.uint8).reshape(len(x), side, side, layer.shape.channels)
    raise UserError(f"layers must end with one that is not requantised, not {layers[-1].shape.name}; add the last one")


@lru_cache(maxsize=1)
def load() -> tuple[Layer, ...]:
    """The trained network, from the file that `python -m sysmt.sim.nn.digits.train` writes."""
    with as_file(files(__package__) / "weights.npz") as path, np.load(path) as arrays:
        return from_arrays(dict(arrays))


def from_arrays(arrays: dict[str, np.ndarray]) -> tuple[Layer, ...]:
    """Build the layers from arrays named `<layer>_weights`, `_bias`, `_multiplier`, `_shift`."""
    layers = []
    for shape in SHAPES:
        weights, bias = arrays[f"{shape.name}_weights"], arrays[f"{shape.name}_bias"]
        last = shape is SHAPES[-1]
        requantize = (
            None
            if last
            else Requantize(
                bias=bias, multiplier=arrays[f"{shape.name}_multiplier"], shift=arrays[f"{shape.name}_shift"]
            )
        )
        layers.append(Layer(shape=shape, weights=weights, bias=bias, requantize=requantize))
    return tuple(layers)
