# SPDX-License-Identifier: Apache-2.0
"""The multipliers of target `fpga`: the same nibbles, multiplied on carry chains or in DSP blocks, registers between.

A LUT and its flip-flop come as a pair in an FPGA, so a register costs little, and wires are slow: the paths are cut
where they are longest.

    x, w -> choice of nibbles -[operands]-> nibble x operand -[products]-> shift and sum -> the PE's own register
                               pipeline >= 2               pipeline = 3                    pipeline >= 1
"""

from amaranth.hdl import Cat, Const, Module, Mux, Value

from sysmt.hdl.common.adders import add_rows
from sysmt.hdl.common.delay_line import delay_line

from .multiplier import Multiplier
from .nbsmt import NbSmt2, NbSmt4
from .reduction import high_nibble, low_nibble


class Fpga(Multiplier):
    """How products are made and summed, for any kind of multiplier."""

    @property
    def _stages(self) -> tuple[int, int]:
        """Registers in front of the multiplications, and behind them."""
        return int(self.config.pipeline >= 2), int(self.config.pipeline == 3)

    def _late(self, m: Module, value: Value, cycles: int, name: str) -> Value:
        return delay_line(m, value, self.enable, name, reset_less=True, cycles=cycles)

    def _times(self, m: Module, a: Value, b: Value, name: str) -> Value:
        """The product of a nibble and an operand, in any order: the nibble is the shorter."""
        before, behind = self._stages
        held = []
        for operand, side in ((a, "a"), (b, "b")):
            late = self._late(m, operand, before, f"{name}_{side}")
            held.append(late.as_signed() if Value.cast(operand).shape().signed else late)
        product = held[0] * held[1] if self.config.dsp else add_rows(*sorted(held, key=len))
        return self._late(m, product, behind, f"{name}_product").as_signed()

    def _sum(self, m: Module, terms: list[tuple[Value, list[Value]]]) -> None:
        """The sum of the products, each times 16 for every one of its nibbles that is a high one."""
        total: Value = Const(0, 1)
        for i, (product, flags) in enumerate(terms):
            for j, flag in enumerate(flags):
                is_high = self._late(m, flag, sum(self._stages), f"heavy_{i}_{j}")
                product = Mux(is_high, Cat(Const(0, 4), product).as_signed(), product)
            total = product if i == 0 else total + product
        # With registers behind, the accumulator's clock enable keeps a product from being added twice.
        m.d.comb += self.product.eq(total if self.config.pipeline else Mux(self.enable, total, 0))


class FpgaConventional(Fpga):
    """One thread: one product in a DSP block, or one per nibble of the activation on carry chains."""

    @property
    def _stages(self) -> tuple[int, int]:
        if self.config.dsp:
            return super()._stages
        # There is nothing to choose in front, so the first register to add is the one behind.
        return int(self.config.pipeline == 3), int(self.config.pipeline >= 2)

    def elaborate(self, platform):
        m = Module()
        x, w = self.x[0], self.w[0]
        if self.config.dsp:
            self._sum(m, [(self._times(m, x, w, "whole"), [])])
        else:
            high, low = self._times(m, high_nibble(x), w, "high"), self._times(m, low_nibble(x), w, "low")
            self._sum(m, [(high, [Const(1)]), (low, [])])
        return m


class FpgaNbSmt2(Fpga, NbSmt2):
    """Two threads."""


class FpgaNbSmt4(Fpga, NbSmt4):
    """Four threads."""
