# SPDX-License-Identifier: Apache-2.0
"""Gates of SPARQ."""

from itertools import combinations

from amaranth.hdl import Value
from amaranth.lib import data, wiring

from sysmt.hdl.params.kinds.sparq import SparqConfig, Window
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.kind import Gates, Running
from sysmt.hdl.pe.multiplier import Multiplier
from sysmt.hdl.pe.polynomial import Polynomial, constant, fact, total
from sysmt.hdl.pe.sparq import FpgaSparq, Sparq
from sysmt.hdl.pe.sparq_edge import SparqEdge
from sysmt.hdl.pe.sparq_lanes import lanes
from sysmt.hdl.pe.sparq_stc import (
    FpgaStcSparq,
    StcEdge,
    StcSparq,
    StoredWeights,
    WeightSelector,
    candidates,
    group,
    selected,
    stored,
)

SHARED, WIDE = "abcdef", "ghijkl"
"""Facts about an activation: its window begins at bit 1, ..., 6 or above if it shares its pair; if it is alone."""


class SparqGates(Gates):
    """See `Gates`."""

    def multiplier(self, config: PEConfig) -> type[Multiplier]:
        assert isinstance(config, SparqConfig)
        if config.stc:
            return StcSparq if config.target == "asic" else FpgaStcSparq
        return Sparq if config.target == "asic" else FpgaSparq

    def edge(self, config: PEConfig) -> type[wiring.Component] | None:
        assert isinstance(config, SparqConfig)
        return StcEdge if config.stc else SparqEdge

    def weight_edge(self, config: PEConfig) -> type[wiring.Component] | None:
        assert isinstance(config, SparqConfig)
        return WeightSelector if config.stc else None

    def stored_weights(self, config: PEConfig, lanes: int) -> data.Layout | None:
        assert isinstance(config, SparqConfig)
        return stored(config, lanes) if config.stc else None

    def stored_edge(self, config: PEConfig) -> type[wiring.Component]:
        assert isinstance(config, SparqConfig)
        return StoredWeights if config.stc else super().stored_edge(config)

    def passed(self, config: PEConfig) -> data.ArrayLayout:
        assert isinstance(config, SparqConfig)
        return candidates(config) if config.stc else lanes(config)

    def passed_weights(self, config: PEConfig) -> data.ArrayLayout:
        assert isinstance(config, SparqConfig)
        return selected(config) if config.stc else self.weights(config)

    def active(self, config: PEConfig, x: data.View, w: data.View) -> list[Value]:
        assert isinstance(config, SparqConfig)
        if config.stc:
            return [x[t].x.any() for t in range(config.products)]
        return [x[t].q.any() for t in range(config.products)]

    def events(self, config: PEConfig) -> dict[str, Polynomial]:
        """What one PE adds to each counter in one step, as `sysmt.sim.golden.sparq.SparqCounters` says."""
        assert isinstance(config, SparqConfig)
        if config.stc:
            return stc_events(config)
        pairs = [(t, t + config.pairs) for t in range(config.pairs)]
        live = [fact(f"n{t}") for t in range(config.threads)]
        active = [live[t] * fact(f"N{t}") for t in range(config.threads)]
        both = total([live[a] * live[b] for a, b in pairs])
        reduced = self._from(config, 1, pairs)
        beyond: dict[int, Polynomial] = {}
        for shift in range(2, 7):
            # One object where there is no window in between: one counter.
            before = beyond.get(shift - 1, reduced)
            between = {*config.narrow.shifts, *config.narrow.alone.shifts} & {shift - 1}
            beyond[shift] = self._from(config, shift, pairs) if between else before
        return {
            "active": total(active),
            "busy": total(active) - total([active[a] * active[b] for a, b in pairs]),
            "collisions": both,
            "reduced": reduced,
            "alone": total(live) - both - both,
            **{f"from_{shift}": beyond[shift] for shift in range(2, 7)},
        }

    @staticmethod
    def _from(config: SparqConfig, least: int, pairs: list[tuple[int, int]]) -> Polynomial:
        """How many activations have a window that begins at bit `least` or above."""
        found = constant(0)
        for a, b in (*pairs, *((b, a) for a, b in pairs)):
            neighbour = fact(f"n{b}")
            if max(config.narrow.shifts) >= least:
                shared = fact(f"{SHARED[least - 1]}{a}")
                found += shared * neighbour if config.vsparq else shared
            if max(config.narrow.alone.shifts) >= least:
                wide = fact(f"{WIDE[least - 1]}{a}")
                found += wide - wide * neighbour if config.vsparq else wide
        return found

    def fact(self, config: PEConfig, letter: str, pair: int, operand: Value, running: Running) -> Value:
        assert isinstance(config, SparqConfig)
        for letters, window, runs in (
            (SHARED, config.narrow, running.full),
            (WIDE, config.narrow.alone, ~running.full),
        ):
            if letter in letters:
                beyond = _beyond(operand, window, letters.index(letter) + 1)
                return beyond if config.vsparq else beyond & runs
        return super().fact(config, letter, pair, operand, running)


def _beyond(x: Value, window: Window, least: int) -> Value:
    """Whether the window of x begins at bit `least` or above: it does not fit the greatest shift below."""
    return x[max(s for s in window.shifts if s < least) + window.bits :].any()


def stc_events(config: SparqConfig) -> dict[str, Polynomial]:
    """What one PE adds to each counter in one step where weights are 2:4: a pair is made of operands with a weight."""
    groups = [group(config, pair) for pair in range(config.pairs)]
    active = [fact(f"n{t}") * fact(f"N{t}") for t in range(config.products)]
    met = [(a, b) for members in groups for a, b in combinations(members, 2)]
    both = total([active[a] * active[b] for a, b in met])
    beyond: dict[int, Polynomial] = {}
    for shift in range(1, 7):
        if shift > 1 and shift - 1 not in config.narrow.shifts:
            beyond[shift] = beyond[shift - 1]
            continue
        shared = constant(0)
        if max(config.narrow.shifts) >= shift:
            for a, b in (*met, *((b, a) for a, b in met)):
                shared += fact(f"{SHARED[shift - 1]}{a}") * fact(f"N{a}") * active[b]
        beyond[shift] = shared
    return {
        "active": total(active),
        "busy": total(active) - both,
        "collisions": both,
        "reduced": beyond[1],
        "alone": total(active) - both - both,
        **{f"from_{shift}": beyond[shift] for shift in range(2, 7)},
    }


KIND = SparqGates()
