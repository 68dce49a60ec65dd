# SPDX-License-Identifier: Apache-2.0
"""SPARQ's trimming units (Shomron et al., NeurIPS 2021): once per row at the edge of the array, not in every PE."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.kinds.sparq import SparqConfig, Window, lane_codes

from .ports import activations, passed
from .reduction import increment


class _Lane(NamedTuple):
    """What goes into a lane: some bits of an activation, and their code."""

    q: Value
    code: Value


class SparqEdge(wiring.Component):
    """Activations of one row and step to the lanes of its PEs, in the same cycle.

    One that is alone takes both lanes of its pair only if its own would lose bits of it: a lane that rests does not
    toggle.

    Parameters
    ----------
    config : SparqConfig

    Members
    -------
    i : In(activations)
        Zero where a thread does not run. With `signed_window`, distances from the zero point.
    negative : In(`PEConfig.products`)
        With `signed_window`: activations below the zero point.
    full : In(1)
        All threads run.
    o : Out(passed)
    """

    block = "edge"

    def __init__(self, config: SparqConfig):
        self.config = config
        signs = {"negative": In(config.products)} if config.signed_window else {}
        super().__init__({"i": In(activations(config)), "full": In(1), "o": Out(passed(config))} | signs)

    @staticmethod
    def module_name(config: SparqConfig) -> str:
        return "edge"

    def elaborate(self, platform):
        m = Module()
        threads = range(self.config.threads)
        takes_both = Signal(self.config.threads)
        own, low = zip(*(self._lanes(m, t, takes_both[t]) for t in threads), strict=True)
        for t in threads:
            neighbour = (t + self.config.pairs) % self.config.threads
            shares = self.i[neighbour].any() if self.config.vsparq else self.full
            m.d.comb += [
                takes_both[t].eq(self._loses(t) & ~shares),
                self.o[t].q.eq(Mux(takes_both[neighbour], low[neighbour].q, own[t].q)),
                self.o[t].code.eq(Mux(takes_both[neighbour], low[neighbour].code, own[t].code)),
            ]
            if self.config.signed_window:
                m.d.comb += self.o[t].negative.eq(
                    Mux(takes_both[neighbour], self.negative[neighbour], self.negative[t])
                )
        return m

    def _lanes(self, m: Module, t: int, takes_both: Value) -> tuple[_Lane, _Lane]:
        """What activation t has in its own lane, and in its neighbour's if it takes both."""
        window = self.config.narrow
        codes = lane_codes(window)
        own_codes = [codes.index((shift, False)) for shift in window.shifts]
        high_codes = [codes.index((shift + window.bits, False)) for shift in window.alone.shifts]
        low_codes = [codes.index((shift, True)) for shift in window.alone.shifts]
        begins = self._begins(window, t)
        if len(window.alone.shifts) == 1:
            # Both lanes have all of it: its high bits are those of the last window, not rounded.
            begins = [*(on & ~takes_both for on in begins[:-1]), begins[-1] | takes_both]
            own = self._trimmed(m, window, begins, t, "narrow", ~takes_both)
            x, one = self.i[t], [Const(1)]
            low = _Lane(x[: window.bits], self._chosen(one, low_codes, t))
            return _Lane(own, self._chosen(begins, own_codes, t)), low
        narrow = self._trimmed(m, window, begins, t, "narrow")
        found = self._begins(window.alone, t)
        wide = self._trimmed(m, window.alone, found, t, "wide")
        own = Mux(takes_both, wide[window.bits :], narrow)
        code = Mux(takes_both, self._chosen(found, high_codes, t), self._chosen(begins, own_codes, t))
        return _Lane(own, code), _Lane(wide[: window.bits], self._chosen(found, low_codes, t))

    def _loses(self, t: int) -> Value:
        """Whether activation t loses bits in its own lane."""
        window = self.config.narrow
        begins = zip(self._begins(window, t), window.shifts, strict=True)
        return Cat(on & self.i[t][:shift].any() for on, shift in begins if shift).any()

    def _begins(self, window: Window, t: int) -> list[Value]:
        """Where the window of activation t begins: one bit per shift, exactly one is on."""
        x = self.i[t]
        beyond = [
            x[shift + window.bits :].any() if shift + window.bits < len(x) else Const(0) for shift in window.shifts
        ]
        return [~beyond[0], *(below & ~above for below, above in zip(beyond, beyond[1:], strict=False))]

    def _trimmed(
        self, m: Module, window: Window, begins: list[Value], t: int, name: str, rounding: Value | None = None
    ) -> Signal:
        """The bits that a window keeps of activation t; rounded unless `rounding` is low."""
        x = self.i[t]
        kept, up = Signal(window.bits, name=f"{name}_{t}"), Signal(name=f"{name}_up_{t}")
        raw = Const(0, window.bits)
        rounds = Const(0, 1)
        for on, shift in zip(begins, window.shifts, strict=True):
            bits = x[shift : shift + window.bits]
            raw = raw | Mux(on, bits, 0)
            if shift and self.config.trim == "round":
                to_even = x[: shift - 1].any() | bits[0]
                rounds = rounds | (on & x[shift - 1] & to_even)
        if rounding is not None:
            rounds = rounds & rounding
        m.d.comb += [up.eq(rounds & ~raw.all()), kept.eq(increment(raw, up))]
        return kept

    def _chosen(self, begins: list[Value], codes: list[int], t: int) -> Value:
        width = len(self.o[t].code)
        chosen: Value = Const(0, width)
        for on, code in zip(begins, codes, strict=True):
            chosen = chosen | Mux(on, Const(code, width), 0)
        return chosen
