# SPDX-License-Identifier: Apache-2.0
"""The array of an accelerator with its memories and its controller, whatever the link."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module
from amaranth.lib.wiring import connect

from sysmt.hdl.array.ports import TileDescriptor
from sysmt.hdl.array.stored_weights import array_behind_memory
from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.emit import shared
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.protocol import Target

from .buffers import Buffer
from .controller import Controller


@dataclass(frozen=True)
class Core:
    """Submodules of an accelerator that no link owns. The link reads `results`, and writes the memories `written`.

    Members
    -------
    controller : Controller
    array : interface of SystolicArray
    results : Buffer
    written : dict of Target to Buffer
        Those that the host fills; the table of the requantiser once it is added.
    """

    config: AccelConfig
    controller: Controller
    array: Any
    results: Buffer
    written: dict[Target, Buffer]
    _x_addresses: SkidBuffer
    _w_addresses: SkidBuffer
    _tiles: SkidBuffer

    def connect(self, m: Module) -> None:
        """Join the streams between controller, memories and array."""
        connect(m, self.controller.o_tile, self._tiles.i)
        connect(m, self._tiles.o, self.array.i_tile)
        connect(m, self.controller.o_x, self._x_addresses.i)
        connect(m, self._x_addresses.o, self.written[Target.X].i)
        connect(m, self.controller.o_w, self._w_addresses.i)
        connect(m, self._w_addresses.o, self.written[Target.W].i)

    def drive(self, m: Module) -> None:
        """Operands into the array, rows of sums out of it."""
        controller, array, results = self.controller, self.array, self.results
        x, w = self.written[Target.X], self.written[Target.W]
        for operands, port in ((x, array.i_x), (w, array.i_w)):
            m.d.comb += [
                port.valid.eq(operands.o.valid),
                port.payload.eq(operands.o.payload),
                operands.o.ready.eq(port.ready),
            ]
        m.d.comb += [
            controller.step.eq(x.o.valid & x.o.ready),
            controller.resident.eq(x.o.valid | x.resident | self._x_addresses.o.valid),
            controller.i_rows.valid.eq(array.o.valid),
            controller.i_rows.payload.eq(array.o.payload),
            array.o.ready.eq(controller.i_rows.ready),
            results.write.eq(controller.write),
            results.address.eq(controller.address),
            results.data.eq(array.o.payload.sums.as_value()),
        ]

    def add_table(self, m: Module) -> Buffer:
        """The table of the requantiser."""
        m.submodules.table = table = Buffer(*self.config.memories["table"], register=True)
        self.written[Target.TABLE] = table
        return table


def place(m: Module, config: AccelConfig, controller: Controller, platform: Any) -> Core:
    """Add array and memories to `m`, beside its controller."""
    array = shared(m, "array", array_behind_memory(config.array), config.array, platform)
    sizes = config.memories
    m.submodules.x = x = Buffer(*sizes["x"], register=True)
    m.submodules.w = w = Buffer(*sizes["w"], register=True)
    m.submodules.x_addresses = x_addresses = SkidBuffer(range(2 * config.depth))
    m.submodules.w_addresses = w_addresses = SkidBuffer(range(2 * config.depth))
    m.submodules.tiles = tiles = SkidBuffer(TileDescriptor(config.array))
    m.submodules.results = results = Buffer(*sizes["results"], register=True)
    written = {Target.X: x, Target.W: w}
    return Core(config, controller, array, results, written, x_addresses, w_addresses, tiles)
