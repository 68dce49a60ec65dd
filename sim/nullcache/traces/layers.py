# SPDX-License-Identifier: Apache-2.0
"""A convolution or fully connected layer with real operands: what the traces of memory accesses are made from."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import ConfigError

DTYPES = ("float32", "int8")


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerData:
    """A convolution with its operands; a fully connected layer is one whose filters cover the whole input.

    Parameters
    ----------
    name : str
    x : array [C, H, W]
        Input; float32, or uint8 or int8 for quantised networks.
    w : array [N, C, KH, KW]
        Weights; float32 or int8.
    stride, pad : int
    relu : bool
        Whether negative results are stored as zero.
    bias : array [N], optional
        What is added to the sums, in their unit; 0 without.
    """

    name: str
    x: np.ndarray
    w: np.ndarray
    stride: int = 1
    pad: int = 0
    relu: bool = True
    bias: np.ndarray | None = None

    def __post_init__(self):
        if self.x.ndim != 3 or self.w.ndim != 4 or self.x.shape[0] != self.w.shape[1]:
            raise ConfigError(f"w must be [N, {len(self.x)}, KH, KW] for x = {self.x.shape}, not {self.w.shape}")

    @property
    def out_shape(self) -> tuple[int, int]:
        """Height and width of the output."""
        _, h, w = self.x.shape
        return tuple((n + 2 * self.pad - k) // self.stride + 1 for n, k in zip((h, w), self.w.shape[2:], strict=True))

    @property
    def pixels(self) -> int:
        """Outputs of one filter."""
        return int(np.prod(self.out_shape))

    @property
    def depth(self) -> int:
        """Products of one output."""
        return self.w[0].size

    @property
    def pointwise(self) -> bool:
        """Whether the input already is the im2col matrix [C, pixels]: a 1x1 kernel, no stride, no padding."""
        return self.w.shape[2:] == (1, 1) and self.stride == 1 and self.pad == 0

    def lowered(self) -> np.ndarray:
        """The im2col matrix [pixels, C * KH * KW], padding zeros included."""
        kernel = self.w.shape[2:]
        padded = np.pad(self.x, ((0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
        windows = windows[:, :: self.stride, :: self.stride]
        return windows.transpose(1, 2, 0, 3, 4).reshape(-1, self.depth)

    def sources(self) -> np.ndarray:
        """Index into x of every element of `lowered()`, -1 for padding."""
        index = np.arange(1, self.x.size + 1).reshape(self.x.shape)
        return dataclasses.replace(self, x=index).lowered() - 1

    def sums(self) -> np.ndarray:
        """The result before ReLU [N, OH, OW] in float32."""
        found = self.w.reshape(len(self.w), -1).astype(np.float32) @ self.lowered().astype(np.float32).T
        found = found if self.bias is None else found + self.bias[:, None]
        return found.reshape(-1, *self.out_shape).astype(np.float32)

    def output(self) -> np.ndarray:
        """The result [N, OH, OW] in float32."""
        return np.maximum(self.sums(), 0) if self.relu else self.sums()

    def part(self, filters: int, channels: int) -> "LayerData":
        """The layer with its first filters and input channels only."""
        bias = None if self.bias is None else self.bias[:filters]
        return dataclasses.replace(self, x=self.x[:channels], w=self.w[:filters, :channels], bias=bias)

    def of_type(self, dtype: str) -> "LayerData":
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
