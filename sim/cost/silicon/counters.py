# SPDX-License-Identifier: Apache-2.0
"""What the performance counters of an array are made of: facts about operands, and products of their counts."""

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig

COUNTED = {
    2: {
        (True, False, False): (3, 3, 3),
        (True, True, False): (5, 3, 4),
        (True, True, True): (5, 5, 6),
        (False, True, False): (5, 4, 4),
        (False, True, True): (5, 5, 5),
        (False, False, False): (5, 4, 4),
    },
    4: {
        (True, False, False): (15, 15, 15),
        (True, True, False): (43, 31, 42),
        (True, True, True): (43, 43, 54),
        (False, True, False): (22, 20, 20),
        (False, True, True): (22, 22, 22),
        (False, False, False): (19, 16, 16),
    },
}
"""Threads -> (detects zeros, checks width, swaps) of the policy -> sets of facts about the operand that is reduced and
about the other one, and products (`counted`)."""


def counted(pe: PEConfig) -> tuple[int, int, int]:
    """Of the performance counters: sets of facts about the activations of a row that are counted, the same of weights
    and columns, and products of two such counts (`sysmt.hdl.array.bilinear`)."""
    if isinstance(pe, SparqConfig):
        shifts, alone = len(pe.narrow.shifts), len(pe.narrow.alone.shifts)
        if pe.stc:
            return pe.pairs * (12 * shifts - 2), 10 * pe.pairs, pe.pairs * (6 * shifts + 4)
        sets = 2 * shifts + 1 + (4 if pe.vsparq else 2) * (alone - 1)
        return pe.pairs * sets, 3 * pe.pairs + 1, shifts + 3 * pe.pairs + 1
    assert isinstance(pe, NbSmtConfig)
    if pe.threads == 1:
        return 1, 1, 1
    rules = pe.rules
    reduced, other, products = COUNTED[pe.threads][rules.detects_zeros, rules.checks_width, rules.swaps]
    return (other, reduced, products) if rules.reduced_operand == "w" else (reduced, other, products)


def counter_components(config: ArrayConfig) -> dict[str, float]:
    """Counters: their bits, what looks at every operand, sets of facts of rows and columns, products of two counts."""
    rows, cols, pe = config.rows, config.cols, config.pe
    of_rows, of_cols, products = counted(pe)
    if isinstance(pe, SparqConfig):
        number = 9 + len({*pe.narrow.shifts, *pe.narrow.alone.shifts} - {0})
    else:
        number = 5 if pe.threads == 1 else 8
    return {
        "counter_bit": COUNTER_WIDTH * number,
        "counted_operand": (rows + cols) * pe.products,
        "counted_fact": rows * of_rows + cols * of_cols,
        "counted_product": products * rows.bit_length() * cols.bit_length(),
    }
