# SPDX-License-Identifier: Apache-2.0
"""Addition of a residual behind a requantiser, each side with a scale of its own, one value every cycle.

Bit for bit ADD of `sysmt.sim.nn.operators.elementwise`.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.delay_line import delay_line
from sysmt.hdl.params.engine import ADDITION_LATENCY

from .ports import LayerLayout
from .ranges import is_half
from .requantize import PART, RequantizerLane
from .rounding_shift import RoundingShift

ADD_SHIFT = 20
"""Places that an addend is shifted up before it is rescaled (kernels/add.cc)."""
FRACTION = 31 - ADD_SHIFT
"""Bits below the first rounding of `double`: the multiplier is 31 places down."""
RESULT = 28
"""Bits of a rescaled addend's magnitude in front of its rounding."""


class Addend(wiring.Component):
    """`multiply((code - zero) << 20, multiplier, shift)` (`sysmt.sim.golden.requantize`) of an int8 code.

    Members
    -------
    code : In(signed(8))
    zero : In(signed(8))
    multiplier : In(31)
    shift : In(signed(8))
        -31 to 0: scales of addends are at most 1/2.
    double : In(1)
        The variant. All but the code must be stable while a value is inside.
    value : Out(signed(RESULT + 2))

    Latency
    -------
    `LATENCY`; a value every cycle, it never stalls.
    """

    block = "requantizer"

    LATENCY = 5 + RoundingShift.LATENCY

    def __init__(self) -> None:
        super().__init__(
            {
                "code": In(signed(8)),
                "zero": In(signed(8)),
                "multiplier": In(31),
                "shift": In(signed(8)),
                "double": In(1),
                "value": Out(signed(RESULT + 2)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        difference = Signal(signed(9))
        magnitude, sign = Signal(8, reset_less=True), Signal(reset_less=True)
        m.d.comb += difference.eq(self.code - self.zero)
        m.d.sync += [magnitude.eq(Mux(difference[-1], -difference, difference)), sign.eq(difference[-1])]
        low, high = Signal(8 + PART, reset_less=True), Signal(8 + 31 - PART, reset_less=True)
        m.d.sync += [low.eq(magnitude * self.multiplier[:PART]), high.eq(magnitude * self.multiplier[PART:])]
        product = Signal(8 + 31, reset_less=True)
        m.d.sync += product.eq(low + (high << PART))
        negative = delay_line(m, sign, 1, "negative", reset_less=True, cycles=2)

        # As in `RequantizerLane`; without a shift there are `FRACTION` places to drop.
        twice = self.double & self.shift[-1]
        half = twice & product[FRACTION - 1] & (~negative | product[: FRACTION - 1].any())
        whole = Signal(RESULT, reset_less=True)
        m.d.sync += whole.eq(product[FRACTION:] + half)
        fraction: Value = delay_line(m, product[:FRACTION], 1, "fraction", reset_less=True)
        places = Signal(6, reset_less=True)
        m.d.sync += places.eq(FRACTION - 1 - self.shift)
        m.submodules.rounding = rounding = RoundingShift(8 + 31, RESULT)
        m.d.comb += [
            rounding.magnitude.eq(Cat(fraction, whole)),
            rounding.negative.eq(delay_line(m, negative, 1, "negative_2", reset_less=True)),
            rounding.places.eq(places),
            rounding.away.eq(twice),
        ]
        flip = rounding.o_negative
        code = Cat(rounding.quotient ^ flip.replicate(RESULT), flip).as_signed()
        m.d.sync += self.value.eq(code + Cat(rounding.up ^ flip).as_unsigned())
        return m


class AddLane(wiring.Component):
    """`clamp(zero_point + multiply(main + residual, multiplier, shift), low, high)` of two rescaled addends.

    The one with the larger scale is multiplied by 1/2 exactly, which is a shift; the other one has an `Addend`.

    Members
    -------
    layer : In(LayerLayout)
        The fields of the addition, within `sysmt.hdl.engine.ranges`. Stable from the cycle before a value enters.
    main, residual : In(signed(8))
    result : Out(signed(8))
    overflow : Out(1)
        As of a `RequantizerLane`.

    Latency
    -------
    `LATENCY`; a value every cycle, it never stalls.

    Source: TensorFlow Lite, kernels/add.cc and kernels/internal/reference/add.h.
    """

    block = "requantizer"

    LATENCY = ADDITION_LATENCY

    def __init__(self) -> None:
        super().__init__(
            {
                "layer": In(LayerLayout),
                "main": In(signed(8)),
                "residual": In(signed(8)),
                "result": Out(signed(8)),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layer = self.layer
        total, bias = addends(m, layer, self.main, self.residual, "addend")
        m.submodules.sum = lane = RequantizerLane()
        m.d.comb += [
            lane.sum.eq(total),
            lane.channel.bias.eq(bias),
            lane.channel.multiplier.eq(layer.add_multiplier),
            lane.channel.shift.eq(layer.add_shift),
            lane.double.eq(layer.add_double),
            lane.zero_point.eq(layer.add_zero_point),
            lane.low.eq(layer.add_low),
            lane.high.eq(layer.add_high),
            self.result.eq(lane.result),
            self.overflow.eq(lane.overflow),
        ]
        return m


def addends(m: Module, layer: data.View, main: Value, residual: Value, name: str) -> tuple[Value, Value]:
    """What a requantiser adds up and scales, `Addend.LATENCY` cycles after two codes: its sum and its bias."""
    m.submodules[name] = addend = Addend()
    halved, zero = Signal(signed(8)), Signal(signed(8))
    residual_half = Signal()
    m.d.sync += residual_half.eq(is_half(layer, "residual"))

    def choose(scaled: str, half: str) -> list[Value]:
        codes = {"main": main, "residual": residual}
        return [
            addend.code.eq(codes[scaled]),
            addend.zero.eq(layer[f"{scaled}_zero"]),
            addend.multiplier.eq(layer[f"{scaled}_multiplier"]),
            addend.shift.eq(layer[f"{scaled}_shift"]),
            halved.eq(codes[half]),
            zero.eq(layer[f"{half}_zero"]),
        ]

    with m.If(residual_half):
        m.d.comb += choose("main", "residual")
    with m.Else():
        m.d.comb += choose("residual", "main")
    m.d.comb += addend.double.eq(layer.add_double)
    difference = delay_line(m, halved - zero, 1, "difference", reset_less=True, cycles=Addend.LATENCY)
    return addend.value, difference.as_signed() << (ADD_SHIFT - 1)
