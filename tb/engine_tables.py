# SPDX-License-Identifier: Apache-2.0
"""Random scatter tables: any order of columns, any holes, places that collide in the banks of the operand buffer."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.scatter import scatter_word


@dataclass(frozen=True)
class Table:
    """A table and what it means.

    Parameters
    ----------
    words : list of int
    columns : int [x_depth, pairs]
        The column of every operand: -1 for zeros, -2 where nothing is written.
    extra : int
        Words that neither advance nor end their group.
    dropped : int
        Chunks of the last group that no word is about.
    """

    words: list[int]
    columns: np.ndarray
    extra: int
    dropped: int


def random_table(config: EngineConfig, groups: int, random: np.random.Generator, share: float = 0.7) -> Table:
    """A table for fills of `groups` taps and channel words: about so large a share of columns and slots is used."""
    fill, rows, pairs = config.fill, config.array.rows, config.array.pe.products
    count = groups * rows * fill
    slots = random.permutation(config.x_depth * pairs)
    used = min(int(share * count), int(share * len(slots)))
    columns = np.full((config.x_depth, pairs), -2)
    columns.reshape(-1)[slots[:used]] = random.choice(count, used, replace=False)
    zeros = slots[used : used + (len(slots) - used) // 3]
    columns.reshape(-1)[zeros] = -1
    place = {int(c): divmod(int(slot), pairs) for slot, c in enumerate(columns.reshape(-1)) if c >= 0}
    left = [divmod(int(slot), pairs) for slot in zeros]

    words: list[dict[str, int]] = []
    for group in range(groups):
        first = (group * rows) * fill
        kept = [c for c in range(first, first + rows * fill) if c in place]
        chunks = 1 + (max(kept) - first) // fill if kept and random.random() < 0.7 else rows
        for chunk in range(chunks):
            waiting = {i: place[c] for i in range(fill) if (c := first + chunk * fill + i) in place}
            while True:
                entries: dict[int, tuple[int, int, int]] = {}
                banks: set[tuple[int, int]] = set()
                for i in range(fill):
                    zero = i not in waiting
                    if zero and not (left and random.random() < 0.5):
                        continue
                    step, pair = left[-1] if zero else waiting[i]
                    if (pair, step % fill) in banks:
                        continue
                    banks.add((pair, step % fill))
                    entries[i] = (int(zero), pair, step)
                    if zero:
                        left.pop()
                    else:
                        del waiting[i]
                word = dict.fromkeys(scatter_word(config).fields, 0)
                for i, (zero, pair, step) in entries.items():
                    word |= {f"valid_{i}": 1, f"zero_{i}": zero, f"pair_{i}": pair, f"step_{i}": step}
                words.append(word)
                # What is left of the zeros has to be written by the end.
                if not waiting and not (left and group == groups - 1 and chunk == chunks - 1):
                    break
            words[-1]["last" if chunk == chunks - 1 else "advance"] = 1
    extra = sum(not (word["last"] or word["advance"]) for word in words)
    return Table([scatter_word(config).to_int(word) for word in words], columns, extra, rows - chunks)
