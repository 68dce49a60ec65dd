# SPDX-License-Identifier: Apache-2.0
"""Matrix products on a simulated array of SMT-SA: 64 streams of tiles, each at its own pace, checked sum by sum."""

from dataclasses import dataclass, field

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.pe import X_WIDTH
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.golden.matmul import matmul

from .simulate import LANES, CellSimulation
from .streams import LEAD_STEPS, Count, Job

STEPS = 384
"""Enough for an array of 16x16 to be full, and then counted for a while: lanes and threads run at their own pace."""


@dataclass(eq=False)
class _Source:
    """Operands of one port for all lanes, and how many each lane has given."""

    name: str
    operands: np.ndarray
    width: int
    given: np.ndarray = field(default_factory=lambda: np.zeros(LANES, np.int64))

    def inputs(self) -> dict[str, np.ndarray]:
        """What the port is driven with."""
        left = self.given < self.operands.shape[1]
        at = np.minimum(self.given, self.operands.shape[1] - 1)
        values = self.operands[np.arange(LANES), at]
        bits = (values[:, None] >> np.arange(self.width) & 1).astype(bool)
        return {f"{self.name}__valid": _words(left[:, None]), f"{self.name}__payload": _words(bits)}

    def take(self, simulation: CellSimulation) -> int:
        """Count what was taken, over all lanes."""
        taken = _bits(simulation.port(f"{self.name}__ready"))[:, 0] & (self.given < self.operands.shape[1])
        self.given += taken
        return int(taken.sum())


def run(simulation: CellSimulation, config: SmtSaConfig, job: Job, steps: int = STEPS) -> Count:
    """Run tiles of a product back to back, and count toggles while operands are at hand everywhere.

    Counting begins when every lane has delivered the first tile, a short one, and ends when the first port of the first
    lane has given all it has. Multiply-accumulates are those of the activations that entered meanwhile.

    Parameters
    ----------
    simulation : CellSimulation
        Of the array, as it is after it was made.
    config : SmtSaConfig
    job : Job
        Its full tiles are dealt to the lanes, again from the front when they run out.
    steps : int
        Operands of every port and lane after the first tile, at least: whole tiles.

    Raises
    ------
    UserError
        No tile of the product is full, or `steps` are too few to be counted.
    AssertionError
        A sum differs from the golden model's: the netlist is not what was emitted.
    """
    rows, cols, threads = config.rows, config.cols, config.threads
    k, n = job.w.shape
    config.check_k(k)
    full = [(a, b) for a in range(0, len(job.x) - rows + 1, rows) for b in range(0, n - cols + 1, cols)]
    if not full:
        raise UserError(f"layer {job.name} fills no tile of a {rows}x{cols} array: choose a smaller one")
    counted = -(-steps // config.steps(k))
    short = min(k, max(LEAD_STEPS, 2 * rows) * threads)
    parts = [Job(job.name, job.x[:, :short], job.w[:short]), *[job] * counted]
    dealt = [[full[(lane * (counted + 1) + i) % len(full)] for i in range(len(parts))] for lane in range(LANES)]
    x = [[_threads(part.x[a : a + rows], threads) for part, (a, _) in zip(parts, own, strict=True)] for own in dealt]
    w = [[_threads(part.w.T[b : b + cols], threads) for part, (_, b) in zip(parts, own, strict=True)] for own in dealt]
    for own in x:
        for tile in own:
            tile[..., -1] |= 1 << X_WIDTH
    entering = _sources("i_x", x, X_WIDTH + 1)
    sources = [*entering, *_sources("i_w", w, X_WIDTH)]
    products = [matmul(part.x, part.w, config.conventional.pe).sums for part in parts]
    expected = np.array(
        [np.concatenate([products[i][a : a + rows, b : b + cols] for i, (a, b) in enumerate(own)]) for own in dealt]
    )
    received = np.zeros((LANES, cols), np.int64)
    low = np.zeros(1, np.uint64)
    idle = {name: np.zeros_like(word) for source in sources for name, word in source.inputs().items()}
    ready = {f"o__{c}__ready": ~low for c in range(cols)}
    for _ in range(2):
        simulation.cycle({"rst": ~low} | idle | ready)
    cycles = macs = 0
    for _ in range(100 + 4 * threads * sum(part.x.shape[1] + 4 * rows for part in parts)):
        at_hand = all((source.given < source.operands.shape[1]).all() for source in sources)
        simulation.counting = bool(at_hand and (received >= rows).all())
        inputs = {"rst": low}
        for source in sources:
            inputs |= source.inputs()
        simulation.cycle(inputs)
        taken = [source.take(simulation) for source in sources]
        if simulation.counting:
            cycles += 1
            macs += sum(taken[: len(entering)]) * cols
        for c in range(cols):
            _check(simulation, c, expected[:, :, c], received, job.name)
        if (received == expected.shape[1]).all():
            break
    else:
        raise AssertionError(f"{job.name}: the mapped netlist gave {received.min()} of {expected.shape[1]} sums")
    simulation.counting = False
    if not cycles:
        raise UserError(f"steps = {steps} must be more to be counted: a lane has none left before another has a sum")
    return Count(cycles, macs * k // (threads * -(-k // threads)))


def _threads(operands: np.ndarray, threads: int) -> np.ndarray:
    """[L, K] as [L, threads, steps], bytes as numbers."""
    steps = -(-operands.shape[1] // threads)
    padded = np.zeros((len(operands), threads * steps), np.int64)
    padded[:, : operands.shape[1]] = operands.astype(np.int64) & 0xFF
    return padded.reshape(len(operands), threads, steps)


def _sources(name: str, dealt: list[list[np.ndarray]], width: int) -> list[_Source]:
    """A source per port, from the tiles of every lane."""
    operands = np.array([np.concatenate(tiles, axis=2) for tiles in dealt])
    return [_Source(f"{name}__{a}__{t}", operands[:, a, t], width) for a, t in np.ndindex(operands.shape[1:3])]


def _check(simulation: CellSimulation, c: int, expected: np.ndarray, received: np.ndarray, name: str) -> None:
    """Compare the sums that leave column c in this cycle with those that are next."""
    lanes = np.flatnonzero(_bits(simulation.port(f"o__{c}__valid"))[:, 0])
    if not len(lanes):
        return
    bits = _bits(simulation.port(f"o__{c}__payload"))[lanes, :-1].astype(np.int64)
    weights = 1 << np.arange(bits.shape[1], dtype=np.int64)
    weights[-1] *= -1
    if not np.array_equal(bits @ weights, expected[lanes, received[lanes, c]]):
        raise AssertionError(f"{name}: netlist and golden model differ in column {c}")
    received[lanes, c] += 1


def _words(bits: np.ndarray) -> np.ndarray:
    """Bits [lanes, width] as words [width], lane 0 in the low bit."""
    return np.ascontiguousarray(np.packbits(bits.T, axis=1, bitorder="little")).view(np.uint64)[:, 0]


def _bits(words: np.ndarray) -> np.ndarray:
    """Words [width] as bits [lanes, width]."""
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), 8)
    return np.unpackbits(octets, axis=1, bitorder="little").T.astype(bool)
