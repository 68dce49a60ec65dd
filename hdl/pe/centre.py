# SPDX-License-Identifier: Apache-2.0
"""Activations around a zero point, as sign and distance: once per row at the edge of the array, not in every PE."""

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import shared
from sysmt.hdl.params.pe import PEConfig

from .ports import activations


class Centre(wiring.Component):
    """Distances from z and whether x < z, for the activations of one row and step, in the same cycle.

    Parameters
    ----------
    config : PEConfig
        Of a kind with `zero_width`.

    Members
    -------
    i : In(activations)
    zero : In(`PEConfig.zero_width`)
        z.
    runs : In(`PEConfig.products`)
        An activation that does not run gives 0.
    o : Out(activations)
        The distance of x from z, unsigned.
    negative : Out(`PEConfig.products`)
        x < z.
    """

    block = "edge"

    def __init__(self, config: PEConfig):
        self.config = config
        super().__init__(
            {
                "i": In(activations(config)),
                "zero": In(config.zero_width),
                "runs": In(config.products),
                "o": Out(activations(config)),
                "negative": Out(config.products),
            }
        )

    @staticmethod
    def module_name(config: PEConfig) -> str:
        return "centre"

    def elaborate(self, platform):
        m = Module()
        for p in range(self.config.products):
            # Both differences at once: an absolute value behind a subtraction would be another carry chain.
            above, below = self.i[p] - self.zero, self.zero - self.i[p]
            negative, runs = above[-1], self.runs[p]
            distance = Mux(negative, below, above)[: len(self.o[p])]
            m.d.comb += [
                self.o[p].eq(distance & runs.replicate(len(distance))),
                self.negative[p].eq(negative & runs),
            ]
        return m


def centres(
    m: Module, config: PEConfig, x: Value, zero: Value, runs: Value, platform: object
) -> tuple[Value, list[Value]]:
    """The activations of all rows as distances, and per row which of them are negative."""
    width = activations(config).size
    made = [shared(m, f"centre_{row}", Centre, config, platform) for row in range(len(x) // width)]
    for row, centre in enumerate(made):
        m.d.comb += [centre.i.eq(x.word_select(row, width)), centre.zero.eq(zero), centre.runs.eq(runs)]
    return Cat(Value.cast(centre.o) for centre in made), [centre.negative for centre in made]
