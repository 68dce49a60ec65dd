# SPDX-License-Identifier: Apache-2.0
"""One step of a SPARQ PE in plain integers (Shomron et al., NeurIPS 2021). Shares nothing with the golden model."""

from fractions import Fraction

from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.sim.golden.sparq import SparqCounters

SHIFTS = {"2opt": [4, 0], "3opt": [4, 2, 0], "5opt": [4, 3, 2, 1, 0], "6opt": range(6), "7opt": range(7)}
BITS = {"2opt": 4, "3opt": 4, "5opt": 4, "6opt": 3, "7opt": 2}
ALONE = {4: (8, [0]), 3: (6, [2, 1, 0]), 2: (4, [4, 3, 2, 1, 0])}


class Sparq:
    """See `tb.references.kinds`."""

    @staticmethod
    def places(step: int, steps: int, threads: int, pe: SparqConfig) -> list[int]:
        """Neighbours in K: the first operands of all pairs of a step, then the second ones."""
        if pe.stc:
            here = range(2 * step * threads, 2 * (step + 1) * threads)
            return list(here)
        here = range(step * threads, (step + 1) * threads)
        return [*here[0::2], *here[1::2]] if threads == pe.threads else list(here)

    @staticmethod
    def fed(
        x: list[list[int]], w: list[list[int]], threads: int, pe: SparqConfig
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Exact products on lanes of less than 4 bits: high and low half of every activation, each with its weight."""
        if pe.stc and threads < pe.threads:
            return [[v for u in row for v in (u, 0)] for row in x], [r for row in w for r in (row, [0] * len(row))]
        if threads == pe.threads or BITS[pe.window] == 4:
            return x, w
        parts = [[[v // 16 * 16, v % 16] if v >= 0 else [-(-v // 16 * 16), -(-v % 16)] for v in row] for row in x]
        return [[half for both in row for half in both] for row in parts], [row for row in w for _ in "hl"]

    def __call__(self, pairs: list[tuple[int, int]], pe: SparqConfig) -> tuple[int, SparqCounters]:
        if pe.stc:
            size = 4 if len(pairs) == 4 * pe.pairs else 2
            couples = [self._chosen(pairs[i : i + size]) for i in range(0, len(pairs), size)]
            couples = [couple for couple in couples if couple]
        elif len(pairs) == pe.threads:
            couples = [(pairs[i], pairs[i + pe.pairs]) for i in range(pe.pairs)]
        else:
            couples = [(pair, None) for pair in pairs]
        value, counters = 0, SparqCounters()
        for couple in couples:
            added, counted = self._couple(*couple, pe)
            value, counters = value + added, counters + counted
        return value, counters

    @staticmethod
    def _chosen(members: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int] | None] | None:
        """The first two operands with a weight."""
        weighty = [pair for pair in members if pair[1] != 0]
        return (weighty[0], weighty[1] if weighty[1:] else None) if weighty else None

    @staticmethod
    def _couple(one: tuple[int, int], other: tuple[int, int] | None, pe: SparqConfig) -> tuple[int, SparqCounters]:
        value = 0
        used = []
        for (x, w), partner in [(one, other), (other or (0, 0), one if other else None)]:
            lonely = partner is None or (pe.vsparq and partner[0] == 0)
            bits, shifts = ALONE[BITS[pe.window]] if lonely else (BITS[pe.window], SHIFTS[pe.window])
            kept, shift = trim(abs(x), bits, shifts, pe.trim)
            value += (-kept if x < 0 else kept) * w
            used.append(shift)
        everything = [one] + ([other] if other else [])
        active = sum(x != 0 and w != 0 for x, w in everything)
        living = sum(x != 0 for x, _ in everything)
        return value, SparqCounters(
            active,
            int(active > 0),
            int(living == 2),
            sum(shift > 0 for shift in used),
            int(living == 1),
            *(sum(shift >= least for shift in used) for least in range(2, 7)),
        )


def trim(x: int, bits: int, shifts: list[int], how: str) -> tuple[int, int]:
    """What a window of so many bits leaves of x, and where it begins."""
    shift = min(s for s in shifts if x < 2 ** (s + bits))
    if how == "raw":
        return x - x % 2**shift, shift
    return min(round(Fraction(x, 2**shift)), 2**bits - 1) * 2**shift, shift


KIND = Sparq()
