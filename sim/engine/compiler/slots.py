# SPDX-License-Identifier: Apache-2.0
"""Places of operands: pairs and words of the operand buffer, words of the weight memory."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig

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


def finds_zeros(config: EngineConfig) -> bool:
    """Whether a weight of zero makes its thread idle, whatever the activation beside it is."""
    pe = config.array.pe
    return isinstance(pe, NbSmtConfig) and pe.rules.detects_zeros
