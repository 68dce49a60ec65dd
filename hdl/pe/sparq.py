# SPDX-License-Identifier: Apache-2.0
"""SPARQ multipliers: every lane multiplies some bits of an activation by a weight and shifts the product.

SPARQ: Shomron et al., NeurIPS 2021; no RTL of it was published, and this arrangement is ours. Activations come trimmed
(`sysmt.hdl.pe.sparq_edge`). Of a pair, each lane has its own activation, or both have the two halves of one:

    lane =  q * (weight, or that of its neighbour)  << (0, 2 or 4: as the window of its bits lies)

With signed windows a lane is negative or not: -q w = q ~w + q.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from sysmt.hdl.common.adders import BitHeap, multiply
from sysmt.hdl.params.kinds.sparq import SparqConfig, lane_codes
from sysmt.hdl.params.pe import W_WIDTH

from .fpga import Fpga
from .multiplier import Multiplier
from .sparq_lanes import decoded


class Sparq(Multiplier):
    """For standard cells. A lane that rests has zero bits and its own weight: it does not toggle."""

    config: SparqConfig

    def elaborate(self, platform):
        m = Module()
        matrix = BitHeap(m, self.config.product_width, "sum")
        for t in range(self.config.threads):
            product = (self._signed_product if self.config.signed_window else self._product)(m, t)
            matrix.add(self._shifted(m, t, product).as_signed())
        m.d.comb += self.product.eq(matrix.reduce())
        return m

    def _product(self, m: Module, t: int) -> Value:
        width = self.config.narrow.bits + W_WIDTH
        return multiply(m, self._q(m, t), self._weight(m, t), width, self.config.target, f"m{t}")

    def _signed_product(self, m: Module, t: int) -> Value:
        q, negative, weight = self.x[t].q, self.x[t].negative, self._weight(m, t)
        flipped = Signal.like(weight, name=f"flipped_{t}")
        m.d.comb += flipped.eq(weight ^ negative.replicate(W_WIDTH))
        heap = BitHeap(m, len(q) + W_WIDTH, f"m{t}")
        heap.add_product(q, flipped)
        heap.add(q & negative.replicate(len(q)))
        product = Signal(signed(len(q) + W_WIDTH), name=f"m{t}_product")
        m.d.comb += product.eq(heap.reduce())
        return product

    def _q(self, m: Module, t: int) -> Value:
        """The bits of an activation in lane t."""
        bits: Value = self.x[t].q
        return bits

    def _shifts(self, m: Module, t: int) -> dict[int, Value]:
        """For every shift, whether lane t has it."""
        codes = lane_codes(self.config.narrow)
        code = self.x[t].code
        found = {shift for shift, _ in codes}
        return {s: decoded(code, {i for i, (shift, _) in enumerate(codes) if shift == s}, len(codes)) for s in found}

    def _weight(self, m: Module, t: int) -> Value:
        """The weight of lane t: its own, or its neighbour's."""
        codes = lane_codes(self.config.narrow)
        borrows, weight = Signal(name=f"borrows_{t}"), Signal.like(self.w[t], name=f"weight_{t}")
        neighbour = (t + self.config.pairs) % self.config.threads
        borrowed = {i for i, (_, is_borrowed) in enumerate(codes) if is_borrowed}
        m.d.comb += borrows.eq(decoded(self.x[t].code, borrowed, len(codes)))
        m.d.comb += weight.eq(Mux(borrows, self.w[neighbour], self.w[t]))
        return weight

    def _shifted(self, m: Module, t: int, product: Value) -> Value:
        """The product in its place, zero while not enabled: one and-or per bit, the sign filled in above."""
        most = max(self._shifts(m, t))
        places: list[list[Value]] = [[] for _ in range(len(product) + most)]
        sign = product[-1]
        fills = {}
        for shift, holds in sorted(self._shifts(m, t).items()):
            on = Signal(name=f"shift_{t}_{shift}")
            m.d.comb += on.eq(holds & self.enable)
            for i, bit in enumerate(product):
                places[i + shift].append(bit & on)
            fills[shift] = on
        for place in range(len(product), len(places)):
            above = [on for shift, on in fills.items() if shift + len(product) <= place]
            if len(above) == len(fills) - 1 or len(above) == 1:
                places[place] += [on & sign for on in above]
            else:
                places[place].append(Cat(above).any() & sign)
        return Cat(Cat(bits).any() for bits in places)


class FpgaSparq(Fpga, Sparq):
    """For FPGAs: the same with operators, and registers between."""

    def elaborate(self, platform):
        m = Module()
        total: Value = Const(0, 1)
        for t in range(self.config.threads):
            q = self._q(m, t)
            if self.config.signed_window:
                q = Mux(self.x[t].negative, -q, q)
            product = self._times(m, q, self._weight(m, t).as_signed(), f"m{t}")
            placed = product
            for shift, holds in sorted(self._shifts(m, t).items()):
                if shift:
                    on = self._late(m, holds, sum(self._stages), f"shift_{t}_{shift}")
                    placed = Mux(on, product << shift, placed)
            total = placed if t == 0 else total + placed
        # With registers behind, the accumulator's clock enable keeps a product from being added twice.
        m.d.comb += self.product.eq(total if self.config.pipeline else Mux(self.enable, total, 0))
        return m
