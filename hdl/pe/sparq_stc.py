# SPDX-License-Identifier: Apache-2.0
"""SPARQ on 2:4 weights: of four activations a pair takes the two whose weights are not zero.

Weights are selected once per column at the edge of the array, activations in every PE: which two it takes is a matter
of the column. So a PE gets all four whole and trimmed, and trims by choosing.

    four weights -[column's edge]-> two weights, and their places     (of one alone: twice the same place)
    four activations -[row's edge]-> each whole, its narrow window, the window's code
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.kinds.sparq import GROUP, PLACE_WIDTH, SparqConfig
from sysmt.hdl.params.pe import W_WIDTH, X_WIDTH

from .multiplier import Multiplier
from .ports import weights
from .sparq import FpgaSparq, Sparq
from .sparq_edge import SparqEdge


def candidates(config: SparqConfig) -> data.ArrayLayout:
    """What a PE gets of every activation: all of it, its narrow window and the number of the window's shift."""
    code = (len(config.narrow.shifts) - 1).bit_length()
    return data.ArrayLayout(data.StructLayout({"x": X_WIDTH, "q": config.narrow.bits, "code": code}), config.products)


def selected(config: SparqConfig) -> data.ArrayLayout:
    """What a PE gets of the weights: one per lane, in the order of its threads, and its place in the group of four."""
    return data.ArrayLayout(data.StructLayout({"w": signed(W_WIDTH), "place": PLACE_WIDTH}), config.threads)


def stored(config: SparqConfig, lanes: int) -> data.StructLayout:
    """The weights of one step as memories hold them: those of all lanes of all columns, and behind them the places.

    Of a group with one weight, or none, the second is zero and has the place of the first.
    """
    members = {"w": signed(W_WIDTH), "place": PLACE_WIDTH}
    return data.StructLayout(
        {name: data.ArrayLayout(data.ArrayLayout(shape, config.threads), lanes) for name, shape in members.items()}
    )


def group(config: SparqConfig, pair: int) -> list[int]:
    """The four operands of a pair, in the order of K: those of its one thread, then those of the other."""
    both = (pair, pair + config.pairs)
    return [t * config.pairs_per_thread + i for t in both for i in range(config.pairs_per_thread)]


class StcEdge(SparqEdge):
    """As `SparqEdge`, for activations of which PEs choose: `o` is `candidates`."""

    def elaborate(self, platform):
        m = Module()
        window = self.config.narrow
        for t in range(self.config.products):
            begins = self._begins(window, t)
            m.d.comb += [
                self.o[t].x.eq(self.i[t]),
                self.o[t].q.eq(self._trimmed(m, window, begins, t, "narrow")),
                self.o[t].code.eq(self._chosen(begins, list(range(len(begins))), t)),
            ]
        return m


class WeightSelector(wiring.Component):
    """The weights of one column and step to its PEs: the two of each group that are not zero, in the same cycle.

    Parameters
    ----------
    config : SparqConfig

    Members
    -------
    i : In(weights)
        At most two of each group of four are not zero.
    runs : In(`PEConfig.products`)
        A weight that does not run is none.
    o : Out(selected)
        The first of them for one lane of the pair, the last for the other: with zero where it is the first too.
    """

    block = "edge"

    def __init__(self, config: SparqConfig):
        self.config = config
        super().__init__({"i": In(weights(config)), "runs": In(config.products), "o": Out(selected(config))})

    @staticmethod
    def module_name(config: SparqConfig) -> str:
        return "selector"

    def elaborate(self, platform):
        m = Module()
        for pair in range(self.config.pairs):
            given = [self.i[t] for t in group(self.config, pair)]
            live = [self.i[t].any() & self.runs[t] for t in group(self.config, pair)]
            before = [Cat(live[:i]).any() if i else Const(0) for i in range(GROUP)]
            behind = [Cat(live[i + 1 :]).any() if i < GROUP - 1 else Const(0) for i in range(GROUP)]
            is_first = [on & ~others for on, others in zip(live, before, strict=True)]
            is_last = [on & ~others for on, others in zip(live, behind, strict=True)]
            one, other = self.o[pair], self.o[pair + self.config.pairs]
            m.d.comb += [
                one.w.eq(_one_of(given, is_first)),
                one.place.eq(_place(is_first)),
                # The same weight twice would count twice.
                other.w.eq(_one_of(given, [last & ~first for last, first in zip(is_last, is_first, strict=True)])),
                other.place.eq(_place(is_last)),
            ]
        return m


