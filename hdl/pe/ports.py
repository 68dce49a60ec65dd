# SPDX-License-Identifier: Apache-2.0
"""What travels through a PE: operands of every thread, and the control that goes with the activations."""

from amaranth.lib import data

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig

from .kind import gates_of


def activations(config: PEConfig) -> data.ArrayLayout:
    """The activations of one step, unsigned: as the kind of PE lays them out."""
    return gates_of(config).activations(config)


def passed(config: PEConfig) -> data.ArrayLayout:
    """What a PE gets of the activations of one step, behind the edge of the array."""
    return gates_of(config).passed(config)


def weights(config: PEConfig) -> data.ArrayLayout:
    """The weights of one step, signed: as the kind of PE lays them out."""
    return gates_of(config).weights(config)


def passed_weights(config: PEConfig) -> data.ArrayLayout:
    """What a PE gets of the weights of one step, behind the edge of the array."""
    return gates_of(config).passed_weights(config)


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
