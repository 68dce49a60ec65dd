# SPDX-License-Identifier: Apache-2.0
"""Arrays of operands and sums as integers, the bits of a port.

Testbenches import this: nothing here may need Amaranth, which takes as long to start as all else of a simulation.
"""

import numpy as np


def pack_steps(steps: np.ndarray) -> list[int]:
    """8-bit operands [steps, lanes, threads] as one integer per step, lane 0 thread 0 in the low bits."""
    return [int.from_bytes(step.tobytes(), "little") for step in np.ascontiguousarray(steps)]


def with_taps(packed: list[int], taps: np.ndarray, place: int) -> list[int]:
    """Steps of weights with the bit of `taps` bool [steps] at `place`."""
    return [bits | int(tap) << place for bits, tap in zip(packed, taps, strict=True)]


def unpack_rows(payloads: list[int], width: int, cols: int, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Result rows, the bit `last` at `place`, as sums int64 [rows, cols] of `width` bits and `last` bool [rows]."""
    sums = np.array([unpack_words(payload, width, cols) for payload in payloads], np.int64)
    last = np.array([payload >> place & 1 for payload in payloads], bool)
    return sums, last


def unpack_words(bits: int, width: int, count: int) -> list[int]:
    """`count` signed words of `width` bits, the first in the low bits."""
    half = 1 << (width - 1)
    return [((bits >> i * width & (2 * half - 1)) ^ half) - half for i in range(count)]
