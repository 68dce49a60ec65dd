# SPDX-License-Identifier: Apache-2.0
"""SPARQ's trimming units (Shomron et al., NeurIPS 2021): once per row at the edge of the array, not in every PE."""

from typing import NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.kinds.sparq import SparqConfig, Window

from .ports import activations
from .reduction import increment
from .sparq_lanes import lane_codes, lanes


class _Choices(NamedTuple):
    """What one activation may put into a lane: (bits, code) each."""

    narrow: tuple[Value, Value]
    """Into its own lane, when it shares the pair."""
    own: tuple[Value, Value]
    """Into its own lane, when it is alone."""
    lent: tuple[Value, Value]
    """Into its neighbour's lane, when it is alone."""


class SparqEdge(wiring.Component):
    """Activations of one row and step to the lanes of its PEs, in the same cycle.

    Parameters
    ----------
    config : SparqConfig

    Members
    -------
    i : In(activations)
        Zero where a thread does not run.
    full : In(1)
        All threads run.
    o : Out(lanes)
    """

    block = "edge"

    def __init__(self, config: SparqConfig):
        self.config = config
        super().__init__({"i": In(activations(config)), "full": In(1), "o": Out(lanes(config))})

    @staticmethod
    def module_name(config: SparqConfig) -> str:
        return "edge"

    def elaborate(self, platform):
        m = Module()
        choices = [self._choices(m, t) for t in range(self.config.threads)]
        alone = Signal(self.config.threads)
        for t in range(self.config.threads):
            neighbour = (t + self.config.pairs) % self.config.threads
            shares = self.i[neighbour].any() if self.config.vsparq else self.full
            m.d.comb += alone[t].eq(self.i[t].any() & ~shares)
            lane = self.o[t]
            for field, i in ((lane.q, 0), (lane.code, 1)):
                own = Mux(alone[t], choices[t].own[i], choices[t].narrow[i])
                m.d.comb += field.eq(Mux(alone[neighbour], choices[neighbour].lent[i], own))
        return m

    def _choices(self, m: Module, t: int) -> _Choices:
        window = self.config.narrow
        codes = lane_codes(window)
        narrow, begins = self._trimmed(m, window, t, "narrow")
        narrow_code = self._chosen(begins, [codes.index((shift, False)) for shift in window.shifts], t)
        wide, begins = self._trimmed(m, window.alone, t, "wide")
        # What fits its own lane stays there, and the other one rests.
        small = Signal(name=f"small_{t}")
        m.d.comb += small.eq(~wide[window.bits :].any())
        high = [codes.index((shift + window.bits, False)) for shift in window.alone.shifts]
        low = [codes.index((shift, True)) for shift in window.alone.shifts]
        return _Choices(
            (narrow, narrow_code),
            (
                Mux(small, wide[: window.bits], wide[window.bits :]),
                Mux(small, 0, self._chosen(begins, high, t)),
            ),
            (Mux(small, 0, wide[: window.bits]), Mux(small, 0, self._chosen(begins, low, t))),
        )

    def _trimmed(self, m: Module, window: Window, t: int, name: str) -> tuple[Signal, list[Value]]:
        """The bits that a window keeps of activation t, and where it begins: one bit per shift, exactly one is on."""
        x = self.i[t]
        beyond = [
            x[shift + window.bits :].any() if shift + window.bits < len(x) else Const(0) for shift in window.shifts
        ]
        begins = [~beyond[0], *(below & ~above for below, above in zip(beyond, beyond[1:], strict=False))]
        kept, up = Signal(window.bits, name=f"{name}_{t}"), Signal(name=f"{name}_up_{t}")
        raw = Const(0, window.bits)
        rounds = Const(0, 1)
        for on, shift in zip(begins, window.shifts, strict=True):
            bits = x[shift : shift + window.bits]
            raw = raw | Mux(on, bits, 0)
            if shift and self.config.trim == "round":
                to_even = x[: shift - 1].any() | bits[0]
                rounds = rounds | (on & x[shift - 1] & to_even)
        m.d.comb += [up.eq(rounds & ~raw.all()), kept.eq(increment(raw, up))]
        return kept, begins

    def _chosen(self, begins: list[Value], codes: list[int], t: int) -> Value:
        width = len(self.o[t].code)
        chosen: Value = Const(0, width)
        for on, code in zip(begins, codes, strict=True):
            chosen = chosen | Mux(on, Const(code, width), 0)
        return chosen
