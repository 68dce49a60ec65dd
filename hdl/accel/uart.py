# SPDX-License-Identifier: Apache-2.0
"""A UART, 8 bits, no parity, one stop bit: the byte transport that every board has."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

BITS = 8
MIN_DIVISOR = 4


def _checked(divisor: int) -> int:
    if divisor < MIN_DIVISOR:
        raise ValueError(f"divisor must be at least {MIN_DIVISOR}, not {divisor!r}")
    return divisor


class UARTReceiver(wiring.Component):
    """Bytes from a line.

    The line is synchronised and passes a majority of three clocks, so that a glitch of one clock is no edge. A start
    bit must still be there in its middle; every further bit is sampled one bit time after the one before, and
    a stop bit that is low is a framing error: the byte is dropped, and the line must be high before the next start.

    Parameters
    ----------
    divisor : int
        Clocks per bit, 4 or more.

    Members
    -------
    rx : In(1)
        The line, high when idle.
    o : Out(stream of 8 bits)
        A byte that is not taken before the next one is complete is lost.
    error : Out(1)
        High for one cycle: a byte was dropped.

    Latency
    -------
    A byte is offered in the middle of its stop bit, later by two clocks of the synchroniser and two of the majority.
    """

    block = "link"

    def __init__(self, divisor: int):
        self.divisor = _checked(divisor)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8)), "error": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        past = Signal(2, init=0b11)
        level = Signal(init=1)
        m.d.sync += [
            past.eq(Cat(line, past)),
            level.eq((line & past[0]) | (line & past[1]) | (past[0] & past[1])),
        ]
        timer = Signal(range(self.divisor))
        left = Signal(range(BITS + 1))
        bits = Signal(BITS)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.sync += timer.eq(self.divisor // 2 - 1)
                with m.If(~level):
                    m.next = "start"
            with m.State("start"), m.If(timer == 0):
                m.d.sync += [timer.eq(self.divisor - 1), left.eq(BITS)]
                m.next = "idle"
                with m.If(~level):
                    m.next = "bits"
            with m.State("bits"), m.If(timer == 0):
                m.d.sync += [timer.eq(self.divisor - 1), bits.eq(Cat(bits[1:], level)), left.eq(left - 1)]
                with m.If(left == 1):
                    m.next = "stop"
            with m.State("stop"), m.If(timer == 0):
                m.d.comb += self.error.eq(~level | (self.o.valid & ~self.o.ready))
                m.next = "break"
                with m.If(level):
                    m.d.sync += [self.o.payload.eq(bits), self.o.valid.eq(1)]
                    m.next = "idle"
            with m.State("break"), m.If(level):
                m.next = "idle"
        return m


class UARTTransmitter(wiring.Component):
    """Bytes onto a line.

    Parameters
    ----------
    divisor : int
        Clocks per bit.

    Members
    -------
    i : In(stream of 8 bits)
        A byte is taken every ten bit times.
    tx : Out(1)
        The line, high when idle; a register.
    """

    block = "link"

    def __init__(self, divisor: int):
        self.divisor = _checked(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        timer = Signal(range(self.divisor))
        frame = Signal(BITS + 1, init=(1 << (BITS + 1)) - 1)
        left = Signal(range(BITS + 3))
        m.d.comb += self.i.ready.eq((left == 0) & (timer == 0))
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(left != 0):
            m.d.sync += [
                self.tx.eq(frame[0]),
                frame.eq(Cat(frame[1:], 1)),
                left.eq(left - 1),
                timer.eq(self.divisor - 1),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += [self.tx.eq(0), frame.eq(Cat(self.i.payload, 1)), left.eq(BITS + 1), timer.eq(self.divisor - 1)]
        return m
