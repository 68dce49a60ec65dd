# SPDX-License-Identifier: Apache-2.0
"""Networks whose weights are read ahead from an SDRAM, on the golden engine and on the emitted Verilog."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.base.errors import ConfigError, UserError
from sysmt.boards.definitions import BOARDS
from sysmt.hdl.designs import engine_design
from sysmt.hdl.engine.engine import Engine
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig, engine_config
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.program import DESCRIPTOR, Memory, Operation
from sysmt.hdl.params.sdram import SdramChip, SdramConfig
from sysmt.hdl.params.stream import CHUNK
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.cosim.verilator import SimulationError
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import FETCH, computing_cycles, program_cycles
from sysmt.sim.engine.file import read_program, write_program
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.stream_timing import waiting
from sysmt.sim.engine.streaming import streamed
from sysmt.sim.flow.parts import ECP5_25F
from sysmt.sim.nn.forward import threaded_plan
from sysmt.sim.nn.model import read_model

from .accel import simulate
from .engine_networks import random_inputs, random_network, random_plan, wide_depthwise_network
from .mutants import one_bug_per_component, seeded_bug
from .shared import shared

CHIP = SdramChip(name="small", row_bits=7, column_bits=7, refresh_ms=0.5, init_us=1)
ROOMY = EngineConfig(
    array=ArrayConfig(rows=4, cols=4, counters=False).with_fields(threads=2, target="fpga", pipeline=3),
    fill=2,
    lanes=2,
    x_depth=256,
    activation_words=512,
    weight_words=4096,
    scatter_words=4096,
    parameter_words=256,
    layers=32,
)
STREAMED = replace(ROOMY, stream=SdramConfig(chip=CHIP), weight_words=256, parameter_words=32, chunks=512, layers=256)
"""Of some of the networks parameters fit, of others they come with the weights."""
SEEDS = range(12)
WIDE = ((2, 44), (6, 37), (10, 44))
"""Seeds and channels of networks with wide depthwise layers."""


def programs(seed):
    """A random network compiled for the engine with all its weights on chip, the same streamed, and inputs."""
    network, _ = random_network(seed)
    roomy = compile_network(network, random_plan(network, ROOMY, seed), ROOMY)
    return roomy, streamed(roomy, STREAMED), random_inputs(network, 3, seed)


@pytest.mark.parametrize("streams", [False, True])
def test_words_of_the_host_wait_until_the_sdram_takes_them(streams):
    """It is initialised first, for longer than this takes; and what a run has asked for stops."""
    engine, taken = Engine(STREAMED), []

    async def bench(ctx):
        ctx.set(engine.i_run.valid, streams)
        await ctx.tick()
        ctx.set(engine.i_run.valid, 0)
        await ctx.tick().repeat(6)
        ctx.set(engine.i_write.payload.memory, Memory.SDRAM)
        ctx.set(engine.i_write.valid, 1)
        for _ in range(30):
            taken.append(ctx.get(engine.i_write.ready))
            await ctx.tick()

    simulate(engine, bench)
    assert (taken[0], sum(taken)) == (not streams, 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_streamed_programs_compute_the_same(seed):
    roomy, program, inputs = programs(seed)
    assert np.array_equal(GoldenEngine(roomy).run(inputs), GoldenEngine(program).run(inputs))
    assert len(program.images[Memory.WEIGHTS]) == 0
    assert program.images[Memory.SDRAM].nbytes >= roomy.images[Memory.WEIGHTS].nbytes


def test_parameters_that_do_not_fit_come_with_the_weights():
    """Of every layer then, pooling ones too; else as before, with the weights alone in the SDRAM."""
    several = [programs(seed) for seed in SEEDS]
    found = [(roomy, program) for roomy, program, _ in several if not len(program.images[Memory.PARAMETERS])]
    assert 2 < len(found) < len(SEEDS), "parameters fit in some programs and not in others"
    for roomy, program in found:
        assert all(layer["waits_chunk"] for layer in program.descriptors)
        entries = [CHUNK.unpack(entry.tobytes()) for entry in program.images[Memory.CHUNKS]]
        assert {entry["memory"] for entry in entries} == {Memory.WEIGHTS, Memory.PARAMETERS}
        assert len(roomy.images[Memory.PARAMETERS]) > STREAMED.parameter_words
    kinds = {layer["operation"] for _, program in found for layer in program.descriptors}
    assert kinds > {Operation.MATMUL}, "layers without weights are among them"


def test_layers_are_cut_where_they_are_too_large():
    cut = [layer.name for seed in SEEDS for layer in programs(seed)[1].layers if "/" in layer.name]
    assert len(cut) > 4, "the weight memory is small enough for the test to mean something"


@pytest.fixture(scope="module")
def gates():
    with SimulatedEngine(STREAMED) as engine:
        yield engine


@pytest.mark.parametrize("seed", SEEDS)
def test_gates_compute_what_the_golden_engine_does(gates, seed):
    _, program, inputs = programs(seed)
    gates.load(program)
    inputs = np.concatenate([inputs, inputs])
    assert np.array_equal(gates.run(inputs).outputs, GoldenEngine(program).run(inputs))


@pytest.mark.parametrize(("seed", "channels"), WIDE)
def test_depthwise_layers_are_cut_between_channels(gates, seed, channels):
    """On the golden engine and the gates; the last part has another number of tiles than the others."""
    network = wide_depthwise_network(seed, channels)
    roomy = compile_network(network, random_plan(network, ROOMY, seed), ROOMY)
    program = streamed(roomy, STREAMED)
    parts = [fields for fields in program.descriptors if fields["grouped"]]
    assert len(parts) > len(roomy.layers)
    assert len({(fields["groups"], fields["last_n_tiles"]) for fields in parts}) > 1
    assert sum(layer.macs for layer in program.layers) <= sum(layer.macs for layer in roomy.layers)
    inputs = random_inputs(network, 2, seed)
    expected = GoldenEngine(roomy).run(inputs)
    assert np.array_equal(GoldenEngine(program).run(inputs), expected)
    gates.load(program)
    assert np.array_equal(gates.run(inputs).outputs, expected)


@pytest.mark.parametrize("seed", [0, 1, 3, 6])
def test_layers_wait_as_long_as_the_model_says(gates, seed):
    """To the cycle, for one of the times that the refreshes may fall on."""
    _, program, inputs = programs(seed)
    gates.load(program)
    for _ in range(
        3 * STREAMED.stream.refresh_interval
    ):  # A cycle each; a refresh closes the rows that writing opened.
        gates.clear()
    found = gates.run(inputs[:1]).layer_cycles
    computing = computing_cycles(program)
    assert found != computing, "no layer waits"
    first = STREAMED.stream.ready_cycles
    phases = range(first, first + STREAMED.stream.refresh_interval)
    assert found in [waiting(program, computing, FETCH, begins=begins)[0] for begins in phases]


def test_the_model_of_a_run_behind_another_waits_no_longer():
    program = programs(0)[1]
    first, second = waiting(program, computing_cycles(program), FETCH, runs=2)
    assert program_cycles(program) == second
    assert sum(computing_cycles(program)) < sum(second) < sum(first)


def test_a_program_file_holds_the_chunks(tmp_path):
    program = programs(1)[1]
    write_program(program, tmp_path / "model.sysmt")
    read = read_program(tmp_path / "model.sysmt")
    assert read.config == program.config
    assert {m: w.tolist() for m, w in read.images.items()} == {m: w.tolist() for m, w in program.images.items()}


def test_what_cannot_be_streamed_is_refused():
    roomy, program, _ = programs(1)
    with pytest.raises(UserError, match=r"^stream must be an SDRAM for weights to be read from it, not None$"):
        streamed(roomy, ROOMY)
    said = r"^the network must have at most 2 chunks, not \d+, with its weights in the SDRAM$"
    with pytest.raises(UserError, match=said):
        streamed(roomy, replace(STREAMED, chunks=2))
    said = (
        r"^layer '.*' must have its weights in parts of 8 bytes, half of the weight memory, "
        r"but the least part has \d+: use an engine with more weight_words$"
    )
    with pytest.raises(UserError, match=said):
        streamed(roomy, replace(STREAMED, weight_words=2))
    with pytest.raises(ConfigError, match=r"^stream must be an SdramConfig or None, not 5$"):
        replace(ROOMY, stream=5)


def test_an_engine_without_an_sdram_refuses_to_wait_for_one():
    roomy, _, inputs = programs(1)
    layers = [DESCRIPTOR.pack(**(fields | {"waits_chunk": 1})) for fields in roomy.descriptors]
    words = np.frombuffer(b"".join(layers), np.uint8).reshape(-1, 4)
    waiting_for_none = replace(roomy, images=roomy.images | {Memory.DESCRIPTORS: words})
    with pytest.raises(UserError, match=r"^layer 0 \('.*'\) must "):
        GoldenEngine(waiting_for_none).run(inputs)
    with SimulatedEngine(ROOMY) as engine:
        engine.load(waiting_for_none)
        with pytest.raises(
            SimulationError, match=r"^layer 0 \(.*\) failed \(descriptor\): the program is damaged; load it again$"
        ):
            engine.run(inputs)


def test_a_chunk_beyond_the_weight_memory_fails_the_run(gates):
    _, program, inputs = programs(1)
    entries = [CHUNK.unpack(entry.tobytes()) for entry in program.images[Memory.CHUNKS]]
    entries[0]["first"] = STREAMED.weight_words - 1
    words = np.frombuffer(b"".join(CHUNK.pack(**entry) for entry in entries), np.uint8).reshape(-1, CHUNK.size)
    gates.load(replace(program, images=program.images | {Memory.CHUNKS: words}))
    with pytest.raises(SimulationError, match=r"failed \(address\): the program is damaged; load it again$"):
        gates.run(inputs)
    gates.load(program)
    assert np.array_equal(gates.run(inputs).outputs, GoldenEngine(program).run(inputs)), "loaded anew, all is well"


def test_resnet8_on_a_small_fpga_hardly_waits_for_its_weights():
    """Its weights do not fit beside its activations; at 60 MHz, with a chip as on the iCESugar-Pro."""
    network = read_model(shared("data", "models", "resnet8_cifar10_int8.tflite")).optimised().network
    array = preset("sysmt2_4", ArrayConfig, target="fpga", pipeline=3)
    sizes = {"activation_words": 5120, "weight_words": 2048, "parameter_words": 128, "scatter_words": 1024}
    engine = engine_config(array, **sizes, stream=BOARDS["icesugar_pro"].memory)
    roomy = replace(engine, stream=None, weight_words=1 << 20, layers=1024)
    program = streamed(compile_network(network, threaded_plan(network, 2), roomy), engine)
    assert engine.memory_bits < ECP5_25F.rams * max(width * depth for width, depth in ECP5_25F.family.block_shapes)
    assert program.images[Memory.SDRAM].nbytes > engine.weight_words * engine.weight_bytes
    assert sum(program_cycles(program)) <= 1.02 * sum(computing_cycles(program))
    assert sum(program_cycles(program)) / engine.stream.clock_hz <= 7.5e-3


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("layer.waits_chunk & ~self.chunk_ready", "layer.waits_chunk & 0"),
        ("layer.frees_chunk & ~failed", "layer.frees_chunk & failed"),
    ],
)
def test_seeded_bugs_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.engine.layers", "LayerSequencer", right, wrong):
        broken = engine_design(STREAMED, "engine", linked=False)
    _, program, inputs = programs(4)
    expected = GoldenEngine(program).run(inputs[:1])
    with SimulatedEngine(STREAMED, broken) as engine:
        engine.load(program)
        engine.write(program.input_memory, program.pack(inputs)[0], program.input_first(0))
        try:
            engine.start(0, limit=50_000)
        except SimulationError:
            return
        found = program.unpack(engine.read(program.output_first(0), program.output_words)[None])
    assert not np.array_equal(found, expected)
