# SPDX-License-Identifier: Apache-2.0
"""Operands of 8 bits through ports of 4: what fits, and what is rounded (NB-SMT, MICRO 2020, section 3).

The one rounding routine of the gates; `sim` has its own.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned


def fits(operand: Value) -> Value:
    """Whether an 8-bit operand is its own low 4 bits: x < 16 unsigned, -8 <= w <= 7 signed."""
    high = operand[4:8]
    if operand.shape().signed:
        return Mux(operand[3], high.all(), ~high.any())
    return ~high.any()


def low_nibble(operand: Value) -> Value:
    """The low 4 bits as a nibble of weight 1: always unsigned."""
    return operand[0:4]


def high_nibble(operand: Value) -> Value:
    """The high 4 bits as a nibble of weight 16, with the operand's sign."""
    return operand[4:8].as_signed() if operand.shape().signed else operand[4:8]


def squeeze(
    module: Module, operand: Value, on: Value, check_width: bool, rounding: str, name: str
) -> tuple[Signal, Signal]:
    """One 4-bit nibble that stands for an 8-bit operand.

    With `on` low the nibble is the high nibble, weight 16. With `on` high it is the operand itself, weight 1, where
    `check_width` is set and it fits; else the high nibble rounded to nearest, ties up, saturating
    (`min((x + 8) >> 4, 15)`, `min((w + 8) >> 4, 7)`), or truncated.

    Returns
    -------
    nibble : Signal, 4 bits, signed like the operand
    is_high : Signal
        Whether the nibble weighs 16.
    """
    nibble = Signal(signed(4) if operand.shape().signed else unsigned(4), name=f"{name}_digit")
    is_high = Signal(name=f"{name}_heavy")
    high = rounded(operand, on, rounding)
    if check_width:
        module.d.comb += [is_high.eq(~(on & fits(operand))), nibble.eq(Mux(is_high, high, operand[0:4]))]
    else:
        module.d.comb += [is_high.eq(1), nibble.eq(high)]
    return nibble, is_high


def rounded(operand: Value, on: Value, rounding: str) -> Value:
    """The high 4 bits as a nibble of weight 16; with `on` high rounded as `squeeze` says."""
    high = operand[4:8]
    top = Const(7 if operand.shape().signed else 15, 4)
    up = operand[3] & (high != top) if rounding == "nearest" else Const(0, 1)
    nibble = increment(high, up & on)
    return nibble.as_signed() if operand.shape().signed else nibble


def increment(value: Value, up: Value) -> Value:
    """`value + up` modulo its width, as a chain of half adders."""
    bits, carry = [], up
    for bit in value:
        bits.append(bit ^ carry)
        carry = carry & bit
    return Cat(bits)


def weigh(nibble_product: Value, is_high: Value) -> Value:
    """A product, times 16 where `is_high`."""
    return Mux(is_high, Cat(Const(0, 4), nibble_product).as_signed(), nibble_product)
