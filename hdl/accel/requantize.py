# SPDX-License-Identifier: Apache-2.0
"""Requantisation of 32-bit sums to 8 bits, one at a time on one small multiplier.

Bit for bit `sysmt.sim.golden.requantize`.
"""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .ports import Channel

PART = 16
STRIDE = 8


Sum = data.StructLayout({"sum": signed(32), "channel": Channel})
"""A sum and how its channel is scaled."""


class Requantizer(wiring.Component):
    """`clamp(zero_point + multiply(sum + bias, multiplier, shift), low, high)`, as TFLite's int8 reference kernels.

    The product of 32 x 31 bits is made of four products of 16 x 16 bits, one a cycle on one multiplier, which is one
    DSP block on every supported FPGA. Shifts go by 8 places or by 1 a cycle: the link behind it is slower still.

    Members
    -------
    i : In(stream of Sum)
    double : In(1)
        The variant: 1 rounds twice (`double`), 0 once (`single`).
    zero_point, low, high : In(signed(16))
        All four must be stable while a sum is inside.
    o : Out(stream of 8 bits)
        The low byte of the clamped value.
    overflow : Out(1)
        Goes with `o`: `sum + bias`, or with `double` that after its left shift, is not within 32 bits, where the
        reference is undefined. The byte then means nothing.

    Latency
    -------
    `LATENCY`, shortest and longest, by the shifts; one sum at a time.

    Source: TensorFlow Lite, kernels/internal/common.cc; docs/numerics.md, "Requantisation".
    """

    block = "requantizer"

    LATENCY = (12, 51)

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(Sum)),
                "double": In(1),
                "zero_point": In(signed(16)),
                "low": In(signed(16)),
                "high": In(signed(16)),
                "o": Out(stream.Signature(8)),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # One register for the value, the magnitude of its product, and what is left of it after rounding.
        value = Signal(signed(64))
        negative = Signal()
        magnitude = Signal(32)
        factor = Signal(32)
        shift = Signal(signed(8))
        places = Signal(range(64))
        second = Signal()

        part = Signal(2)
        left, right = Signal(PART), Signal(PART)
        product = Signal(2 * PART)
        m.d.comb += [
            left.eq(magnitude.word_select(part[0], PART)),
            right.eq(factor.word_select(part[1], PART)),
        ]
        m.d.sync += product.eq(left * right)
        channel = self.i.payload.channel
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [
                        value.eq(self.i.payload.sum + channel.bias),
                        factor.eq(channel.multiplier),
                        shift.eq(channel.shift),
                        self.overflow.eq(0),
                        second.eq(0),
                    ]
                    m.next = "left"
            with m.State("left"):
                outside = value[31:64].any() & ~value[31:64].all()
                m.d.sync += self.overflow.eq(self.overflow | outside)
                with m.If(self.double & (shift > 0)):
                    m.d.sync += [value.eq(value << 1), shift.eq(shift - 1)]
                with m.Else():
                    m.next = "sign"
            with m.State("sign"):
                m.d.sync += [
                    negative.eq(value[-1]),
                    magnitude.eq(Mux(value[-1], -value[:32], value[:32])),
                    value.eq(0),
                    part.eq(0),
                ]
                m.next = "multiply"
            with m.State("multiply"):
                m.d.sync += part.eq(part + 1)
                m.next = "add"
            with m.State("add"):
                # `part` is the part whose product is being made; the one before it is ready.
                with m.Switch(part):
                    for i, place in ((1, 0), (2, PART), (3, PART), (0, 2 * PART)):
                        with m.Case(i):
                            m.d.sync += value.eq(value + (product << place))
                m.d.sync += part.eq(part + 1)
                with m.If(part == 0):
                    m.next = "direct"
            with m.State("direct"):
                m.d.sync += [value.eq(Mux(negative, -value, value)), places.eq(Mux(self.double, 31, 31 - shift)[:6])]
                m.next = "right"
            with m.State("right"):
                # All places but one, then half up and the last place.
                with m.If(places > STRIDE):
                    m.d.sync += [value.eq(value >> STRIDE), places.eq(places - STRIDE)]
                with m.Elif(places > 1):
                    m.d.sync += [value.eq(value >> 1), places.eq(places - 1)]
                with m.Else():
                    with m.If(places == 1):
                        m.d.sync += value.eq((value + 1) >> 1)
                    m.next = "offset"
                    with m.If(self.double & ~second & (shift < 0)):
                        m.next = "away"
                    with m.If(second):
                        m.next = "back"
            with m.State("away"):
                # Ties away from zero: half up on the magnitude.
                m.d.sync += [
                    negative.eq(value[-1]),
                    value.eq(Mux(value[-1], -value, value)),
                    places.eq((-shift)[:6]),
                    second.eq(1),
                ]
                m.next = "right"
            with m.State("back"):
                m.d.sync += value.eq(Mux(negative, -value, value))
                m.next = "offset"
            with m.State("offset"):
                m.d.sync += value.eq(value + self.zero_point)
                m.next = "clamp"
            with m.State("clamp"):
                m.d.sync += [self.o.payload.eq(value[:8]), self.o.valid.eq(1)]
                with m.If(value < self.low):
                    m.d.sync += self.o.payload.eq(self.low[:8])
                with m.Elif(value > self.high):
                    m.d.sync += self.o.payload.eq(self.high[:8])
                m.next = "out"
            with m.State("out"), m.If(self.o.ready):
                m.d.sync += self.o.valid.eq(0)
                m.next = "idle"
        return m
