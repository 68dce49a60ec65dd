# SPDX-License-Identifier: Apache-2.0
"""A convolution or fully connected layer with real operands: what the traces of memory accesses are made from."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import ConfigError
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer

DTYPES = ("float32", "int8")


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerOperands:
    """A convolution with its operands; a fully connected layer is one whose filters cover the whole input.

    Parameters
    ----------
    layer : Layer
        Every filter sees all channels: a grouped convolution is one of these per group.
    x : array [C, H, W]
        Input; float32, or uint8 or int8 for quantised networks.
    w : array [N, C, KH, KW]
        Weights; float32 or int8.
    relu : bool
        Whether negative results are stored as zero.
    bias : array [N], optional
        What is added to the sums, in their unit; 0 without.
    """

    layer: Layer
    x: np.ndarray
    w: np.ndarray
    relu: bool = True
    bias: np.ndarray | None = None

    def __post_init__(self) -> None:
        layer = self.layer
        for name, array, wanted in (
            ("x", self.x, (layer.channels, *layer.geometry.size)),
            ("w", self.w, (layer.outputs, layer.channels, *layer.kernel)),
        ):
            if array.shape != wanted:
                raise ConfigError(f"{name} of layer {layer.name} must have the shape {wanted}, not {array.shape}")

    @classmethod
    def conv(
        cls,
        name: str,
        x: np.ndarray,
        w: np.ndarray,
        *,
        stride: int = 1,
        pad: int = 0,
        relu: bool = True,
        bias: np.ndarray | None = None,
    ) -> "LayerOperands":
        """A convolution of these operands, with the same stride both ways and `pad` zeros on every side."""
        if x.ndim != 3 or w.ndim != 4 or len(x) != w.shape[1]:
            raise ConfigError(f"w must be [N, {len(x)}, KH, KW] for x = {x.shape}, not {w.shape}")
        geometry = Geometry(
            size=x.shape[1:], kernel=w.shape[2:], stride=(stride, stride), padding=((pad, pad), (pad, pad))
        )
        layer = Layer(name=name, kind="conv", geometry=geometry, channels=len(x), outputs=len(w))
        return cls(layer=layer, x=x, w=w, relu=relu, bias=bias)

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def pixels(self) -> int:
        """Outputs of one filter."""
        return self.layer.pixels

    @property
    def depth(self) -> int:
        """Products of one output."""
        return self.layer.products.k

    @property
    def pointwise(self) -> bool:
        """Whether the input already is the im2col matrix [C, pixels]: a 1x1 kernel, no stride, no padding."""
        return self.layer.geometry.pointwise

    def im2col(self) -> np.ndarray:
        """The im2col matrix [pixels, C * KH * KW], channels outermost as in w, padding zeros included."""
        return self._im2col(self.x, 0)

    def sources(self) -> np.ndarray:
        """Index into x of every element of `im2col()`, -1 for padding."""
        return self._im2col(np.arange(self.x.size).reshape(self.x.shape), -1)

    def _im2col(self, x: np.ndarray, fill: int) -> np.ndarray:
        rows = self.layer.geometry.im2col(np.ascontiguousarray(x.transpose(1, 2, 0))[None], fill)
        return rows.transpose(0, 2, 1).reshape(-1, self.depth)

    def sums(self) -> np.ndarray:
        """The result before ReLU [N, OH, OW] in float32."""
        sums = self.w.reshape(len(self.w), -1).astype(np.float32) @ self.im2col().astype(np.float32).T
        sums = sums if self.bias is None else sums + self.bias[:, None]
        return sums.reshape(-1, *self.layer.out_size).astype(np.float32)

    def output(self) -> np.ndarray:
        """The result [N, OH, OW] in float32."""
        return np.maximum(self.sums(), 0) if self.relu else self.sums()

    def part(self, filters: int, channels: int) -> "LayerOperands":
        """The layer with its first filters and input channels only."""
        bias = None if self.bias is None else self.bias[:filters]
        w = self.w[:filters, :channels]
        layer = dataclasses.replace(self.layer, outputs=len(w), channels=w.shape[1])
        return dataclasses.replace(self, layer=layer, x=self.x[:channels], w=w, bias=bias)

    def of_type(self, dtype: str) -> "LayerOperands":
        """The layer with elements of `dtype`, one of `DTYPES`.

        From float32 to 8 bits the largest magnitude of x and of w becomes the largest number, and small values become
        zero. From 8 bits to float32 the numbers stay.
        """
        if dtype not in DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        if dtype == "float32":
            return dataclasses.replace(self, x=self.x.astype(np.float32), w=self.w.astype(np.float32))
        if self.x.itemsize == 1:
            return self
        signed = bool(self.x.min() < 0)
        x_scale = (127 if signed else 255) / max(1e-30, float(np.abs(self.x).max()))
        w_scale = 127 / max(1e-30, float(np.abs(self.w).max()))
        return dataclasses.replace(
            self,
            x=np.rint(self.x * x_scale).astype(np.int8 if signed else np.uint8),
            w=np.rint(self.w * w_scale).astype(np.int8),
            bias=None if self.bias is None else np.rint(self.bias * (x_scale * w_scale)),
        )


def zero_lines(array: np.ndarray, line: int = 32) -> float:
    """Share of the whole lines of an array that are zero."""
    flat = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    whole = len(flat) // line * line
    return float((~flat[:whole].reshape(-1, line).any(axis=1)).mean()) if whole else 0.0
