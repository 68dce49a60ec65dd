# SPDX-License-Identifier: Apache-2.0
"""Sums and products of integers, as full and half adders of our own or as the operators a tool infers.

Target `asic` lays every partial product and addend into one bit matrix and reduces it column by column, always adding
the three bits that arrive first (the three-greedy order of Oklobdzija et al., IEEE Trans. Computers 1996); terms of
negative weight enter inverted, and their correction is one constant for the whole sum (Baugh and Wooley, 1973).
Smallest in standard cells. Target `fpga` writes `+` and `*`, for carry chains and DSP blocks of FPGAs.
"""

import heapq
from itertools import count

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

ARRIVAL_CARRY = 2
ARRIVAL_SUM = 3


class BitHeap:
    """A sum of bits modulo `2**width`, collected first and then reduced to one number.

    Parameters
    ----------
    module : Module
        Where the adders are put.
    width : int
        Bits of the result.
    name : str
        Prefix of the signals, unique within `module`.
    """

    def __init__(self, module: Module, width: int, name: str):
        self._m = module
        self._width = width
        self._name = name
        self._constant = 0
        self._order = count()
        self._columns: list[list[tuple[int, int, Value]]] = [[] for _ in range(width + 1)]

    def add(self, value: Value, shift: int = 0, negate: bool = False) -> None:
        """Add `value << shift`; a signed value is extended to the full width at no cost but its sign bit."""
        value = Value.cast(value)
        for i, bit in enumerate(value):
            negative = value.shape().signed and i == len(value) - 1
            self._weighted(bit, i + shift, negative != negate, 0)

    def add_product(self, a: Value, b: Value, shift: int = 0, negate: bool = False) -> None:
        """Add `a * b << shift`, each signed or unsigned, as one bit per pair of their bits."""
        a, b = Value.cast(a), Value.cast(b)
        for i, a_bit in enumerate(a):
            a_sign = a.shape().signed and i == len(a) - 1
            for j, b_bit in enumerate(b):
                b_sign = b.shape().signed and j == len(b) - 1
                self._weighted(a_bit & b_bit, i + j + shift, (a_sign != b_sign) != negate, 1)

    def add_shifted(self, value: Value, choices: list[tuple[Value, int]]) -> None:
        """Add `value << shift` of the choice that is on, or nothing; value is signed, and at most one choice is on."""
        places: dict[int, list[Value]] = {}
        for on, shift in choices:
            for i, bit in enumerate(value[:-1]):
                places.setdefault(i + shift, []).append(bit & on)
            self._weighted(value[-1] & on, len(value) - 1 + shift, True, ARRIVAL_SUM)
        for place, bits in places.items():
            self._weighted(Cat(bits).any(), place, False, ARRIVAL_SUM)

    def _weighted(self, bit: Value, position: int, negative: bool, arrival: int) -> None:
        if negative:  # -b * 2**p == (~b) * 2**p - 2**p
            self._constant -= 1 << position
            bit = ~bit
        self._push(position, arrival, bit)

    def _push(self, position: int, arrival: int, bit: Value) -> None:
        if position < self._width:
            heapq.heappush(self._columns[position], (arrival, next(self._order), bit))

    def reduce(self) -> Value:
        """Emit the adders and return the sum, an unsigned value of `width` bits."""
        return Cat(self._reduce_column(position) for position in range(self._width))

    def _reduce_column(self, position: int) -> Value:
        column = self._columns[position]
        one = bool(self._constant >> position & 1)
        while len(column) > 2 or (len(column) == 2 and not one):
            bits = [heapq.heappop(column) for _ in range(min(3, len(column)))]
            self._adder(position, [bit for _, _, bit in bits], max(bits)[0])
        if one and len(column) == 2:
            (_, _, a), (late, _, b) = heapq.heappop(column), heapq.heappop(column)
            self._outputs(position, ~(a ^ b), a | b, late)
        elif one and column:
            late, _, a = heapq.heappop(column)
            self._outputs(position, ~a, a, late)
        return column[0][2] if column else Value.cast(int(one))

    def _adder(self, position: int, bits: list[Value], late: int) -> None:
        if len(bits) == 2:
            a, b = bits
            self._outputs(position, a ^ b, a & b, late)
        else:
            a, b, c = bits
            self._outputs(position, a ^ b ^ c, (a & b) | (c & (a ^ b)), late)

    def _outputs(self, position: int, total: Value, carry: Value, late: int) -> None:
        """Name both outputs of an adder, so that the Verilog stays a netlist of adders."""
        for value, place, delay in ((total, position, ARRIVAL_SUM), (carry, position + 1, ARRIVAL_CARRY)):
            if place < self._width:
                bit = Signal(name=f"{self._name}_{next(self._order)}")
                self._m.d.comb += bit.eq(value)
                self._push(place, late + delay, bit)


