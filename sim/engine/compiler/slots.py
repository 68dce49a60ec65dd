# SPDX-License-Identifier: Apache-2.0
"""Places of operands: pairs and words of the operand buffer, words of the weight memory."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of

Slot = tuple[int, int]
"""Operand pair and word of the operand buffer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """The tiles of one group of a layer.

    Parameters
    ----------
    threads, steps, x_stride : int
        As in the descriptor; `threads` as a number.
    words, x_words : int
        Words of operands of one tile, and of all tiles of a group in the operand buffer.
    slots : dict of (tap, byte of the group's words) to list of Slot
        Where each column of the im2col matrix goes.
    empty : list of Slot
        Slots of running threads without an operand, where the policy needs zeros in them.
    weights : int8 [groups * tiles, words, bytes of a word]
        In the order that they lie in memory; of parts where tiles have those.
    """

    threads: int
    steps: int
    words: int
    x_stride: int
    x_words: int
    slots: dict[tuple[int, int], list[Slot]]
    empty: list[Slot]
    weights: np.ndarray


def packed_slot(pair: int, step: int, running: int, pairs: int) -> Slot:
    """Where the operand of a pair and step lies when `running` of an array's `pairs` run (`hdl/params/program.py`)."""
    word, part = divmod(step, pairs // running)
    return part * running + pair, word


def packed(weights: np.ndarray, running: int) -> np.ndarray:
    """Weights [tiles, steps, lanes, pairs] of `running` pairs, several steps in a word: [tiles, words, ...]."""
    tiles, steps, lanes, pairs = weights.shape
    ratio = pairs // running
    words = -(-steps // ratio)
    full = np.zeros((tiles, words * ratio, lanes, running), weights.dtype)
    full[:, :steps] = weights[..., :running]
    return full.reshape(tiles, words, ratio, lanes, running).swapaxes(2, 3).reshape(tiles, words, lanes, pairs)


def stored(weights: np.ndarray, threads: int, config: EngineConfig) -> np.ndarray:
    """Packed weights [tiles, words, lanes, pairs] as the memory holds them: int8 [tiles, words, bytes of a word]."""
    tiles, words, lanes, pairs = weights.shape
    pe = config.array.pe
    found = golden_of(pe).w_stored(weights.reshape(-1, lanes, pairs), pe, threads)
    return found.view(np.int8).reshape(tiles, words, config.weight_bytes)


def operand_order(k: int, pe: PEConfig, threads: int) -> np.ndarray:
    """Which of K operands every pair takes in every step: int64 [pairs that run, steps], -1 where it has none."""
    golden = golden_of(pe)
    fed = golden.x_fed(np.arange(1, k + 1)[None], pe, threads)[0] - 1
    order = golden.k_order(len(fed), pe, threads)
    found: np.ndarray = np.where(order < len(fed), fed.take(order, mode="clip"), -1)
    return found


def finds_zeros(config: EngineConfig) -> bool:
    """Whether a weight of zero makes its thread idle, whatever the activation beside it is."""
    pe = config.array.pe
    if isinstance(pe, NbSmtConfig):
        return pe.rules.detects_zeros
    return isinstance(pe, SparqConfig) and pe.stc
