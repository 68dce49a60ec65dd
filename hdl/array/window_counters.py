# SPDX-License-Identifier: Apache-2.0
"""Counting what happens in tiles of 1-D convolution (FuSeConv): part of the performance counters.

There a row meets its own tap and the activations that are in the row at that moment: the ones of the last `cols` steps.
So per row and set of facts about activations, a count of that sliding window is kept (one comes in, the one that left
the last output goes out), and a tap adds the counts of the rows whose weight has the facts that go with it.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from sysmt.hdl.pe.polynomial import Monomial

from .bilinear import BilinearForm


class WindowCounters:
    """Window counts of every row, and the taps that meet them: functions of values, with registers in `m`.

    Like the counts of the other counters, these follow the step by one cycle.

    Parameters
    ----------
    m : Module
        Takes the registers.
    cols : int
        Columns of the array: the longest window.
    step, begins : Value
        A step enters the array; it is the first of its tile.
    width : Value
        Columns that count in this tile: activations leave the window behind them.
    taps : Value
        One bit per row: it counts, and the step has a tap for it.
    x_facts, w_facts : dict of str to Signal
        Facts about the activation that enters a row, and about every weight lane.
    x_parts, w_parts : lists of Monomial
        The sets of facts that are asked for.
    """

    def __init__(
        self,
        m: Module,
        *,
        cols: int,
        step: Value,
        begins: Value,
        width: Value,
        taps: Value,
        x_facts: dict[str, Signal],
        w_facts: dict[str, Signal],
        x_parts: list[Monomial],
        w_parts: list[Monomial],
    ):
        self._rows, self._cols = len(taps), cols
        self._step, self._begins, self._last_col = step, begins, (width - 1)[: len(width)]
        self._width = Signal.like(width, name="line_width")
        m.d.sync += self._width.eq(width)
        left = {name: self._leaving(m, fact, name) for name, fact in x_facts.items()}
        self._windows = {p: self._count(m, x_facts, left, p, i) for i, p in enumerate(x_parts) if p}
        self._taps = {}
        for i, part in enumerate(w_parts):
            has = taps
            for name in sorted(part):
                has = has & w_facts[name][: self._rows][::-1]
            self._taps[part] = Signal(self._rows, name=f"line_taps_{i}", reset_less=True)
            m.d.sync += self._taps[part].eq(has)

    def terms(self, form: BilinearForm) -> list[tuple[Value, Value, int]]:
        """What a step of a 1-D convolution adds to `form`, as products; all zero in a matrix product."""
        windows = {p: self._windows.get(p, [self._width] * self._rows) for p, _ in form.pairs}
        return [
            (windows[x][row], self._taps[w][row], scale)
            for (x, w), scale in form.pairs.items()
            for row in range(self._rows)
        ]

    def _leaving(self, m: Module, fact: Signal, name: str) -> Signal:
        """Whether the fact holds of the activations that move past the last output in this step: one bit per row."""
        line = Signal(self._rows * self._cols, name=f"line_{name}", reset_less=True)
        with m.If(self._step):
            m.d.sync += line.eq(Cat(fact, Mux(self._begins, 0, line))[: len(line)])
        last = Signal(self._rows, name=f"line_last_{name}")
        m.d.comb += last.eq(line.word_select(self._last_col, self._rows))
        return last

    def _count(
        self, m: Module, facts: dict[str, Signal], left: dict[str, Signal], part: Monomial, index: int
    ) -> list[Signal]:
        """Per row, how many activations in its window have all facts of `part`."""
        enters, leaves = (Signal(self._rows, name=f"line_{way}_{index}") for way in ("in", "out"))
        m.d.comb += [enters.eq(self._all(facts, part)), leaves.eq(self._all(left, part))]
        windows = []
        for row in range(self._rows):
            window = Signal(range(self._cols + 1), name=f"window_{index}_{row}", reset_less=True)
            with m.If(self._step):
                kept = Mux(self._begins, 0, window - leaves[row])
                m.d.sync += window.eq((kept + enters[row])[: len(window)])
            windows.append(window)
        return windows

    @staticmethod
    def _all(facts: dict[str, Signal], part: Monomial) -> Value:
        held = [facts[name] for name in sorted(part)]
        result = held[0]
        for fact in held[1:]:
            result = result & fact
        return result
