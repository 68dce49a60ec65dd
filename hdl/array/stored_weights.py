# SPDX-License-Identifier: Apache-2.0
"""The array behind a memory, which may hold weights in another form than PEs take them."""

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import data

from sysmt.hdl.emit import shared
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import W_WIDTH
from sysmt.hdl.pe.kind import gates_of

from .systolic import SystolicArray


def array_behind_memory(config: ArrayConfig) -> type[SystolicArray]:
    """The class of array that takes weights as a memory holds them."""
    stored = gates_of(config.pe).stored_weights(config.pe, config.w_lanes)
    return SystolicArray if stored is None else StoredWeightsArray


class StoredWeightsArray(SystolicArray):
    """As `SystolicArray`, for kinds of PE with `Gates.stored_weights`, which `i_w` has."""

    @staticmethod
    def weights_in(config: ArrayConfig) -> data.Layout:
        layout = gates_of(config.pe).stored_weights(config.pe, config.w_lanes)
        assert layout is not None
        return layout

    def _weights(self) -> list[Value]:
        """The members of every element of `passed_weights` together."""
        parts = [self.i_w.payload[name] for name, _ in self.i_w.payload.shape()]
        passed = gates_of(self.config.pe).passed_weights(self.config.pe).length
        self._live: list[Value] = []
        return [Cat(part[p][t] for t in range(passed) for part in parts) for p in range(self.config.w_lanes)]

    def _column_edge(self, m: Module, w: Value, column: int, platform: object) -> Value:
        edge = shared(
            m, f"stored_{column}", gates_of(self.config.pe).stored_edge(self.config.pe), self.config.pe, platform
        )
        m.d.comb += [edge.i.eq(w), edge.runs.eq(self._kept)]
        self._live.append(edge.live)
        return Value.cast(edge.o)

    def _counted(self, w: list[Value]) -> Value:
        """Ones in place of weights: events ask no more than which are zero."""
        return Cat(bit.replicate(W_WIDTH) for live in self._live for bit in live)
