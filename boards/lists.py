# SPDX-License-Identifier: Apache-2.0
"""Command lists of a product: what a host on a bus lets an accelerator do."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import ListOpcode, beats_of, packed_command
from sysmt.hdl.params.protocol import CHANNEL, Target
from sysmt.sim.cost.runs.product import PlannedRun
from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.golden.zero_point import absorbed

from .plan import Plan


@dataclass(frozen=True)
class ListedProduct:
    """A product as it lies in memory, and the list that computes it.

    Members
    -------
    commands : list of bytes
    data : uint8 array
        Operands, from `first` on.
    results : int
        Where the outputs of the runs go: run after run, each a matrix of its whole tiles.
    end : int
        The first address behind them.
    """

    commands: list[bytes]
    data: np.ndarray
    results: int
    end: int


class ListPlan:
    """Turns the runs of a plan into commands.

    Parameters
    ----------
    plan : Plan
    threads : int
    first : int
        Address of the data, a multiple of a beat's bytes.
    requantize : Requantize, optional
        By the device; the plan's sums must be whole.

    Raises
    ------
    UserError
        Of `absorbed`.
    """

    def __init__(self, plan: Plan, threads: int, first: int, requantize: Requantize | None = None):
        self._plan, self._config, self._threads = plan, plan.config, threads
        self._first = first
        self._requantize = requantize and absorbed(requantize, plan.w, plan.zero)
        self._beat = self._config.data_width // 8
        self._chunks: list[np.ndarray] = []
        self._places: dict[tuple[Target, tuple[int, ...]], tuple[int, int]] = {}
        self._free = first

    @property
    def _kind(self) -> np.dtype:
        unit = self._requantize
        return np.dtype("<i4" if unit is None else "u1" if unit.low >= 0 else "i1")

    def listed(self) -> ListedProduct:
        """The list, operands each in memory once."""
        held: dict[tuple[int, Target], tuple[int, ...]] = {}
        orders: list[tuple[PlannedRun, list[bytes]]] = []
        for number, run in enumerate(self._plan.runs):
            writes = []
            for target, content in self._contents(run).items():
                if held.get((number & 1, target)) != content:
                    held[number & 1, target] = content
                    address, beats = self._place(target, content, run)
                    writes.append(
                        packed_command(
                            self._config, ListOpcode.WRITE, target=target, address=address, beats=beats, first=0
                        )
                    )
            orders.append((run, writes))
        results = address = self._free
        commands: list[bytes] = []
        zero = {"zero": self._plan.zero} if self._config.array.pe.zero_width else {}
        for run, writes in orders:
            tiles = {name: getattr(run, name) for name in ("m_tiles", "n_tiles", "rows", "cols")}
            pitch = self.pitch(run)
            commands += writes
            commands.append(
                packed_command(
                    self._config,
                    ListOpcode.RUN,
                    steps=run.steps,
                    threads=self._threads.bit_length() - 1,
                    **tiles,
                    **zero,
                )
            )
            commands.append(
                packed_command(self._config, ListOpcode.READ, address=address, pitch=pitch, **tiles, **self._scale())
            )
            address += self.rows(run) * pitch
        data = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.uint8)
        return ListedProduct(commands, data, results, address)

    def rows(self, run: PlannedRun) -> int:
        """Rows of outputs of a run."""
        return (run.m_tiles - 1) * self._config.array.rows + run.rows

    def cols(self, run: PlannedRun) -> int:
        """Columns of outputs of a run."""
        return (run.n_tiles - 1) * self._config.array.cols + run.cols

    def pitch(self, run: PlannedRun) -> int:
        """Bytes from one row of outputs of a run to the next."""
        return -(-self.cols(run) * self._kind.itemsize // self._beat) * self._beat

    def outputs(self, memory: np.ndarray, results: int, outputs: int) -> np.ndarray:
        """The product int64 [M, N] from what the list left in memory; `outputs` is N."""
        array = self._config.array
        out = np.zeros((self._plan.x.shape[0], outputs), np.int64)
        for run in self._plan.runs:
            rows, cols, pitch = self.rows(run), self.cols(run), self.pitch(run)
            block = memory[results : results + rows * pitch].reshape(rows, pitch)
            values = np.ascontiguousarray(block).view(self._kind)[:, :cols]
            m, n = run.m_tile * array.rows, run.n_tile * array.cols
            out[m : m + rows, n : n + cols] += values
            results += rows * pitch
        return out if self._requantize is not None else self._plan.completed(out)

    def _contents(self, run: PlannedRun) -> dict[Target, tuple[int, ...]]:
        contents: dict[Target, tuple[int, ...]] = {
            Target.X: (run.m_tile, run.m_tiles, run.first, run.steps),
            Target.W: (run.n_tile, run.n_tiles, run.first, run.steps),
        }
        return contents | ({Target.TABLE: (run.n_tile, run.n_tiles)} if self._requantize is not None else {})

    def _place(self, target: Target, content: tuple[int, ...], run: PlannedRun) -> tuple[int, int]:
        """Address and beats of operands."""
        if (target, content) not in self._places:
            if target is Target.TABLE:
                assert self._requantize is not None
                words = table(self._requantize, self._config, run, self._plan.w.shape[1])
            else:
                words = (self._plan.x_words if target is Target.X else self._plan.w_words)(run)
            padded = in_beats(words, self._config.data_width)
            self._chunks.append(padded.reshape(-1))
            self._places[target, content] = self._free, padded.size // self._beat
            self._free += padded.size
        return self._places[target, content]

    def _scale(self) -> dict[str, int]:
        unit = self._requantize
        if unit is None:
            return dict.fromkeys(("zero_point", "low", "high", "requantize", "double", "channel"), 0)
        return {
            "zero_point": unit.zero_point,
            "low": unit.low,
            "high": unit.high,
            "requantize": 1,
            "double": int(unit.variant == "double"),
            "channel": 0,
        }


def in_beats(words: np.ndarray, data_width: int) -> np.ndarray:
    """Words uint8 [n, bytes] as they lie in memory: every one in whole beats, zeros behind its last byte."""
    padded = np.zeros((len(words), beats_of(words.shape[1], data_width) * data_width // 8), np.uint8)
    padded[:, : words.shape[1]] = words
    return padded


def table(unit: Requantize, config: AccelConfig, run: PlannedRun, outputs: int) -> np.ndarray:
    """Channels of the tiles of a run, zero where a tile has no output: uint8 [channels, bytes]."""
    cols = config.array.cols
    channels = np.zeros((run.n_tiles * cols, CHANNEL.size), np.uint8)
    first = run.n_tile * cols
    scale = {name: np.broadcast_to(getattr(unit, name), (outputs,)) for name in CHANNEL.fields}
    for i in range(min(len(channels), outputs - first)):
        word = CHANNEL.pack(**{name: int(values[first + i]) for name, values in scale.items()})
        channels[i] = np.frombuffer(word, np.uint8)
    return channels