def _named(module: Module, value: Value, name: str) -> Value:
    """`value` as a signal: its bits are used one by one, and an expression would be written out for each of them."""
    signal = Signal.like(Value.cast(value), name=name)
    module.d.comb += signal.eq(value)
    return signal


def add(module: Module, terms: list[Value], width: int, target: str, name: str) -> Value:
    """The signed sum of `terms`, modulo `2**width`."""
    if target == "fpga":
        return sum(terms[1:], start=terms[0])[:width].as_signed()
    matrix = BitHeap(module, width, name)
    for i, term in enumerate(terms):
        matrix.add(_named(module, term, f"{name}_term_{i}"))
    return matrix.reduce().as_signed()


def multiply(module: Module, a: Value, b: Value, width: int, target: str, name: str) -> Value:
    """The signed product of `a` and `b`, each signed or unsigned, modulo `2**width`."""
    product = Signal(signed(width), name=f"{name}_product")
    if target == "fpga":
        module.d.comb += product.eq(a * b)
    else:
        matrix = BitHeap(module, width, name)
        matrix.add_product(_named(module, a, f"{name}_a"), _named(module, b, f"{name}_b"))
        module.d.comb += product.eq(matrix.reduce())
    return product


def add_rows(digit: Value, operand: Value) -> Value:
    """`digit * operand` for carry chains: a row of the operand per bit of the digit, summed as a balanced tree.

    Written without `*`, so that no tool makes a DSP block of it.
    """
    operand = Value.cast(operand)
    rows = [(i, Mux(bit, operand, 0)) for i, bit in enumerate(digit)]
    if Value.cast(digit).shape().signed:
        rows[-1] = (rows[-1][0], -rows[-1][1])
    while len(rows) > 1:
        pairs = zip(rows[0:-1:2], rows[1::2], strict=True)
        alone = rows[len(rows) & ~1 :]
        rows = [(place, low + (high << (above - place))) for (place, low), (above, high) in pairs] + alone
    return rows[0][1]


def product_of(a: Value, b: Value) -> Value:
    """`a * b`, and 0 where `b` is one bit that is 0, whatever `a` is: in simulation, 0 times unknown is unknown."""
    shape = Value.cast(b).shape()
    return Mux(b, a, 0) if shape.width == 1 and not shape.signed else a * b


def add_products(
    module: Module, terms: list[tuple[Value, Value | None, int]], width: int, target: str, name: str
) -> Value:
    """The sum of `a * b * scale` (of `a * scale` where b is None) over all terms, modulo `2**width`."""
    if target == "fpga":
        # Shifted, and subtracted as a whole: tools would spend a DSP block on a constant factor.
        parts: dict[bool, list[Value]] = {False: [], True: []}
        for a, b, scale in terms:
            value = a if b is None else product_of(a, b)
            parts[scale < 0] += [value << i for i in range(abs(scale).bit_length()) if abs(scale) >> i & 1]
        return (sum(parts[False], start=Const(0)) - sum(parts[True], start=Const(0)))[:width]
    matrix = BitHeap(module, width, name)
    for i, (a, b, scale) in enumerate(terms):
        a = _named(module, a, f"{name}_a_{i}")
        for shift in range(abs(scale).bit_length()):
            if abs(scale) >> shift & 1:
                if b is None:
                    matrix.add(a, shift, scale < 0)
                else:
                    matrix.add_product(a, b, shift, scale < 0)
    return matrix.reduce()
