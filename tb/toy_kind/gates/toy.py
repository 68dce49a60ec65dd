# SPDX-License-Identifier: Apache-2.0
"""Gates of the toy PE."""

from amaranth.hdl import Cat, Const, Module, Mux, Value

from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.kind import Gates, Running
from sysmt.hdl.pe.multiplier import Multiplier
from sysmt.hdl.pe.polynomial import Polynomial, constant, fact, product, total


class ToyMultiplier(Multiplier):
    """Plain operators, for both targets."""

    def elaborate(self, platform):
        m = Module()
        dropped = self.config.dropped
        products = []
        for i in range(self.config.products):
            x, neighbour = self.x[i], self.x[i ^ 1]
            products.append(Mux(neighbour.any(), Cat(Const(0, dropped), x[dropped:]), x) * self.w[i])
        m.d.comb += self.product.eq(Mux(self.enable, sum(products), 0))
        return m


class ToyGates(Gates):
    """See `Gates`. The fact `d`: an activation has low bits to lose."""

    def multiplier(self, config: PEConfig) -> type[Multiplier]:
        return ToyMultiplier

    def events(self, config: PEConfig) -> dict[str, Polynomial]:
        pairs = range(config.products)
        active = [fact(f"n{i}") * fact(f"N{i}") for i in pairs]
        return {
            "active": total(active),
            "busy": constant(1) - product([constant(1) - a for a in active]),
            "collisions": constant(0),
            "reduced": total([fact(f"d{i}") * fact(f"n{i ^ 1}") for i in pairs]),
            "neighbours": total([fact(f"n{i}") * fact(f"n{i + 1}") for i in pairs[::2]]),
        }

    def fact(self, config: PEConfig, letter: str, pair: int, operand: Value, running: Running) -> Value:
        if letter == "d":
            return operand[: config.dropped].any()
        return super().fact(config, letter, pair, operand, running)


KIND = ToyGates()
