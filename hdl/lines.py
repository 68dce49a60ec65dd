# SPDX-License-Identifier: Apache-2.0
"""Counting what happens in tiles of 1-D convolution (FuSeConv): part of the performance counters.

There a row meets its own tap and the activations that are in the row at that moment: the ones of the last `cols` steps.
So per row and set of facts about activations, a count of that sliding window is kept (one comes in, the one that left
the last output goes out), and a tap adds the counts of the rows whose weight has the facts that go with it.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from .config import ArrayConfig
from .events import Monomial


class LineCounts:
    """Window counts of every row, and what they add up to for every pair of sets of facts.

    Adds its registers to `m`, in step with those of `hdl.counters`: facts are registered one cycle after the step,
    window counts two cycles after it.

    Parameters
    ----------
    step, begins, tile
        Of the step itself, with `hdl.sequencer.Sequencer`.
    real : Signal(rows)
        Rows that count, registered.
    x_facts, w_facts : dict of str to Signal(rows)
        Facts about the activation that enters a row, and about the tap of a row, registered.
    pairs : list of (Monomial, Monomial)
        Facts about activations, and facts about weights, that are asked for.
    """

    def __init__(
        self,
        m: Module,
        config: ArrayConfig,
        step: Value,
        begins: Value,
        tile: Value,
        real: Signal,
        x_facts: dict[str, Signal],
        w_facts: dict[str, Signal],
        pairs: list[tuple[Monomial, Monomial]],
    ):
        self._config = config
        moved, begun = Signal(name="line_moved"), Signal(name="line_begins")
        cols = Signal.like(tile.cols, name="line_cols")
        fuse = Signal(name="line_fuse")
        self._fuse, self._cols = Signal(name="line_mode"), Signal.like(tile.cols, name="line_width")
        m.d.sync += [moved.eq(step), begun.eq(begins), cols.eq(tile.cols), fuse.eq(tile.fuse)]
        m.d.sync += [self._fuse.eq(fuse), self._cols.eq(cols)]

        left = {name: self._leaving(m, fact, moved, begun, cols, name) for name, fact in x_facts.items()}
        self._windows = {}
        for i, part in enumerate(sorted({x for x, _ in pairs if x}, key=sorted)):
            self._windows[part] = self._count(m, x_facts, left, part, moved, begun, i)
        self._taps = {}
        for i, part in enumerate(sorted({w for _, w in pairs}, key=sorted)):
            has = real
            for name in sorted(part):
                has = has & w_facts[name]
            self._taps[part] = Signal(config.rows, name=f"line_taps_{i}", reset_less=True)
            m.d.sync += self._taps[part].eq(has)

    def choose(self, product: Value, pair: tuple[Monomial, Monomial]) -> Value:
        """`product` in a matrix product; in a 1-D convolution how often the facts of `pair` met in this step."""
        x, w = pair
        windows = self._windows.get(x, [self._cols] * self._config.rows)
        met = sum(Mux(self._taps[w][row], window, 0) for row, window in enumerate(windows))
        return Mux(self._fuse, met, product)

    def _leaving(self, m: Module, fact: Signal, moved: Signal, begun: Signal, cols: Signal, name: str) -> Signal:
        """Whether the fact holds of the activations that move past the last output in this step: one bit per row."""
        rows = self._config.rows
        line = Signal(rows * self._config.cols, name=f"line_{name}", reset_less=True)
        with m.If(moved):
            m.d.sync += line.eq(Cat(fact, Mux(begun, 0, line))[: len(line)])
        last = Signal(rows, name=f"line_last_{name}")
        m.d.comb += last.eq(line.word_select((cols - 1)[: len(cols)], rows))
        return last

    def _count(
        self,
        m: Module,
        facts: dict[str, Signal],
        left: dict[str, Signal],
        part: Monomial,
        moved: Signal,
        begun: Signal,
        index: int,
    ) -> list[Signal]:
        """Per row, how many activations in its window have all facts of `part`."""
        rows = self._config.rows
        enters, leaves = Signal(rows, name=f"line_in_{index}"), Signal(rows, name=f"line_out_{index}")
        m.d.comb += [enters.eq(self._all(facts, part)), leaves.eq(self._all(left, part))]
        windows = []
        for row in range(rows):
            window = Signal(range(self._config.cols + 1), name=f"window_{index}_{row}", reset_less=True)
            with m.If(moved):
                kept = Mux(begun, 0, window - leaves[row])
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
