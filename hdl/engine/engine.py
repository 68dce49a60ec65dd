# SPDX-License-Identifier: Apache-2.0
"""The engine: sequencer, im2col unit, array, requantisers and their memories, for whole networks."""

from functools import partial
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory as BlockRAM
from amaranth.lib.memory import ReadPort
from amaranth.lib.wiring import In, Out, connect

from sysmt.hdl.accel.buffers import Buffer
from sysmt.hdl.array.ports import CounterLayout, TileDescriptor
from sysmt.hdl.array.stored_weights import array_behind_memory
from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.emit import UNCHECKED, UNINITIALISED, shared
from sysmt.hdl.memory.stream import word_in
from sysmt.hdl.memory.streamed import StreamedWeights
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import EngineError, Memory, Operation

from .filler import Filler
from .layers import LayerSequencer
from .memory import ActivationMemory
from .ports import HostWord, XAddress, sdram_pins
from .post import Post
from .threads import weights_from_thread
from .tiles import TileIssuer


class Engine(wiring.Component):
    """Runs a program (`sysmt.hdl.params.program`) from its own memories, layer after layer.

                 +----------------- activation memory <---------------------+
                 v                                                          |
              Filler -> operand buffer -> array -> rows of sums -> Post ----+
                 |                         ^                        ^
                 +-> pooling rows ---------|------------------------+
        scatter table    weight memory ----+     parameter memory --+     descriptors -> LayerSequencer

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    i_write : In(stream of HostWord)
        Into any memory; those of the program only while no run is under way. Addresses beyond a memory of the program
        are ignored; those of activations, and of an SDRAM, must be within it, as all front ends see to.
    i_read : In(stream of addresses)
    o_read : Out(stream of words)
        Words of the activation memory, in order.
    i_run : In(stream of 1 bit)
        Run the program on that half of the input and output places.
    clear : In(1)
        Forget an error, so that runs are taken again.
    busy, finished, error, number, cycles
        Of the run, as in `LayerSequencer`.
    layer : In(range(layers))
    layer_cycles : Out(32)
        Cycles of a layer of the last run, one cycle after its number.
    pins : Out(SdramPins)
        Of the SDRAM, when it has one.
    counters : Out(CounterLayout)
        Of the array, when it has them.

    Latency
    -------
    What `sysmt.sim.engine.cycles` says, to the cycle.
    """

    block = "control"
    parts = {
        **dict.fromkeys(("x_addresses", "w_addresses", "tiles_queue"), "buffers"),
        **dict.fromkeys(("scatter", "parameters", "descriptors", "cycles_memory"), "buffers"),
    }

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "i_write": In(stream.Signature(HostWord(config))),
                "i_read": In(stream.Signature(range(config.activation_words))),
                "o_read": Out(stream.Signature(8 * config.word_bytes)),
                "i_run": In(stream.Signature(1)),
                "clear": In(1),
                "busy": Out(1),
                "finished": Out(1),
                "error": Out(EngineError),
                "number": Out(range(config.layers)),
                "cycles": Out(32),
                "layer": In(range(config.layers)),
                "layer_cycles": Out(32),
            }
            | sdram_pins(config)
            | ({"counters": Out(CounterLayout(config.array.pe))} if config.array.counters else {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.sequencer = sequencer = LayerSequencer(config)
        m.submodules.filler = filler = Filler(config)
        m.submodules.tiles = tiles = TileIssuer(config)
        m.submodules.post = post = Post(config)
        m.submodules.activations = activations = ActivationMemory(config)
        array = shared(m, "array", array_behind_memory(config.array), config.array, platform)

        connect(m, wiring.flipped(self.i_run), sequencer.i_run)
        m.d.comb += [
            sequencer.clear.eq(self.clear),
            self.busy.eq(sequencer.busy),
            self.finished.eq(sequencer.finished),
            self.error.eq(sequencer.error),
            self.number.eq(sequencer.number),
            self.cycles.eq(sequencer.cycles),
            sequencer.done.eq(post.done),
            sequencer.address_error.eq(filler.error | tiles.error | post.address_error),
            sequencer.overflow.eq(post.overflow),
            sequencer.refused.eq(array.refused),
        ]
        for unit in (filler, tiles, post):
            m.d.comb += [unit.layer.eq(sequencer.layer), unit.start.eq(sequencer.start)]
        m.d.comb += tiles.filled.eq(filler.filled)

        self._host(m, activations)
        weights = self._operands(m, tiles, filler, array)
        streamed = self._stream(m, sequencer, weights, activations) if config.stream is not None else None
        self._activations(m, activations, filler, post)
        # Two registers, lest one has hundreds of sinks: rows come cycles after the start.
        pooling, pooled = Signal(), Signal()
        with m.If(sequencer.start):
            m.d.sync += pooling.eq(sequencer.layer.operation != Operation.MATMUL)
        m.d.sync += pooled.eq(pooling)
        m.d.comb += [
            post.i_rows.valid.eq(Mux(pooling, filler.o_pool.valid, array.o.valid)),
            post.i_rows.payload.last.eq(Mux(pooled, filler.o_pool.payload.last, array.o.payload.last)),
            array.o.ready.eq(post.i_rows.ready & ~pooling),
            filler.o_pool.ready.eq(post.i_rows.ready & pooling),
        ]
        for column in range(config.array.cols):
            m.d.comb += post.i_rows.payload.sums[column].eq(
                Mux(pooled, filler.o_pool.payload.sums[column], array.o.payload.sums[column])
            )
        self._read_ports(m, sequencer, filler, post, streamed)
        if config.array.counters:
            m.d.comb += self.counters.eq(array.counters)
        return m

    def _writes(self, memory: Memory) -> Signal:
        """Whether the host writes into `memory` in this cycle."""
        word = self.i_write.payload
        inside = word.address < self.config.memories[memory.name.lower()][1]
        return self.i_write.valid & self.i_write.ready & (word.memory == memory) & inside

    def _host(self, m: Module, activations: ActivationMemory) -> None:
        """Activations go where there is room for them; the other memories have a port of their own."""
        word = self.i_write.payload
        to_activations = word.memory == Memory.ACTIVATIONS
        m.d.comb += [
            self.i_write.ready.eq(~to_activations | activations.i_host_write.ready),
            activations.i_host_write.valid.eq(self.i_write.valid & to_activations),
            activations.i_host_write.payload.address.eq(word.address),
            activations.i_host_write.payload.word.eq(word.word),
        ]

    def _operands(self, m: Module, tiles: TileIssuer, filler: Filler, array: Any) -> Buffer:
        config = self.config
        m.submodules.w = w = Buffer(
            *config.memories["weights"], register=True, initialised=False, checked=False, holds=config.stores_words
        )
        m.submodules.x_addresses = x_addresses = SkidBuffer(XAddress(config))
        m.submodules.w_addresses = w_addresses = SkidBuffer(range(config.weight_words))
        m.submodules.tiles_queue = queue = SkidBuffer(TileDescriptor(config.array))
        connect(m, tiles.o_tile, queue.i)
        connect(m, queue.o, array.i_tile)
        connect(m, tiles.o_x, x_addresses.i)
        connect(m, x_addresses.o, filler.i_x)
        connect(m, tiles.o_w, w_addresses.i)
        connect(m, w_addresses.o, w.i)
        for operands, port in ((filler.o_x, array.i_x), (w.o, array.i_w)):
            m.d.comb += [port.valid.eq(operands.valid), operands.ready.eq(port.ready)]
        m.d.comb += array.i_x.payload.eq(filler.o_x.payload)
        # Both streams are in step with each other.
        pe, weights = config.array.pe, w.o.payload
        if pe.threads > 1:
            weights = weights_from_thread(m, config.array, weights, filler.o_thread)
        m.d.comb += array.i_w.payload.eq(weights)
        m.d.comb += [
            w.write.eq(self._writes(Memory.WEIGHTS)),
            w.address.eq(self.i_write.payload.address),
            w.data.eq(self.i_write.payload.word),
        ]
        return w

    def _stream(
        self, m: Module, sequencer: LayerSequencer, weights: Buffer, activations: ActivationMemory
    ) -> StreamedWeights:
        """Chunks from the SDRAM, from the first run on until the host writes into a memory of the program."""
        config, word = self.config, self.i_write.payload
        assert config.weight_stream is not None
        m.submodules.streamed = streamed = StreamedWeights(config.weight_stream)
        connect(m, streamed.pins, wiring.flipped(self.pins))
        entries = self._written(m, Memory.CHUNKS.name.lower(), self._writes(Memory.CHUNKS))
        to_sdram = word.memory == Memory.SDRAM
        m.d.comb += [
            entries.addr.eq(streamed.entry_address),
            streamed.entry.eq(entries.data),
            streamed.i_host.valid.eq(self.i_write.valid & to_sdram & streamed.stopped),
            streamed.i_host.payload.address.eq(word.address),
            streamed.i_host.payload.word.eq(word.word),
            sequencer.chunk_ready.eq(streamed.ready),
            streamed.freed.eq(sequencer.chunk_freed),
        ]
        with m.If(to_sdram):
            m.d.comb += self.i_write.ready.eq(streamed.stopped & streamed.i_host.ready)
        word_of = partial(word_in, config.weight_stream, data=streamed.data)
        with m.If(_comes(streamed, Memory.WEIGHTS)):
            m.d.comb += [
                weights.write.eq(1),
                weights.address.eq(streamed.address),
                weights.data.eq(word_of(Memory.WEIGHTS)),
            ]
        if Memory.ACTIVATIONS in config.weight_stream.targets:
            m.d.comb += [
                activations.arrives.eq(_comes(streamed, Memory.ACTIVATIONS)),
                activations.arriving.address.eq(streamed.address),
                activations.arriving.word.eq(word_of(Memory.ACTIVATIONS)),
            ]
        with m.If(self.i_run.valid & self.i_run.ready):
            m.d.sync += streamed.enable.eq(1)
        with m.If(self.clear | (self.i_write.valid & (word.memory != Memory.ACTIVATIONS))):
            m.d.sync += streamed.enable.eq(0)
        with m.If(streamed.error):
            m.d.comb += sequencer.address_error.eq(1)
        return streamed

    def _activations(self, m: Module, activations: ActivationMemory, filler: Filler, post: Post) -> None:
        connect(m, filler.o_read, activations.i_filler)
        connect(m, activations.o_filler, filler.i_read)
        connect(m, post.o_residual, activations.i_residual)
        connect(m, activations.o_residual, post.i_residual)
        connect(m, wiring.flipped(self.i_read), activations.i_host)
        connect(m, activations.o_host, wiring.flipped(self.o_read))
        m.d.comb += [
            activations.write.eq(post.write),
            activations.write_address.eq(post.address),
            activations.write_data.eq(post.data),
        ]

    def _read_ports(
        self,
        m: Module,
        sequencer: LayerSequencer,
        filler: Filler,
        post: Post,
        streamed: StreamedWeights | None,
    ) -> None:
        """Memories that a unit reads by addresses, and the cycles of every layer."""
        for memory, address, word in (
            (Memory.DESCRIPTORS, sequencer.address, sequencer.word),
            (Memory.SCATTER, filler.scatter_address, filler.scatter_word),
            (Memory.PARAMETERS, post.parameter_address, post.parameter_word),
        ):
            name = memory.name.lower()
            read = self._written(m, name, self._writes(memory), streamed if memory == Memory.PARAMETERS else None)
            m.d.comb += [read.addr.eq(address), word.eq(read.data)]
        m.submodules.cycles_memory = cycles = BlockRAM(
            shape=32, depth=self.config.layers, init=[], attrs=UNINITIALISED | UNCHECKED
        )
        write, layer = cycles.write_port(), cycles.read_port()
        m.d.comb += [
            write.en.eq(sequencer.layer_end),
            write.addr.eq(sequencer.number),
            write.data.eq(sequencer.layer_cycles),
            layer.addr.eq(self.layer),
            self.layer_cycles.eq(layer.data),
        ]

    def _written(self, m: Module, name: str, writes: Signal, streamed: StreamedWeights | None = None) -> ReadPort:
        """A memory that the host writes, and chunks of parameters; returns its read port."""
        width, depth = self.config.memories[name]
        memory = BlockRAM(shape=width, depth=depth, init=[], attrs=UNINITIALISED | UNCHECKED)
        m.submodules[name] = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(writes),
            write.addr.eq(self.i_write.payload.address),
            write.data.eq(self.i_write.payload.word),
        ]
        if streamed is not None:
            with m.If(_comes(streamed, Memory.PARAMETERS)):
                m.d.comb += [
                    write.en.eq(1),
                    write.addr.eq(streamed.address),
                    write.data.eq(word_in(streamed.config, Memory.PARAMETERS, streamed.data)),
                ]
        return read


def _comes(streamed: StreamedWeights, memory: Memory) -> Value:
    """Whether a word for `memory` comes from the SDRAM in this cycle."""
    return streamed.write & streamed.enable & (streamed.memory == memory)