class StoredWeights(wiring.Component):
    """The weights of one column and step as memories hold them to its PEs, in the same cycle.

    Parameters
    ----------
    config : SparqConfig

    Members
    -------
    i : In(selected)
        As `stored` has them.
    runs : In(`PEConfig.products`)
        The place of a weight that does not run is that of its pair's other one: then it is no operand, whatever it is.
        Where neither runs, activations are zero.
    o : Out(selected)
    live : Out(`PEConfig.products`)
        The weight of an operand is not zero.
    """

    block = "edge"

    def __init__(self, config: SparqConfig):
        self.config = config
        ports = {"i": In(selected(config)), "runs": In(config.products), "o": Out(selected(config))}
        super().__init__(ports | {"live": Out(config.products)})

    @staticmethod
    def module_name(config: SparqConfig) -> str:
        return "placed"

    def elaborate(self, platform):
        m = Module()
        per_thread = self.config.pairs_per_thread
        for pair in range(self.config.pairs):
            lanes = pair, pair + self.config.pairs
            (one, two), (first, second) = ([at[t] for t in lanes] for at in (self.i, self.o))
            m.d.comb += [
                first.eq(one),
                second.w.eq(two.w),
                second.place.eq(Mux(self.runs[lanes[1] * per_thread], two.place, one.place)),
            ]
            for i, t in enumerate(group(self.config, pair)):
                m.d.comb += self.live[t].eq((one.w.any() & (first.place == i)) | (two.w.any() & (second.place == i)))
        return m


def _one_of(values: list[Value], on: list[Value]) -> Value:
    chosen: Value = Const(0, len(values[0]))
    for value, is_it in zip(values, on, strict=True):
        chosen = chosen | (Value.cast(value).as_unsigned() & is_it.replicate(len(value)))
    return chosen


def _place(on: list[Value]) -> Value:
    return Cat(Cat(is_it for i, is_it in enumerate(on) if i >> bit & 1).any() for bit in range(PLACE_WIDTH))


class Selecting(Multiplier):
    """What makes lanes of candidates and selected weights, in front of the products of `Sparq` or `FpgaSparq`."""

    config: SparqConfig

    def __init__(self, config: SparqConfig):
        super().__init__(config)
        self._made: dict[int, tuple[Value, Value, dict[int, Value]]] = {}

    def _lane(self, m: Module, t: int) -> tuple[Value, Value, dict[int, Value]]:
        """Bits, weight and shifts of lane t."""
        if t not in self._made:
            self._pair(m, t % self.config.pairs)
        return self._made[t]

    def _pair(self, m: Module, pair: int) -> None:
        """Both lanes of a pair.

        Alone, an activation has its high bits in its own lane and its low bits in the other, with its weight.
        """
        lanes = pair, pair + self.config.pairs
        choices = Array(Value.cast(self.x[t]) for t in group(self.config, pair))
        picked = []
        for t in lanes:
            found = Signal(candidates(self.config).elem_shape, name=f"picked_{t}")
            m.d.comb += Value.cast(found).eq(choices[self.w[t].place])
            picked.append(found)
        one, two = (Signal(name=f"{name}_{pair}") for name in ("one", "two"))
        differ = self.w[lanes[0]].place != self.w[lanes[1]].place
        m.d.comb += [one.eq(picked[0].x.any()), two.eq(picked[1].x.any() & differ)]
        # Whose activation has both lanes: the first one's, or the other's.
        alone = ~two, two & ~one
        half = self.config.narrow.bits
        for own, t in enumerate(lanes):
            other = 1 - own
            q, weight = Signal(half, name=f"q_{t}"), Signal(signed(W_WIDTH), name=f"weight_{t}")
            shares = ~(alone[0] | alone[1])
            parts = (
                (shares, picked[own].q),
                (alone[own], picked[own].x[half:]),
                (alone[other], picked[other].x[:half]),
            )
            m.d.comb += [
                q.eq(Cat(Cat(part[i] & on for on, part in parts).any() for i in range(half))),
                weight.eq(Mux(alone[other], self.w[lanes[other]].w, self.w[t].w)),
            ]
            shifts = {shift: (picked[own].code == i) & shares for i, shift in enumerate(self.config.narrow.shifts)}
            shifts[half] = shifts.get(half, Const(0)) | alone[own]
            shifts[0] = shifts[0] | alone[other]
            self._made[t] = q, weight, shifts

    def _q(self, m: Module, t: int) -> Value:
        return self._lane(m, t)[0]

    def _weight(self, m: Module, t: int) -> Value:
        return self._lane(m, t)[1]

    def _shifts(self, m: Module, t: int) -> dict[int, Value]:
        return self._lane(m, t)[2]


class StcSparq(Selecting, Sparq):
    """For standard cells."""


class FpgaStcSparq(Selecting, FpgaSparq):
    """For FPGAs."""
