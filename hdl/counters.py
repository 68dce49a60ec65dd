# SPDX-License-Identifier: Apache-2.0
"""Performance counters of the array, computed at its edges from the polynomials of `hdl.events`."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ArrayConfig
from .emit import shared
from .events import Monomial, events
from .lines import LineCounts
from .numeric import fits
from .population import Population, PopulationConfig
from .ports import COUNTER_WIDTH, Counters, Tile, w_step, x_step


class EventCounters(wiring.Component):
    """Counts what happens to the operands of every step.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    step : In(1)
        A step enters the array.
    tile : In(Tile)
        Its tile: only outputs within `rows` x `cols` count.
    x, w : In(bits of x_step), In(bits of w_step)
        Its operands; the activations of threads that do not run are zero.
    stall_operands, stall_drain, stall_output : In(1)
    begins, tap : In(1)
        With `fuse`: the step is the first of its tile; the step of a 1-D convolution has a tap.
    counters : Out(Counters)

    Latency
    -------
    A step is counted `LATENCY` cycles after it enters.
    """

    LATENCY = 4
    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "step": In(1),
                "tile": In(Tile(config)),
                "x": In(x_step(config).size),
                "w": In(w_step(config).size),
                "stall_operands": In(1),
                "stall_drain": In(1),
                "stall_output": In(1),
                "counters": Out(Counters()),
            }
            | ({"begins": In(1), "tap": In(1)} if config.fuse else {})
        )

    @staticmethod
    def module_name(config: ArrayConfig) -> str:
        return "counters"

    def elaborate(self, platform):
        m = Module()
        config, tile = self.config, self.tile
        several, quad = tile.threads != 0, tile.threads == 2
        real_rows = self._within(m, tile.rows, config.rows, "rows")
        real_cols = self._within(m, tile.cols, config.cols, "cols")
        edges = [
            (self.x, real_rows, str.islower, "x"),
            (self.w, real_cols, str.isupper, "w"),
        ]
        polynomials = events(config.pe)
        parts = [
            {_part(monomial, keep) for p in polynomials.values() for monomial in p.terms}
            for _, _, keep, _ in edges
        ]
        counts = [
            self._edge_counts(m, platform, operands, real, several, quad, wanted, name)
            for (operands, real, _, name), wanted in zip(edges, parts, strict=True)
        ]
        pairs = sorted({_split(m_) for p in polynomials.values() for m_ in p.terms}, key=_key)
        along = self._lines(m, several, quad, real_rows, pairs) if config.fuse else None
        products = {}
        for i, (x_part, w_part) in enumerate(pairs):
            factor = counts[0][x_part] * counts[1][w_part]
            if along is not None:
                factor = along.choose(factor, (x_part, w_part))
            products[x_part, w_part] = Signal.like(factor, name=f"product_{i}", reset_less=True)
            m.d.sync += products[x_part, w_part].eq(factor)

        counted = [Signal(name=f"step_{i}") for i in range(3)]
        m.d.sync += [late.eq(early) for early, late in zip([self.step, *counted], counted, strict=False)]
        happens = counted[2]
        if config.fuse:
            tapped = [Signal(name=f"tapped_{i}") for i in range(3)]
            m.d.sync += [
                late.eq(early)
                for early, late in zip([self.step & (~tile.fuse | self.tap), *tapped], tapped, strict=False)
            ]
            happens = tapped[2]
        for name, polynomial in polynomials.items():
            if polynomial.terms:
                terms = sorted(polynomial.terms.items(), key=lambda t: _key(_split(t[0])))
                happened = sum((c * products[_split(m_)] for m_, c in terms), start=0)
                self._count(m, name, happens, happened)
        self._count(m, "steps", counted[2], 1)
        for name in ("operands", "drain", "output"):
            self._count(m, f"stalls_{name}", getattr(self, f"stall_{name}"), 1)
        return m

    def _count(self, m: Module, name: str, on: Value, amount: Value | int) -> None:
        counter = self.counters[name]
        with m.If(on):
            m.d.sync += counter.eq((counter + amount)[:COUNTER_WIDTH])

    def _within(self, m: Module, extent: Value, size: int, name: str) -> Signal:
        """One bit per row or column: it is one of the first `extent`."""
        real = Signal(size, name=f"real_{name}", reset_less=True)
        m.d.sync += real.eq(Cat(extent > i for i in range(size)))
        return real

    def _edge_counts(
        self,
        m: Module,
        platform: object,
        operands: Value,
        real: Signal,
        several: Value,
        quad: Value,
        wanted: set[Monomial],
        name: str,
    ) -> dict[Monomial, Signal]:
        """For every wanted set of facts, in how many rows (or columns) all of them hold."""
        held = self._facts(m, operands, len(real), several, quad, wanted, name == "w", "fact")
        counts = {}
        for i, part in enumerate(sorted(wanted, key=sorted)):
            all_hold = real
            for f in sorted(part):
                all_hold = all_hold & held[f]
            counts[part] = Signal(range(len(real) + 1), name=f"count_{name}_{i}", reset_less=True)
            population = shared(
                m,
                f"population_{name}_{i}",
                Population,
                PopulationConfig(len(real), self.config.pe.target),
                platform,
            )
            m.d.comb += population.bits.eq(all_hold)
            m.d.sync += counts[part].eq(population.count)
        return counts

    def _facts(
        self,
        m: Module,
        operands: Value,
        lanes: int,
        several: Value,
        quad: Value,
        wanted: set[Monomial],
        upper: bool,
        name: str,
    ) -> dict[str, Signal]:
        """Every wanted fact about the first `lanes` operands, registered: one bit per lane."""
        facts: dict[str, list[Value]] = {}
        for t in range(self.config.pe.threads):
            lane = [operands.word_select(i * self.config.pe.threads + t, 8) for i in range(lanes)]
            big = [~fits(v.as_signed() if upper else v) for v in lane]
            gates = {"b": several, "p": several & ~quad, "q": quad, "r": self._runs(t) & several}
            values = {"n": [v.any() for v in lane]}
            values |= {f: [b & on for b in big] if f != "r" else [on] * len(lane) for f, on in gates.items()}
            for letter, bits in values.items():
                facts[(letter.upper() if upper else letter) + str(t)] = bits
        held = {}
        for f in sorted({f for part in wanted for f in part}):
            held[f] = Signal(lanes, name=f"{name}_{f}", reset_less=True)
            m.d.sync += held[f].eq(Cat(facts[f]))
        return held

    def _lines(self, m: Module, several: Value, quad: Value, real: Signal, pairs: list) -> LineCounts:
        """The same counts for tiles of 1-D convolution, where a row meets its own tap only."""
        rows = self.config.rows
        x_facts = self._facts(m, self.x, rows, several, quad, {x for x, _ in pairs}, False, "line_fact")
        lanes = [self.w.word_select(rows - 1 - row, len(self.x) // rows) for row in range(rows)]
        w_facts = self._facts(m, Cat(lanes), rows, several, quad, {w for _, w in pairs}, True, "line_fact")
        return LineCounts(m, self.config, self.step, self.begins, self.tile, real, x_facts, w_facts, pairs)

    def _runs(self, thread: int) -> Value | int:
        """Whether the tile runs on this thread."""
        return Mux(self.tile.threads == 2, 1, Mux(self.tile.threads == 1, thread < 2, thread < 1))


def _part(monomial: Monomial, keep) -> Monomial:
    return frozenset(f for f in monomial if keep(f[0]))


def _split(monomial: Monomial) -> tuple[Monomial, Monomial]:
    return _part(monomial, str.islower), _part(monomial, str.isupper)


def _key(pair: tuple[Monomial, Monomial]) -> tuple[list[str], list[str]]:
    """An order that does not depend on the hash of strings: the Verilog must not."""
    return sorted(pair[0]), sorted(pair[1])
