# SPDX-License-Identifier: Apache-2.0
"""Windows that slide over images: output sizes, padding, and laying them out as rows of a matrix product (im2col)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sysmt.base.errors import UserError

LARGEST = 2**12
"""Largest kernel side, stride or dilation accepted."""
PADDED = 2**22
"""Most pixels of a padded input: bounds the memory."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Geometry of a sliding window; all pairs are (vertical, horizontal).

    Parameters
    ----------
    kernel, stride, dilation : pairs of int
    before : pair of int
        Padding above and to the left.
    size, out : pairs of int
        Height and width of the input and of the output.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    size: tuple[int, int]
    out: tuple[int, int]

    def taps(self, x: np.ndarray, fill: int) -> Iterator[np.ndarray]:
        """For every kernel position, row by row, the input under it: x [B, H, W, C] to [B, OH, OW, C] each."""
        after = [
            max(0, (o - 1) * s + (k - 1) * d + 1 - n - b)
            for o, s, k, d, n, b in zip(
                self.out, self.stride, self.kernel, self.dilation, self.size, self.before, strict=True
            )
        ]
        if any(self.before) or any(after):
            edges = ((0, 0), (self.before[0], after[0]), (self.before[1], after[1]), (0, 0))
            x = np.pad(x, edges, constant_values=fill)
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = i * self.dilation[0], j * self.dilation[1]
                yield x[
                    :,
                    top : top + (self.out[0] - 1) * self.stride[0] + 1 : self.stride[0],
                    left : left + (self.out[1] - 1) * self.stride[1] + 1 : self.stride[1],
                ]

    def lower(self, x: np.ndarray, fill: int) -> np.ndarray:
        """Lay out x [B, H, W, C], padded with `fill`, as [B * OH * OW, kernel positions, C]."""
        b, c = x.shape[0], x.shape[3]
        positions = self.kernel[0] * self.kernel[1]
        rows = np.empty((b, *self.out, positions, c), x.dtype)
        for place, tap in enumerate(self.taps(x, fill)):
            rows[:, :, :, place] = tap
        return rows.reshape(-1, positions, c)


def window(name: str, size: tuple[int, int], kernel: tuple[int, int], options: dict[str, Any]) -> Window:
    """The window of an operator with TFLite's padding rules (kernels/padding.h)."""
    stride = (options["stride_h"], options["stride_w"])
    dilation = (options.get("dilation_h", 1), options.get("dilation_w", 1))
    for what, pair in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if not all(1 <= value <= LARGEST for value in pair):
            raise UserError(f"{name} must have a {what} from 1 to {LARGEST}, not {pair[0]}x{pair[1]}")
    before, out, padded = [], [], 1
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        reach = (k - 1) * d + 1
        same = options["padding"] == "SAME"
        count = -(-n // s) if same else -(-(n - reach + 1) // s)
        if count < 1:
            raise UserError(f"{name} must have a window within its input, not one of {reach} over {n}")
        out.append(count)
        padded *= max(n, (count - 1) * s + reach)
        before.append(max(0, (count - 1) * s + reach - n) // 2 if same else 0)
    if padded > PADDED:
        raise UserError(f"{name} must have at most {PADDED} padded pixels, not {padded}; reduce kernel or dilation")
    return Window(
        kernel=kernel, stride=stride, dilation=dilation, before=tuple(before), size=tuple(size), out=tuple(out)
    )
