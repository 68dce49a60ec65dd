# SPDX-License-Identifier: Apache-2.0
"""Performance counters of the array, computed at its edges from the polynomials of `sysmt.hdl.pe.polynomial`."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.adders import add_products, product_of
from sysmt.hdl.common.delay_line import delay_line
from sysmt.hdl.common.popcount import Popcount, PopcountConfig
from sysmt.hdl.emit import shared
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH
from sysmt.hdl.pe.kind import Running, gates_of
from sysmt.hdl.pe.polynomial import Monomial

from .bilinear import Combination, bilinear_forms, extent
from .ports import CounterLayout, TileDescriptor, w_step, x_step
from .window_counters import WindowCounters


class EventCounters(wiring.Component):
    """Counts what happens to the operands of every step.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    step : In(1)
        A step enters the array.
    tile : In(TileDescriptor)
        Its tile: only outputs within `rows` x `cols` count.
    x, w : In(bits of x_step), In(bits of w_step)
        Its operands; the activations of threads that do not run are zero.
    stall_operands, stall_drain, stall_output : In(1)
    begins, tap : In(1)
        With `fuse`: the step is the first of its tile; the step of a 1-D convolution has a tap.
    counters : Out(CounterLayout)

    Latency
    -------
    A step is counted `ArrayConfig.counting[1]` cycles after it enters.
    """

    block = "counters"

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "step": In(1),
                "tile": In(TileDescriptor(config)),
                "x": In(x_step(config).size),
                "w": In(w_step(config).size),
                "stall_operands": In(1),
                "stall_drain": In(1),
                "stall_output": In(1),
                "counters": Out(CounterLayout(config.pe)),
            }
            | ({"begins": In(1), "tap": In(1)} if config.fuse else {})
        )

    @staticmethod
    def module_name(config: ArrayConfig) -> str:
        return "counters"

    def elaborate(self, platform):
        m = Module()
        config, tile = self.config, self.tile
        # Without a step, and in reset, no row counts: then all that follows is zero, and no register needs an enable.
        happens = self.step & ~ResetSignal()
        if config.fuse:
            happens = happens & (~tile.fuse | self.tap)
        real_rows = self._first(tile.rows, config.rows) & happens.replicate(config.rows)
        real_cols = self._first(tile.cols, config.cols)
        if config.pe.target == "fpga":  # A product of 0 and of something unknown is unknown, where it is no gates.
            real_cols = real_cols & happens.replicate(config.cols)
        polynomials = gates_of(config.pe).events(config.pe)
        # Events with one and the same polynomial are one count: synthesis makes one register of theirs.
        same = {name: next(n for n, p in polynomials.items() if p is polynomials[name]) for name in polynomials}
        found = bilinear_forms({name: p for name, p in polynomials.items() if same[name] == name})
        pairs = [pair for form in found for pair in form.pairs]
        x_parts, w_parts = (sorted(set(side), key=sorted) for side in zip(*pairs, strict=True))
        x_facts = self._facts(m, self.x, config.rows, x_parts, "x")
        w_facts = self._facts(m, self.w, config.w_lanes, w_parts, "w")
        along = None
        if config.fuse:
            real_cols = real_cols & (~tile.fuse).replicate(config.cols)
            along = WindowCounters(
                m,
                cols=config.cols,
                step=self.step,
                begins=self.begins,
                width=tile.cols,
                taps=real_rows & tile.fuse.replicate(config.rows),
                x_facts=x_facts,
                w_facts=w_facts,
                x_parts=x_parts,
                w_parts=w_parts,
            )
        x_counts = self._counts(m, platform, x_facts, real_rows, x_parts, "x")
        w_counts = self._counts(m, platform, w_facts, real_cols, w_parts, "w")
        most = range(config.pe.products * config.rows * config.cols + 1)
        totals = []
        for i, form in enumerate(found):
            terms = [
                (x, w, term.scale)
                for j, term in enumerate(form.terms)
                for x in self._combine(m, x_counts, term.x, config.rows, f"x_{i}_{j}")
                for w in self._combine(m, w_counts, term.w, config.cols, f"w_{i}_{j}")
            ]
            if along is not None:
                terms += [
                    (self._later(m, windows, "windows", self._stages), self._later(m, tap, "tap", self._stages), scale)
                    for windows, tap, scale in along.terms(form)
                ]
            if self._stages:
                terms = [self._product(m, *term, f"product_{i}_{j}") for j, term in enumerate(terms)]
            total = Signal(most, name=f"form_{i}")
            m.d.sync += total.eq(add_products(m, terms, len(total), config.pe.target, f"form_{i}_sum"))
            totals.append(total)
        following: dict[str, Value] = {}
        for name, polynomial in polynomials.items():
            if same[name] in following:
                m.d.sync += self.counters[name].eq(following[same[name]])
            elif polynomial.terms:
                terms = [
                    (total, None, form.weights[name])
                    for total, form in zip(totals, found, strict=True)
                    if name in form.weights
                ]
                amount = add_products(m, terms, len(totals[0]), config.pe.target, name).as_unsigned()
                following[name] = self._count(m, name, amount)
        stepped: Value = self.step
        stepped = self._later(m, stepped, "step", config.counting[1] - 1 - self._stages)
        self._count(m, "steps", stepped)
        for name in ("operands", "drain", "output"):
            self._count(m, f"stalls_{name}", getattr(self, f"stall_{name}"))
        return m

    @property
    def _stages(self) -> int:
        """Registers at each of the places where only target `fpga` has one."""
        return int(self.config.pe.target == "fpga")

    @staticmethod
    def _later(m: Module, value: Value, name: str, cycles: int) -> Value:
        return delay_line(m, value, Const(1), name, cycles=cycles)

    def _count(self, m: Module, name: str, amount: Value) -> Value:
        """Add to a counter; returns what it is in the next cycle."""
        counter = self.counters[name]
        amount = self._later(m, amount, f"amount_{name}", self._stages)
        following: Value = (counter + amount)[:COUNTER_WIDTH]
        m.d.sync += counter.eq(following)
        return following

    @staticmethod
    def _first(extent: Value, size: int) -> Value:
        """One bit per row or column: it is one of the first `extent`."""
        return Cat(extent > i for i in range(size))

    def _facts(self, m: Module, operands: Value, lanes: int, parts: list[Monomial], name: str) -> dict[str, Signal]:
        """Every fact in `parts`, about the first `lanes` operands: one bit per lane."""
        several, quad = self.tile.threads != 0, self.tile.threads == 2
        full = self.tile.threads == self.config.pe.threads.bit_length() - 1
        running = Running(several, quad, full, lambda pair: self._runs(pair // per_thread) & several)
        pe = self.config.pe
        kind, per_thread = gates_of(pe), pe.pairs_per_thread
        facts = {}
        for f in sorted({f for part in parts for f in part}):
            pair = int(f[1:])
            lane = [operands.word_select(i * pe.products + pair, 8) for i in range(lanes)]
            bits = [kind.fact(pe, f[0].lower(), pair, v.as_signed() if name == "w" else v, running) for v in lane]
            facts[f] = Signal(lanes, name=f"fact_{f}")
            m.d.comb += facts[f].eq(Cat(bits))
        return facts

    def _counts(
        self,
        m: Module,
        platform: object,
        facts: dict[str, Signal],
        real: Value,
        parts: list[Monomial],
        name: str,
    ) -> dict[Monomial, list[Signal]]:
        """For every set of facts, in how many real rows (or columns) all of them hold; registered.

        As numbers to be added up: 2**n lanes are counted as 2**n - 1 and one more, which takes full adders only, and as
        many bits.
        """
        lanes = len(real) - (len(real).bit_count() == 1 and len(real) > 1)
        counts = {}
        for i, part in enumerate(parts):
            all_hold = real
            for f in sorted(part):
                all_hold = all_hold & facts[f]
            population = shared(
                m, f"population_{name}_{i}", Popcount, PopcountConfig(lanes, self.config.pe.target), platform
            )
            all_hold = self._later(m, all_hold, f"hold_{name}_{i}", self._stages)
            m.d.comb += population.bits.eq(all_hold[:lanes])
            values = [population.count, *([all_hold[lanes]] if lanes < len(real) else [])]
            counts[part] = [
                Signal(len(value), name=f"count_{name}_{i}_{j}", reset_less=not self._stages)
                for j, value in enumerate(values)
            ]
            m.d.sync += [count.eq(value) for count, value in zip(counts[part], values, strict=True)]
        return counts

    def _combine(
        self, m: Module, counts: dict[Monomial, list[Signal]], combination: Combination, lanes: int, name: str
    ) -> list[Value]:
        """A weighted sum of counts, as wide as its values need; a single count stays what it is."""
        if combination[0][1] == len(combination) == 1:
            return counts[combination[0][0]]
        low, high = extent(combination)
        value = Signal(range(low * lanes, high * lanes + 1), name=name)
        terms = [(count, None, weight) for part, weight in combination for count in counts[part]]
        m.d.comb += value.eq(add_products(m, terms, len(value), self.config.pe.target, f"{name}_sum"))
        return [value]

    def _product(self, m: Module, a: Value, b: Value, scale: int, name: str) -> tuple[Value, None, int]:
        """A term whose factors and product are registered."""
        shapes = a.shape(), b.shape()
        a, b = (Value.cast(self._later(m, factor, f"{name}_{side}", 1)) for factor, side in ((a, "a"), (b, "b")))
        a, b = (f.as_signed() if shape.signed else f for f, shape in zip((a, b), shapes, strict=True))
        factors = product_of(a, b)
        product = Signal(factors.shape(), name=name)
        m.d.sync += product.eq(factors)
        return product, None, scale

    def _runs(self, thread: int) -> Value | int:
        """Whether the tile runs on this thread."""
        return Mux(self.tile.threads == 2, 1, Mux(self.tile.threads == 1, thread < 2, thread < 1))
