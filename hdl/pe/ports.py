# SPDX-License-Identifier: Apache-2.0
"""What travels through a PE: operands of every thread, and the control that goes with the activations."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import W_WIDTH, X_WIDTH, PEConfig


def activations(config: PEConfig) -> data.ArrayLayout:
    """One activation per thread, unsigned."""
    return data.ArrayLayout(unsigned(X_WIDTH), config.threads)


def weights(config: PEConfig) -> data.ArrayLayout:
    """One weight per thread, signed."""
    return data.ArrayLayout(signed(W_WIDTH), config.threads)


class Control(data.StructLayout):
    """What a PE does with the operands beside which this travels.

    Members
    -------
    first : unsigned(1)
        A new sum begins with this step; the old one moves on to the drain.
    shift : unsigned(1)
        The drain moves one row towards the exit.
    mode : unsigned(`PEConfig.mode_width`)
        Bit 0: more than one thread runs; bit 1: more than two. Absent for policies that detect zeros.
    """

    def __init__(self, config: ArrayConfig):
        super().__init__({"first": 1, "shift": 1, "mode": config.pe.mode_width})
