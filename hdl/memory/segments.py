# SPDX-License-Identifier: Apache-2.0
"""Bursts cut where the rows of a memory end."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.sdram import SdramChip

from .ports import SdramBurst


class RowSegment(data.StructLayout):
    """Words of one row, in order.

    Members
    -------
    column, bank, row : unsigned
        Of the first word: the address, from its lowest bit up.
    left : unsigned
        Words, 1 at least.
    write : unsigned(1)
    """

    def __init__(self, chip: SdramChip):
        super().__init__(
            {
                "column": chip.column_bits,
                "bank": chip.bank_bits,
                "row": chip.row_bits,
                "left": chip.column_bits + 1,
                "write": 1,
            }
        )


class Segments(wiring.Component):
    """Cuts bursts into segments; those of no words vanish.

    Parameters
    ----------
    chip : SdramChip

    Members
    -------
    i : In(stream of SdramBurst)
    o : Out(stream of RowSegment)

    Latency
    -------
    1 cycle from a burst to its first segment; a segment per cycle; a cycle between bursts.
    """

    block = "memory controller"

    def __init__(self, chip: SdramChip):
        self.chip = chip
        super().__init__({"i": In(stream.Signature(SdramBurst(chip))), "o": Out(stream.Signature(RowSegment(chip)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        address, left, write = Signal(chip.address_bits), Signal(chip.address_bits + 1), Signal()
        column = address[: chip.column_bits]
        room = Signal(chip.column_bits + 1)
        fits = Signal()
        segment = self.o.payload
        m.d.comb += [
            room.eq((1 << chip.column_bits) - column),
            fits.eq(left <= room),
            self.i.ready.eq(left == 0),
            self.o.valid.eq(left != 0),
            segment.as_value()[: chip.address_bits].eq(address),
            segment.left.eq(Mux(fits, left, room)),
            segment.write.eq(write),
        ]
        with m.If(self.i.ready):
            m.d.sync += [address.eq(self.i.payload.address), write.eq(self.i.payload.write)]
            with m.If(self.i.valid):
                m.d.sync += left.eq(self.i.payload.length)
        with m.Elif(self.o.ready):
            m.d.sync += [
                left.eq(Mux(fits, 0, left - room)),
                column.eq(0),
                address[chip.column_bits :].eq(address[chip.column_bits :] + 1),
            ]
        return m
