# SPDX-License-Identifier: Apache-2.0
"""Reads scatter tables as the im2col unit does."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.scatter import scatter_word


class OutOfRangeError(Exception):
    """A program asks for what its engine does not have; says what must be."""

    way_out = "compile the network again"


class SumOverflowError(OutOfRangeError):
    """A sum that the requantisers do not take: the network's own fault, or the inputs'."""

    way_out = "rescale the layer"


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A scatter table: where every column of an im2col matrix goes.

    Parameters
    ----------
    column, pair, step : int64 [entries]
        Column `column` of a fill is written to step `step` of operand pair `pair`; -1 for zeros.
    cycles : int
        Cycles that one fill takes, at a column's reads a cycle each.
    """

    column: np.ndarray
    pair: np.ndarray
    step: np.ndarray
    cycles: int


@lru_cache(maxsize=256)
def read_table(content: bytes, groups: int, config: EngineConfig) -> Table:
    """Read the table of a fill.

    Parameters
    ----------
    content : bytes
        Its words, the lowest byte first.
    groups : int
        Taps times words of channels.
    config : EngineConfig

    Raises
    ------
    OutOfRangeError
        It does not end with the fill, or writes a bank of the operand buffer twice in a cycle.
    """
    record, rows, fill = scatter_word(config), config.array.rows, config.fill
    entries: list[tuple[int, int, int]] = []
    group = chunk = cycles = taken = 0
    for start in range(0, len(content), record.size):
        if group == groups:
            raise OutOfRangeError("have a scatter table that ends with the fill, not behind it")
        word = record.unpack(content[start:])
        banks = set()
        for lane in range(fill):
            if not word[f"valid_{lane}"]:
                continue
            pair, step = word[f"pair_{lane}"], word[f"step_{lane}"]
            if pair >= config.array.pe.products or (pair, step % fill) in banks:
                raise OutOfRangeError(
                    "have a scatter table that writes every bank of the operand buffer once in a cycle"
                )
            banks.add((pair, step % fill))
            column = -1 if word[f"zero_{lane}"] else (group * rows + chunk) * fill + lane
            entries.append((column, pair, step))
        taken += 1
        if word["last"] or (word["advance"] and chunk == rows - 1):
            group, chunk = group + 1, 0
            cycles, taken = cycles + max(rows, taken), 0
        elif word["advance"]:
            chunk += 1
    if group != groups or chunk or taken:
        raise OutOfRangeError("have a scatter table that ends with the fill, not before it")
    column, pair, step = np.array(entries, np.int64).reshape(-1, 3).T
    return Table(column=column, pair=pair, step=step, cycles=cycles)
