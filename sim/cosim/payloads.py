# SPDX-License-Identifier: Apache-2.0
"""What the streams of an array carry, by its configuration."""

import numpy as np

from sysmt.hdl.array.ports import ResultRow, TileDescriptor, w_step
from sysmt.hdl.params.array import ArrayConfig

from .packing import pack_steps, with_taps


def tap_place(config: ArrayConfig) -> int:
    """Where in a step of weights the bit `tap` is; -1 without `fuse`."""
    return w_step(config)["tap"].offset if config.fuse else -1


def last_place(config: ArrayConfig) -> int:
    """Where in a result row the bit `last` is."""
    return ResultRow(config)["last"].offset


def pack_weights(config: ArrayConfig, steps: np.ndarray, taps: np.ndarray) -> list[int]:
    """Weights as `pack_steps`; with `fuse` the bit `tap` above them, `taps` bool [steps]."""
    packed = pack_steps(steps)
    return with_taps(packed, taps, tap_place(config)) if config.fuse else packed


def pack_tile(config: ArrayConfig, steps: int, threads: int, rows: int, cols: int, **more: int) -> int:
    """The order for one tile; `threads` as a number; `fuse` and `taps`, or `zero`, where the array has them."""
    fields = {"steps": steps, "threads": threads.bit_length() - 1, "rows": rows, "cols": cols} | more
    return TileDescriptor(config).const(fields).as_bits()
