# SPDX-License-Identifier: Apache-2.0
"""The geometry of convolutions and poolings by TFLite's padding rules (kernels/padding.h), within bounds of memory."""

from typing import Any

from sysmt.base.errors import UserError
from sysmt.sim.nn.geometry import Geometry, Pair

LARGEST = 2**12
"""Largest kernel side, stride or dilation accepted."""
PADDED = 2**22
"""Most pixels of a padded input: bounds the memory."""


def window(name: str, size: Pair, kernel: Pair, options: dict[str, Any]) -> Geometry:
    """The geometry of an operator from its attributes `padding`, `stride_h`, `stride_w` and, if any, `dilation_*`.

    SAME pads so that the output has ceil(size / stride) pixels, the odd zero below and to the right; VALID not at all.
    """
    stride = (options["stride_h"], options["stride_w"])
    dilation = (options.get("dilation_h", 1), options.get("dilation_w", 1))
    for what, pair in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if not all(1 <= value <= LARGEST for value in pair):
            raise UserError(f"{name} must have a {what} from 1 to {LARGEST}, not {pair[0]}x{pair[1]}")
    padding = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        reach = (k - 1) * d + 1
        zeros = max(0, (-(-n // s) - 1) * s + reach - n) if options["padding"] == "SAME" else 0
        if n + zeros < reach:
            raise UserError(f"{name} must have a window within its input, not one of {reach} over {n}")
        padding.append((zeros // 2, zeros - zeros // 2))
    pixels = (size[0] + sum(padding[0])) * (size[1] + sum(padding[1]))
    if pixels > PADDED:
        raise UserError(f"{name} must have at most {PADDED} padded pixels, not {pixels}; reduce kernel or dilation")
    return Geometry(size=size, kernel=kernel, stride=stride, dilation=dilation, padding=(padding[0], padding[1]))
