# SPDX-License-Identifier: Apache-2.0
"""Arrays of operands and sums as the integers that the ports of the array carry."""

import numpy as np

from hdl.config import ArrayConfig
from hdl.ports import ResultRow, Tile


def pack_steps(steps: np.ndarray) -> list[int]:
    """8-bit operands [steps, lanes, threads] as one integer per step, lane 0 thread 0 in the low bits."""
    return [int.from_bytes(step.tobytes(), "little") for step in np.ascontiguousarray(steps)]


def pack_tile(config: ArrayConfig, steps: int, threads: int, rows: int, cols: int) -> int:
    """The order for one tile; `threads` as a number."""
    fields = {"steps": steps, "threads": threads.bit_length() - 1, "rows": rows, "cols": cols}
    return Tile(config).const(fields).as_bits()


def unpack_rows(config: ArrayConfig, payloads: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Result rows as sums int64 [rows, cols] and `last` bool [rows]."""
    layout, width = ResultRow(config), config.pe.acc_width
    half = 1 << (width - 1)
    sums = np.empty((len(payloads), config.cols), np.int64)
    for i, payload in enumerate(payloads):
        for c in range(config.cols):
            sums[i, c] = (((payload >> c * width) & (2 * half - 1)) ^ half) - half
    last = np.array([payload >> layout["last"].offset & 1 for payload in payloads], bool)
    return sums, last
