# SPDX-License-Identifier: Apache-2.0
"""Layouts of what the parts of the engine exchange: the records of `sysmt.hdl.params.program`."""

from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from sysmt.hdl.accel.ports import layout
from sysmt.hdl.memory.ports import SdramPins
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR

SUM_WIDTH = 32
"""Bits of a sum on its way to the requantisers."""


def sdram_pins(config: EngineConfig) -> dict[str, wiring.Member]:
    """The member `pins` of a component that holds an engine; none without an SDRAM."""
    return {} if config.stream is None else {"pins": Out(SdramPins(config.stream.chip))}


LayerLayout = layout(DESCRIPTOR)
"""The descriptor of a layer."""


class SumRow(data.StructLayout):
    """One row of sums, from the array or the pooling unit: the channels of one output pixel.

    Members
    -------
    sums : ArrayLayout(signed(32), cols)
    last : unsigned(1)
        The last row of a tile.
    """

    def __init__(self, config: EngineConfig):
        super().__init__({"sums": data.ArrayLayout(signed(SUM_WIDTH), config.array.cols), "last": 1})


class XAddress(data.StructLayout):
    """A step that is read from the operand buffer.

    Members
    -------
    step : unsigned
        The word of operands.
    half : unsigned(1)
    frees : unsigned(1)
        The half may be filled again once this has been read.
    thread : unsigned
        Absent with one thread. The operands of this thread and those behind it are those of the threads from 0 on: on
        fewer threads, a word holds several steps.
    """

    def __init__(self, config: EngineConfig):
        threads = config.array.pe.threads
        super().__init__(
            {"step": config.step_bits, "half": 1, "frees": 1} | ({"thread": range(threads)} if threads > 1 else {})
        )


class HostWord(data.StructLayout):
    """A word that the host writes.

    Members
    -------
    memory : unsigned
        Which (`sysmt.hdl.params.program.Memory`).
    address : unsigned
    word : unsigned
        As wide as the widest memory; narrower ones take the lowest bits.
    """

    def __init__(self, config: EngineConfig):
        memories = config.host_memories.values()
        super().__init__(
            {
                "memory": range(len(memories)),
                "address": range(max(depth for _, depth in memories)),
                "word": max(width for width, _ in memories),
            }
        )
