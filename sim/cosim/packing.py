# SPDX-License-Identifier: Apache-2.0
"""Arrays of operands and sums as the integers that the ports of the array carry."""

import numpy as np

from sysmt.hdl.array.ports import ResultRow, TileDescriptor, w_step
from sysmt.hdl.params.array import ArrayConfig


def pack_steps(steps: np.ndarray) -> list[int]:
    """8-bit operands [steps, lanes, threads] as one integer per step, lane 0 thread 0 in the low bits."""
    return [int.from_bytes(step.tobytes(), "little") for step in np.ascontiguousarray(steps)]


def pack_weights(config: ArrayConfig, steps: np.ndarray, taps: np.ndarray) -> list[int]:
    """Weights as `pack_steps`; with `fuse` the bit `tap` above them, `taps` bool [steps]."""
    packed = pack_steps(steps)
    if not config.fuse:
        return packed
    place = w_step(config)["tap"].offset
    return [bits | int(tap) << place for bits, tap in zip(packed, taps, strict=True)]


def pack_tile(config: ArrayConfig, steps: int, threads: int, rows: int, cols: int, **more: int) -> int:
    """The order for one tile; `threads` as a number; `fuse` and `taps`, or `zero`, where the array has them."""
    fields = {"steps": steps, "threads": threads.bit_length() - 1, "rows": rows, "cols": cols} | more
    return TileDescriptor(config).const(fields).as_bits()


def unpack_rows(config: ArrayConfig, payloads: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Result rows as sums int64 [rows, cols] and `last` bool [rows]."""
    layout, width = ResultRow(config), config.pe.acc_width
    sums = np.array([unpack_words(payload, width, config.cols) for payload in payloads], np.int64)
    last = np.array([payload >> layout["last"].offset & 1 for payload in payloads], bool)
    return sums, last


def unpack_words(bits: int, width: int, count: int) -> list[int]:
    """`count` signed words of `width` bits, the first in the low bits."""
    half = 1 << (width - 1)
    return [((bits >> i * width & (2 * half - 1)) ^ half) - half for i in range(count)]
