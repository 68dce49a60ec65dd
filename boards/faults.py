# SPDX-License-Identifier: Apache-2.0
"""A cable that damages bytes, and a trial that no damage goes unnoticed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.matmul import matmul

from .driver import Board
from .transport import Transport

KINDS = ("flipped", "dropped", "repeated", "inserted")


class FaultyTransport(Transport):
    """Another transport, with some bytes of either direction damaged.

    Parameters
    ----------
    inner : Transport
    rate : float
        Share of bytes that something happens to: a bit flips, it is lost, comes twice, or another one before it.
    seed : int

    Members
    -------
    faults : dict of kind to int
        What happened so far.
    """

    def __init__(self, inner: Transport, rate: float, seed: int = 0):
        self.name, self._inner, self.rate = inner.name, inner, rate
        self._random = np.random.default_rng(seed)
        self.faults = dict.fromkeys(KINDS, 0)

    def open(self) -> None:
        self._inner.open()

    def close(self) -> None:
        self._inner.close()

    def now(self) -> float:
        return self._inner.now()

    def write(self, data: bytes) -> None:
        self._inner.write(self._damage(data))

    def read(self, timeout: float) -> bytes:
        return self._damage(self._inner.read(timeout))

    def _damage(self, data: bytes) -> bytes:
        out = bytearray()
        hit = self._random.random(len(data)) < self.rate
        for byte, damaged in zip(data, hit, strict=True):
            if not damaged:
                out.append(byte)
                continue
            kind = KINDS[self._random.integers(len(KINDS))]
            self.faults[kind] += 1
            if kind == "flipped":
                out.append(byte ^ 1 << int(self._random.integers(8)))
            elif kind == "repeated":
                out += bytes([byte, byte])
            elif kind == "inserted":
                out += bytes([int(self._random.integers(256)), byte])
        return bytes(out)


@dataclass
class Trial:
    """What came of products over a faulty cable.

    Members
    -------
    frames, repeated : int
        Frames the host sent, and those of them that it had sent before.
    faults : int
        Bytes damaged.
    right, reported, wrong : int
        Products that equal the golden model, that ended in an error, and that are wrong without a word.
    seconds, slowest : float
        All products, and the one that took longest.
    """

    frames: int = 0
    repeated: int = 0
    faults: int = 0
    right: int = 0
    reported: int = 0
    wrong: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


def trial(
    transport: Transport,
    frames: int,
    rate: float = 1e-3,
    seed: int = 0,
    timeout: float = 0.2,
    progress: Callable[[str], None] | None = None,
) -> Trial:
    """Multiply random matrices over a cable with `rate` of its bytes damaged until so many frames were sent."""
    faulty = FaultyTransport(transport, 0.0, seed)
    random = np.random.default_rng(seed)
    outcome = Trial()
    with Board(faulty, timeout=timeout) as board:
        array = board.config.array
        faulty.rate = rate
        while outcome.frames < frames:
            m, n = (int(random.integers(1, 3 * size)) for size in (array.rows, array.cols))
            k = int(random.integers(1, 2 * board.config.depth * array.pe.threads))
            x = random.integers(0, 256, (m, k), dtype=np.uint8)
            w = random.integers(-128, 128, (k, n), dtype=np.int8)
            begun, sent, repeated = time.monotonic(), board.link.sent, board.link.repeated
            try:
                right = np.array_equal(board.matmul(x, w).values, matmul(x, w, array.pe).sums)
                outcome.right += right
                outcome.wrong += not right
            except UserError:
                outcome.reported += 1
                board.link.synchronise()
            took = time.monotonic() - begun
            outcome.seconds, outcome.slowest = outcome.seconds + took, max(outcome.slowest, took)
            outcome.frames += board.link.sent - sent
            outcome.repeated += board.link.repeated - repeated
            if progress is not None:
                progress(f"{outcome.frames} of {frames} frames, {sum(faulty.faults.values())} bytes damaged")
    outcome.faults = sum(faulty.faults.values())
    return outcome
