# SPDX-License-Identifier: Apache-2.0
"""Gates of SPARQ."""

from amaranth.hdl import Const, Value
from amaranth.lib import data, wiring

from sysmt.hdl.params.kinds.sparq import SparqConfig, Window
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.kind import Gates, Running
from sysmt.hdl.pe.multiplier import Multiplier
from sysmt.hdl.pe.polynomial import Polynomial, constant, fact, total
from sysmt.hdl.pe.sparq import FpgaSparq, Sparq
from sysmt.hdl.pe.sparq_edge import SparqEdge
from sysmt.hdl.pe.sparq_lanes import lanes

SHARED, WIDE = "abcdef", "ghijkl"
"""Facts about an activation: its window would begin at bit 1, 2, ..., 6 if it shared its pair; if it were alone."""


class SparqGates(Gates):
    """See `Gates`."""

    def multiplier(self, config: PEConfig) -> type[Multiplier]:
        return Sparq if config.target == "asic" else FpgaSparq

    def edge(self, config: PEConfig) -> type[wiring.Component] | None:
        return SparqEdge

    def passed(self, config: PEConfig) -> data.ArrayLayout:
        assert isinstance(config, SparqConfig)
        return lanes(config)

    def active(self, config: PEConfig, x: data.View, w: data.View) -> list[Value]:
        return [x[t].q.any() for t in range(config.products)]

    def events(self, config: PEConfig) -> dict[str, Polynomial]:
        """What one PE adds to each counter in one step, as `sysmt.sim.golden.sparq.SparqCounters` says."""
        assert isinstance(config, SparqConfig)
        pairs = [(t, t + config.pairs) for t in range(config.pairs)]
        live = [fact(f"n{t}") for t in range(config.threads)]
        active = [live[t] * fact(f"N{t}") for t in range(config.threads)]
        both = total([live[a] * live[b] for a, b in pairs])
        by_shift = [self._shifted(config, shift, pairs) for shift in range(1, 7)]
        return {
            "active": total(active),
            "busy": total(active) - total([active[a] * active[b] for a, b in pairs]),
            "collisions": both,
            "reduced": total(by_shift),
            "alone": total(live) - both - both,
            **{f"shift_{shift}": by_shift[shift - 1] for shift in range(1, 7)},
        }

    @staticmethod
    def _shifted(config: SparqConfig, shift: int, pairs: list[tuple[int, int]]) -> Polynomial:
        """How many activations have a window that begins at bit `shift`."""
        found = constant(0)
        for a, b in (*pairs, *((b, a) for a, b in pairs)):
            neighbour = fact(f"n{b}")
            if shift in config.narrow.shifts:
                shared = fact(f"{SHARED[shift - 1]}{a}")
                found += shared * neighbour if config.vsparq else shared
            if shift in config.narrow.alone.shifts:
                wide = fact(f"{WIDE[shift - 1]}{a}")
                found += wide - wide * neighbour if config.vsparq else wide
        return found

    def fact(self, config: PEConfig, letter: str, pair: int, operand: Value, running: Running) -> Value:
        assert isinstance(config, SparqConfig)
        for letters, window, runs in (
            (SHARED, config.narrow, running.full),
            (WIDE, config.narrow.alone, ~running.full),
        ):
            if letter in letters:
                begins = _begins(operand, window, letters.index(letter) + 1)
                return begins if config.vsparq else begins & runs
        return super().fact(config, letter, pair, operand, running)


def _begins(x: Value, window: Window, shift: int) -> Value:
    """Whether the window of x begins at bit `shift`."""
    below = max(s for s in window.shifts if s < shift)
    beyond = x[shift + window.bits :].any() if shift + window.bits < len(x) else Const(0)
    return x[below + window.bits :].any() & ~beyond


KIND = SparqGates()
