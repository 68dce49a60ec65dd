# SPDX-License-Identifier: Apache-2.0
"""What a controller of SDRAM exchanges: bursts, and the pins of the chip."""

import enum

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.sdram import SdramChip


class SdramCommand(enum.IntEnum):
    """A command as the chip reads it: we_n, cas_n, ras_n, from the highest bit down."""

    LOAD_MODE = 0b000
    REFRESH = 0b100
    PRECHARGE = 0b010
    ACTIVATE = 0b110
    WRITE = 0b001
    READ = 0b101
    NOP = 0b111


class SdramBurst(data.StructLayout):
    """Words in the order of their addresses.

    Members
    -------
    write : unsigned(1)
    address : unsigned
        Of the first word. Behind the chip's last word comes its first.
    length : unsigned
        Words; a burst of 0 words does nothing.
    """

    def __init__(self, chip: SdramChip):
        super().__init__({"write": 1, "address": chip.address_bits, "length": chip.address_bits + 1})


class SdramPins(wiring.Signature):
    """The pins of one chip but its clock, with the names of the data sheets.

    Members
    -------
    cke, cs_n, ras_n, cas_n, we_n : Out(1)
    ba, a : Out(bank_bits), Out(13)
    dqm : Out(width / 8)
    dq_o, dq_oe, dq_i : Out(width), Out(1), In(width)
        The data pins: what is driven, whether it is, and what is there.
    """

    ADDRESS_PINS = 13

    def __init__(self, chip: SdramChip):
        self._chip = chip
        super().__init__(
            {
                "cke": Out(1),
                "cs_n": Out(1),
                # No command until the first one.
                **{name: Out(1, init=1) for name in ("ras_n", "cas_n", "we_n")},
                "ba": Out(chip.bank_bits),
                "a": Out(self.ADDRESS_PINS),
                "dqm": Out(chip.width // 8),
                "dq_o": Out(chip.width),
                "dq_oe": Out(1),
                "dq_i": In(chip.width),
            }
        )

    def __repr__(self) -> str:
        return f"SdramPins({self._chip!r})"


ALL_BANKS = 1 << 10
"""Address bit 10 of a precharge: of all banks."""
