# SPDX-License-Identifier: Apache-2.0
"""Words of the scatter table: which columns of an im2col matrix are written where, cycle by cycle."""

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.scatter import scatter_word

from .slots import Operands, Slot

Entry = tuple[int, int, bool]
"""Operand pair, step, and whether zeros are written."""


def scatter_table(operands: Operands, taps: int, words: int, config: EngineConfig) -> tuple[int, ...]:
    """The table of one fill: every tap's words of channels in their order.

    Parameters
    ----------
    operands : Operands
    taps, words : int
        Kernel positions, and words of channels read at each.
    config : EngineConfig
    """
    record = scatter_word(config)
    empty = list(reversed(operands.empty))
    table = []
    for tap in range(taps):
        for word in range(words):
            last_one = (tap, word) == (taps - 1, words - 1)
            cycles = _group(operands, tap, word, config)
            for entries in (cycle for chunk in cycles for cycle in chunk):
                _fill_up(entries, empty, config)
            while last_one and empty:
                cycles[-1].append({})
                _fill_up(cycles[-1][-1], empty, config)
            for c, chunk in enumerate(cycles):
                for i, entries in enumerate(chunk):
                    ends = i == len(chunk) - 1
                    fields = {"last": int(ends and c == len(cycles) - 1), "advance": int(ends and c < len(cycles) - 1)}
                    for lane in range(config.fill):
                        pair, step, zero = entries.get(lane, (0, 0, False))
                        fields |= {
                            f"valid_{lane}": int(lane in entries),
                            f"zero_{lane}": int(zero),
                            f"pair_{lane}": pair,
                            f"step_{lane}": step,
                        }
                    table.append(record.to_int(fields))
    return tuple(table)


def _group(operands: Operands, tap: int, word: int, config: EngineConfig) -> list[list[dict[int, Entry]]]:
    """For each chunk of one word of channels, up to the last that is wanted: its cycles."""
    chunks = []
    for first in range(word * config.word_bytes, (word + 1) * config.word_bytes, config.fill):
        waiting = [list(reversed(operands.slots.get((tap, first + lane), []))) for lane in range(config.fill)]
        chunks.append(_cycles(waiting, config))
    while len(chunks) > 1 and not any(chunks[-1]):
        chunks.pop()
    return chunks


def _cycles(waiting: list[list[Slot]], config: EngineConfig) -> list[dict[int, Entry]]:
    """As few cycles as a greedy choice finds in which every column reaches all its slots, no bank twice in one."""
    cycles: list[dict[int, Entry]] = []
    while any(waiting) or not cycles:
        entries: dict[int, Entry] = {}
        for lane, slots in enumerate(waiting):
            busy = _banks(entries, config)
            free = next((i for i in reversed(range(len(slots))) if _bank(slots[i], config) not in busy), None)
            if free is not None:
                entries[lane] = (*slots.pop(free), False)
        cycles.append(entries)
    return cycles


def _fill_up(entries: dict[int, Entry], empty: list[Slot], config: EngineConfig) -> None:
    """Write zeros with the entries that are left."""
    for lane in range(config.fill):
        if lane in entries or not empty:
            continue
        busy = _banks(entries, config)
        free = next((i for i in reversed(range(len(empty))) if _bank(empty[i], config) not in busy), None)
        if free is not None:
            entries[lane] = (*empty.pop(free), True)


def _bank(slot: Slot, config: EngineConfig) -> tuple[int, int]:
    return slot[0], slot[1] % config.fill


def _banks(entries: dict[int, Entry], config: EngineConfig) -> set[tuple[int, int]]:
    return {_bank(entry[:2], config) for entry in entries.values()}
