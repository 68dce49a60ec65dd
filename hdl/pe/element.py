# SPDX-License-Identifier: Apache-2.0
"""The processing element: operand registers, a multiplier of any kind, the accumulator and its way out."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.adders import add
from sysmt.hdl.common.clock_gate import gate_of, gated_domain
from sysmt.hdl.common.delay_line import delay_line
from sysmt.hdl.emit import shared
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.blocks import owned_by

from .kind import gates_of
from .ports import Control, passed, passed_weights


@dataclass(frozen=True)
class Place:
    """A PE of `array`, and which registers of its cluster it has: of activations and control, of weights."""

    array: ArrayConfig
    x_registers: bool = True
    w_registers: bool = True


class ProcessingElement(wiring.Component):
    """One output-stationary PE.

    Operands and control are registered, used, and passed on: x and control to the right, w downwards. The sum stays
    until control says `first`; then it moves to the drain register (`overlap`) or has left already (`in_place`), and
    a new one begins. Drains of a column form a chain that `shift` moves downwards.

          i_w  i_sum
           |    |
    i_x ->[x]  [drain]--+        enable low freezes everything: a product in flight is neither lost nor added twice,
           |            |        because the multiplier gives zero while frozen
    i_ctl->[c]->(x*w)->[sum]
           |            |
          o_w         o_sum

    Without registers of its own it uses, and passes on, what its neighbour of the same cluster has in them.

    Parameters
    ----------
    config : Place

    Members
    -------
    enable : In(1)
    i_x, o_x : activations, as `passed`
    i_control, o_control : Control
    i_w, o_w : weights
    i_sum, o_sum : signed(acc_width)
    i_row : weights
        With `fuse`: the tap of the whole row, used at once where `i_w` is used one cycle after it entered. Whichever of
        the two does not count is zero.

    Latency
    -------
    Operands pass in 1 cycle where their registers are; a product is in the sum 2 + `pipeline` clock edges after it
    entered. `first` and `shift` act at the same edge as the product of their step.
    """

    block = "registers"

    def __init__(self, config: Place):
        self.place, self.config = config, config.array
        array = config.array
        x, w, control = passed(array.pe), passed_weights(array.pe), Control(array)
        sums = signed(array.pe.acc_width)
        super().__init__(
            {
                "enable": In(1),
                "i_x": In(x),
                "o_x": Out(x),
                "i_control": In(control),
                "o_control": Out(control),
                "i_w": In(w),
                "o_w": Out(w),
                "i_sum": In(sums),
                "o_sum": Out(sums),
            }
            | ({"i_row": In(w)} if array.fuse else {})
        )

    @staticmethod
    def module_name(config: Place) -> str:
        return "pe" + "_bare_x" * (not config.x_registers) + "_bare_w" * (not config.w_registers)

    def elaborate(self, platform):
        m = Module()
        pe = self.config.pe
        operands = owned_by("registers")
        x = Signal.like(self.i_x, reset_less=True, attrs=operands)
        w = Signal.like(self.i_w, reset_less=True, attrs=operands)
        control = Signal.like(self.i_control)
        has_x, has_w = self.place.x_registers, self.place.w_registers
        taken = [(has_x, x.eq(self.i_x)), (has_w, w.eq(self.i_w)), (has_x, control.eq(self.i_control))]
        gate = gate_of(platform) if pe.clock_gating else None
        if gate is not None and (has_x or has_w):
            m.d[gated_domain(m, "operands", self.enable, platform)] += [t for registers, t in taken[:2] if registers]
        with m.If(self.enable):
            m.d.sync += [take for registers, take in taken[2 if gate else 0 :] if registers]
        m.d.comb += [take for registers, take in taken if not registers]
        m.d.comb += [self.o_x.eq(x), self.o_w.eq(w), self.o_control.eq(control)]

        used_w = w
        if self.config.fuse:
            used_w = Signal.like(w, name="used_w")
            m.d.comb += used_w.as_value().eq(w.as_value() | self.i_row.as_value())
        multiplier = shared(m, "multiplier", gates_of(pe).multiplier(pe), pe, platform)
        m.d.comb += [multiplier.x.eq(x), multiplier.w.eq(used_w), multiplier.mode.eq(control.mode)]
        product = multiplier.product
        masked = pe.pipeline and pe.target == "asic"
        m.d.comb += multiplier.enable.eq(1 if masked else self.enable)
        if pe.pipeline:
            product = delay_line(m, product, self.enable, "product", reset_less=True, block="registers").as_signed()
        if masked:
            product = Mux(self.enable, product, 0)
        first = delay_line(m, control.first, self.enable, "first", cycles=pe.pipeline)
        shift = delay_line(m, control.shift, self.enable, "shift", cycles=pe.pipeline)
        adds = Const(1)
        if pe.clock_gating:
            active = Signal(pe.products)
            m.d.comb += active.eq(Cat(gates_of(pe).active(pe, x, used_w)))
            adds = delay_line(m, active.any(), self.enable, "adds", cycles=pe.pipeline, block="registers")
        # In an FPGA nothing but clock enables shall wait for what freezes the array. In cells `adds` needs no mask,
        # since its register has an enable, but clock-gated arrays of two threads come out smaller with it.
        if pe.target == "asic":
            first, shift, adds = first & self.enable, shift & self.enable, adds & self.enable
        self._accumulate(m, product, first, shift, adds, platform if gate else None)
        return m

    def _accumulate(self, m: Module, addend: Value, first: Value, shift: Value, adds: Value, platform: object) -> None:
        """Accumulator and drain. With `asic`, all that goes in but sums is zero while frozen."""
        pe = self.config.pe
        total = Signal(signed(pe.acc_width), reset_less=True, attrs=owned_by("accumulator"))
        drain = Signal(signed(pe.acc_width), reset_less=True, attrs=owned_by("drain"))
        begin, move = Signal(), Signal()
        m.d.comb += [begin.eq(first), move.eq(shift & ~first)]
        if self.config.drain == "overlap":
            self._choose(m, drain, total, begin, self.i_sum, move, platform)
            base = Mux(begin, 0, total)
        else:
            drain = total
            base = Mux(begin, 0, Mux(move, self.i_sum, total))
            adds = adds | move
        m.d.comb += self.o_sum.eq(drain)
        added = add(m, [base.as_signed(), addend.as_signed()], pe.acc_width, pe.target, "acc")
        if self._enables:
            self._hold(m, "sum", self.enable & (adds | begin), total.eq(added), platform)
        else:
            m.d.sync += total.eq(added)

    @property
    def _enables(self) -> bool:
        """Registers keep their value by an enable: free in an FPGA and with clock gates. Else cells add zero."""
        return self.config.pe.target == "fpga" or self.config.pe.clock_gating

    @staticmethod
    def _hold(m: Module, name: str, enable: Value, taken: Any, platform: object) -> None:
        """A register that takes something when `enable` is high: by that, or, with a `platform`, by a gate `name`."""
        if platform is not None:
            m.d[gated_domain(m, name, enable, platform)] += taken
        else:
            with m.If(enable):
                m.d.sync += taken

    def _choose(
        self, m: Module, register: Signal, a: Value, take_a: Signal, b: Value, take_b: Signal, platform: object
    ) -> None:
        """Load `a`, load `b`, or hold: as one and-or per bit, smaller in cells, or as a clock enable."""
        if self._enables:
            taken = register.eq(Mux(take_a, a, b))
            self._hold(m, "drain", self.enable & (take_a | take_b), taken, platform)
        else:
            hold = Signal(name="hold")
            m.d.comb += hold.eq(~(take_a | take_b))
            chosen = [Mux(on, value, 0) for on, value in ((take_a, a), (take_b, b), (hold, register))]
            m.d.sync += register.eq(chosen[0] | chosen[1] | chosen[2])
