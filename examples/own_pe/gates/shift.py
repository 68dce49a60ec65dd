# SPDX-License-Identifier: Apache-2.0
"""RTL of the kind `shift`: a leading-one detector and a shifter."""

from amaranth.hdl import Module, Mux, Signal

from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.kind import Gates
from sysmt.hdl.pe.multiplier import Multiplier
from sysmt.hdl.pe.polynomial import Polynomial, constant, fact


class Shifter(Multiplier):
    """x shifted by the place of the highest bit in the magnitude of w, with the sign of w."""

    def elaborate(self, platform):
        m = Module()
        x, w = self.x[0], self.w[0]
        negative, magnitude, shifted = Signal(), Signal(8), Signal(15)
        m.d.comb += [negative.eq(w < 0), magnitude.eq(Mux(negative, -w, w))]
        for place in range(8):  # of several assignments the last one counts: the highest bit
            with m.If(magnitude[place]):
                m.d.comb += shifted.eq(x << place)
        m.d.comb += self.product.eq(Mux(self.enable, Mux(negative, -shifted, shifted), 0))
        return m


class ShiftGates(Gates):
    """The multiplier, and what the performance counters count of it."""

    def multiplier(self, config: PEConfig) -> type[Multiplier]:
        return Shifter

    def events(self, config: PEConfig) -> dict[str, Polynomial]:
        active = fact("n0") * fact("N0")  # activation not zero, and weight not zero
        return {"active": active, "busy": active, "collisions": constant(0), "reduced": constant(0)}


KIND = ShiftGates()
