# SPDX-License-Identifier: Apache-2.0
"""Runs a program: descriptor after descriptor, each when the one before has written its last row."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR_WORDS, EngineError, Operation

from .patches import has_patches
from .ports import LayerLayout
from .ranges import computable


class LayerSequencer(wiring.Component):
    """Fetches a descriptor, checks it, starts the units, waits for the layer's last row, and goes on to the next.

    A run that fails ends with the layer that failed. Runs are taken again after `clear`.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    i_run : In(stream of 1 bit)
        Run the program; which half of the input and output places it uses.
    clear : In(1)
        Forget an error. Only while no run is under way.
    busy : Out(1)
        A run is under way.
    finished : Out(1)
        High for one cycle: a run has ended, by an error or without.
    error : Out(EngineError)
        Why the last run failed; 0 when it did not.
    number : Out(range(layers))
        The layer under way, or the one that failed.
    cycles : Out(32)
        From the start of the run to its end.
    address, word : Out, In(32)
        Port of the descriptor memory; the word comes one cycle after its address.
    layer : Out(LayerLayout)
        Stable from `start` until the layer has ended.
    start : Out(1)
        High for one cycle.
    done : In(1)
        High for one cycle: the layer's last row is written.
    address_error, overflow, refused : In(1)
        What the units found, looked at when the layer has ended; `refused` ends it.
    chunk_ready, chunk_freed : In(1), Out(1)
        With an SDRAM only: the chunk that a layer waits for is there; high for one cycle, it is not read again.
    layer_end : Out(1)
        High for one cycle: a layer has ended; `number` and `layer_cycles` are its own.
    layer_cycles : Out(32)
        From the end of the layer before, or the start of the run, to the end of this layer.

    Latency
    -------
    `FETCH` cycles from one layer's `done` to the next one's `start`.
    """

    block = "control"

    FETCH = DESCRIPTOR_WORDS + 5

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "i_run": In(stream.Signature(1)),
                "clear": In(1),
                "busy": Out(1),
                "finished": Out(1),
                "error": Out(EngineError),
                "number": Out(range(config.layers)),
                "cycles": Out(32),
                "address": Out(range(DESCRIPTOR_WORDS * config.layers)),
                "word": In(32),
                "layer": Out(LayerLayout),
                "start": Out(1),
                "done": In(1),
                "address_error": In(1),
                "overflow": In(1),
                "refused": In(1),
                "layer_end": Out(1),
                "layer_cycles": Out(32),
            }
            | ({"chunk_ready": In(1), "chunk_freed": Out(1)} if config.stream is not None else {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layer, half = self.layer, Signal()
        words = layer.as_value()
        left = Signal(range(DESCRIPTOR_WORDS + 1))
        base = Signal.like(self.address)
        legal = self._legal(m)
        # Cycles of the layer so far; the one in which it ends is its last.
        elapsed = Signal(32)
        failed = Signal()
        # All units look at `start`: it comes out of a register.
        starting = Signal()
        waits = layer.waits_chunk & ~self.chunk_ready if self.config.stream is not None else Const(0)
        m.d.comb += self.start.eq(starting & ~waits)
        m.d.comb += [failed.eq(self.error != EngineError.NONE), self.layer_cycles.eq(elapsed + 1)]
        with m.If(self.clear):
            m.d.sync += self.error.eq(EngineError.NONE)
        with m.If(self.busy):
            m.d.sync += [self.cycles.eq(self.cycles + 1), elapsed.eq(elapsed + 1)]
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.comb += self.i_run.ready.eq(~failed)
                m.d.sync += [base.eq(0), self.address.eq(0), left.eq(DESCRIPTOR_WORDS)]
                with m.If(~failed):
                    m.d.sync += self.number.eq(0)
                with m.If(self.i_run.valid & self.i_run.ready):
                    m.d.sync += [half.eq(self.i_run.payload), self.busy.eq(1)]
                    m.d.sync += self.cycles.eq(0)
                    m.next = "fetch"
            with m.State("fetch"):
                # The word of the address before is here; the first cycle has none.
                m.d.sync += [self.address.eq(self.address + 1), left.eq(left - 1)]
                with m.If(left != DESCRIPTOR_WORDS):
                    m.d.sync += words.eq(Cat(words[32:], self.word)[: len(words)])
                with m.If(left == 0):
                    m.next = "place"
            with m.State("place"):
                with m.If(layer.from_input & half):
                    m.d.sync += layer.in_origin.eq(layer.in_origin + layer.in_half)
                with m.If(layer.to_output & half):
                    m.d.sync += layer.out_base.eq(layer.out_base + layer.out_half)
                m.next = "check"
            with m.State("check"):
                m.d.sync += starting.eq(legal)
                m.next = "start"
            with m.State("start"):
                with m.If(~starting):
                    m.d.sync += self.error.eq(EngineError.DESCRIPTOR)
                    m.next = "end"
                with m.Elif(~waits):
                    m.d.sync += starting.eq(0)
                    m.next = "run"
            with m.State("run"):
                with m.If(self.refused):
                    m.d.sync += self.error.eq(EngineError.ARRAY)
                    m.next = "end"
                with m.Elif(self.done):
                    with m.If(self.address_error):
                        m.d.sync += self.error.eq(EngineError.ADDRESS)
                    with m.Elif(self.overflow):
                        m.d.sync += self.error.eq(EngineError.OVERFLOW)
                    m.next = "end"
            with m.State("end"):
                m.d.comb += self.layer_end.eq(1)
                if self.config.stream is not None:
                    m.d.comb += self.chunk_freed.eq(layer.frees_chunk & ~failed)
                m.d.sync += [
                    elapsed.eq(0),
                    base.eq(base + DESCRIPTOR_WORDS),
                    self.address.eq(base + DESCRIPTOR_WORDS),
                    left.eq(DESCRIPTOR_WORDS),
                ]
                with m.If(failed | layer.last):
                    m.d.comb += self.finished.eq(1)
                    m.d.sync += self.busy.eq(0)
                    m.next = "idle"
                with m.Elif(self.number == self.config.layers - 1):
                    m.d.comb += self.finished.eq(1)
                    m.d.sync += [self.busy.eq(0), self.error.eq(EngineError.DESCRIPTOR)]
                    m.next = "idle"
                with m.Else():
                    m.d.sync += self.number.eq(self.number + 1)
                    m.next = "fetch"
        return m

    def _legal(self, m: Module) -> Value:
        """Whether the descriptor of a cycle ago can be run."""
        config, layer = self.config, self.layer
        array, pe = config.array, config.array.pe
        counts = [
            *("kernel_h", "kernel_w", "group_words", "m_tiles", "groups", "n_tiles", "last_n_tiles"),
            *("out_width", "last_rows", "last_cols", "in_height", "in_width"),
        ]
        matmul = layer.operation == Operation.MATMUL
        short = Signal()
        with m.Switch(layer.threads):
            for i, threads in enumerate(pe.throttles):
                with m.Case(i):
                    limit = min(config.x_depth * pe.threads // threads, pe.k_max // (threads * pe.pairs_per_thread))
                    m.d.comb += short.eq((layer.steps != 0) & (layer.steps <= limit))
        pooling_tiles = layer.n_tiles <= config.granules
        patches = Const(0)
        if config.patch > 1:
            size = (layer.patch_h + layer.patch_w) == config.patch.bit_length() - 1
            patches = size & matmul & ~layer.add & (layer.patch_rows != 0)
        legal = Signal()
        m.d.sync += legal.eq(
            Cat(
                *(layer[name] != 0 for name in counts),
                layer.operation <= max(Operation),
                Mux(matmul, short, pooling_tiles),
                layer.last_n_tiles <= layer.n_tiles,
                layer.last_rows <= Mux(matmul, array.rows, 1),
                layer.last_cols <= array.cols,
                computable(layer),
                ~has_patches(layer) | patches,
                *([] if config.stream is not None else [~(layer.waits_chunk | layer.frees_chunk)]),
            ).all()
        )
        return legal
