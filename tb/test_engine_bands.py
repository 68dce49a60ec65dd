# SPDX-License-Identifier: Apache-2.0
"""Networks whose activations do not fit on chip: layers fused by bands of rows, on the golden engine and the gates."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.boards.definitions import BOARDS
from sysmt.hdl.designs import engine_design
from sysmt.hdl.params.program import DESCRIPTOR_WORDS, EngineError, Memory
from sysmt.sim.cosim.layers import until
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.cosim.verilator import SimulationError
from sysmt.sim.engine.chunks import chunks_of
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import FETCH, computing_cycles
from sysmt.sim.engine.file import read_program, write_program
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.layer import DoesNotFitError
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.engine.program import Program
from sysmt.sim.engine.stream_timing import waiting
from sysmt.sim.engine.streaming import compile_streamed
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, threaded_plan
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.network import Network

from .engine_networks import bottleneck_network, random_inputs, random_plan, tall_network
from .mutants import one_bug_per_component, seeded_bug
from .shared import shared
from .test_engine_stream import ROOMY, STREAMED

ARRAY_CYCLES = 3_445_714
"""Of MobileNetV2-224 on an engine 8x8x2 that has room for everything, with its weights in time."""
SEEDS = [2, 3, 9, *(pytest.param(seed, marks=pytest.mark.regress) for seed in (0, 1, *range(4, 9), *range(10, 16)))]


def tight(network: Network, seed: int) -> tuple[Program, Program]:
    """A network compiled with room for everything, and in the least memory of several that it can be compiled for."""
    plan = random_plan(network, ROOMY, seed)
    roomy = compile_network(network, plan, replace(ROOMY, activation_words=1 << 14, x_depth=1024, layers=512))
    program = roomy
    for part in range(95, 20, -15):
        try:
            words = roomy.activation_words * part // 100
            program = compile_network(network, plan, replace(roomy.config, activation_words=words))
        except DoesNotFitError:
            break
    return roomy, program


def in_bands(program: Program) -> list[str]:
    """Names of layers that compute some rows."""
    return [layer.name for layer in program.layers if "(rows " in layer.name]


def outputs_of(network: Network, seed: int, inputs: np.ndarray) -> np.ndarray:
    """What `sysmt infer` says."""
    plan = random_plan(network, ROOMY, seed)
    return np.asarray(Runner(network=network, engine=Golden(ROOMY.array.pe, counting=False), plan=plan)(inputs))


@pytest.mark.parametrize("seed", SEEDS)
def test_bands_compute_what_the_network_does(seed):
    network = bottleneck_network(seed)
    roomy, program = tight(network, seed)
    inputs = random_inputs(network, 2, seed)
    outputs = outputs_of(network, seed, inputs)
    assert np.array_equal(GoldenEngine(roomy).run(inputs), outputs)
    assert np.array_equal(GoldenEngine(program, stale=seed).run(inputs), outputs)
    assert program.activation_words < roomy.activation_words
    assert sum(layer.macs for layer in program.layers) <= sum(layer.macs for layer in roomy.layers)


@pytest.mark.regress
def test_what_the_networks_have_in_common():
    """Bands of several layers, and residuals whose rows later bands write over."""
    programs = [tight(bottleneck_network(seed), seed)[1] for seed in range(16)]
    banded = [program for program in programs if in_bands(program)]
    assert len(banded) > 8
    assert any(" + ADD" in layer.kind for program in banded for layer in program.layers if "(rows " in layer.name)


def test_what_fits_is_not_cut():
    network = bottleneck_network(0)
    assert not in_bands(tight(network, 0)[0])


def test_a_network_that_is_too_large_all_the_same_says_so():
    network = bottleneck_network(0)
    said = r"^the network must fit into the engine's memories: activations take \d+ bytes \(\d+ at layer '.*'\), "
    with pytest.raises(DoesNotFitError, match=said):
        compile_network(network, random_plan(network, ROOMY, 0), replace(ROOMY, activation_words=64, layers=512))


@pytest.fixture(scope="module")
def gates():
    with SimulatedEngine(STREAMED) as engine:
        yield engine


def on_gates(gates: SimulatedEngine, network: Network, seed: int) -> Program:
    """Compile for the engine with the SDRAM, and compare several inputs, one after the other."""
    program = compile_streamed(network, random_plan(network, STREAMED, seed), STREAMED)
    inputs = random_inputs(network, 3, seed)
    expected = GoldenEngine(program, stale=seed).run(inputs)
    assert np.array_equal(expected, outputs_of(network, seed, inputs))
    gates.load(program)
    assert np.array_equal(gates.run(inputs).outputs, expected)
    return program


@pytest.mark.parametrize(("seed", "from_sdram"), [(0, True), (3, False), (7, True), (11, False)])
@pytest.mark.regress
def test_gates_compute_bands(gates, seed, from_sdram):
    program = on_gates(gates, bottleneck_network(seed), seed)
    assert in_bands(program)
    assert (program.input_memory == Memory.SDRAM) == from_sdram


@pytest.mark.parametrize("seed", [2, pytest.param(3, marks=pytest.mark.regress)])
def test_gates_take_bands_of_an_input_from_the_sdram_in_the_cycles_of_the_model(gates, seed):
    """Weights, parameters and rows of the input; to the cycle, for one of the times that the refreshes may fall on."""
    network = tall_network(seed)
    program = on_gates(gates, network, seed)
    assert program.input_memory == Memory.SDRAM
    assert not len(program.images[Memory.PARAMETERS])
    gates.write(Memory.SDRAM, program.pack(random_inputs(network, 1, seed))[0], program.input_first())
    for _ in range(
        3 * STREAMED.stream.refresh_interval
    ):  # A cycle each; a refresh closes the rows that writing opened.
        gates.clear()
    assert gates.start().error == EngineError.NONE
    found = gates.layer_cycles(len(program.layers))
    computing = computing_cycles(program)
    assert found != computing, "no layer waits"
    assert_cycles(program, found, computing)


def assert_cycles(program: Program, found: list[int], computing: list[int]) -> None:
    """The first layers of a run took what the model says, for one of the times that the refreshes may fall on."""
    stream = program.config.stream
    assert stream is not None
    phases = list(range(stream.ready_cycles, stream.ready_cycles + stream.refresh_interval))
    # The first few tell most times apart.
    for few in sorted({min(4, len(found)), len(found)}):
        words = program.images[Memory.DESCRIPTORS][: few * DESCRIPTOR_WORDS]
        begin = replace(program, layers=program.layers[:few], images=program.images | {Memory.DESCRIPTORS: words})
        phases = [
            begins for begins in phases if waiting(begin, computing[:few], FETCH, begins=begins)[0] == found[:few]
        ]
    assert phases


def test_a_program_file_says_where_the_input_lies(tmp_path):
    network = tall_network(2)
    program = compile_streamed(network, random_plan(network, STREAMED, 2), STREAMED)
    write_program(program, tmp_path / "model.sysmt")
    read = read_program(tmp_path / "model.sysmt")
    assert read.input.sdram == program.input.sdram == len(program.images[Memory.SDRAM])
    inputs = random_inputs(network, 2, 2)
    assert np.array_equal(GoldenEngine(read).run(inputs), GoldenEngine(program).run(inputs))


@pytest.mark.regress
@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("memory.stream", "WeightStream", "live & ~chunk.more", "live"),
        ("memory.stream", "WeightStream", "self.memory.eq(chunk.memory)", "self.memory.eq(Memory.WEIGHTS)"),
        ("engine.memory", "ActivationMemory", "arrived.o.ready.eq(~self.write.any())", "arrived.o.ready.eq(1)"),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong):
    with seeded_bug(f"sysmt.hdl.{module}", component, right, wrong):
        broken = engine_design(STREAMED, "engine", linked=False)
    network = tall_network(3)
    program = compile_streamed(network, random_plan(network, STREAMED, 3), STREAMED)
    inputs = random_inputs(network, 2, 3)
    with SimulatedEngine(STREAMED, broken) as engine:
        engine.load(program)
        try:
            found = engine.run(inputs).outputs
        except SimulationError:
            return
    assert not np.array_equal(found, GoldenEngine(program).run(inputs))


@pytest.mark.regress
def test_mobilenet_on_the_engine_of_the_ulx3s():
    """All of it on the golden engine; three bands of its first group on the gates, to the cycle of the model."""
    board = BOARDS["ulx3s"]
    config = board.networks(stream=True)
    model = read_model(shared("data", "models", "mobilenet_v2_224_int8.tflite"))
    program = prepare(model, config, clock_hz=board.clock_of(config))
    assert program.input_memory == Memory.SDRAM
    computing = computing_cycles(program)
    assert sum(waiting(program, computing, FETCH)[0]) <= 1.6 * ARRAY_CYCLES
    image = np.random.default_rng(0).integers(0, 256, program.ends.input.shape).astype(np.uint8)
    plan = threaded_plan(model.optimised().network, config.array.pe.threads)
    network = model.optimised().network
    wanted = Runner(network=network, engine=Golden(config.array.pe, counting=False), plan=plan)(image)
    count = 3 * next(at for at, layer in enumerate(program.layers) if layer.name.endswith("(rows 7-17)"))
    place = program.layers[count - 1].place
    seen = []

    def observe(index: int, memory: np.ndarray) -> None:
        if index == count - 1:
            seen.append(place.words_of(memory)[0].copy())

    assert np.array_equal(GoldenEngine(program, stale=1).run(image, observe), wanted)
    # What these layers read; the simulated host writes a word of the SDRAM in a dozen cycles.
    entries = [entry for chunk in chunks_of(program)[:count] for entry in chunk]
    rows = [entry["memory"] == Memory.ACTIVATIONS for entry in entries]
    ends = [entry["address"] + entry["words"] for entry in entries]
    first = program.input_first()
    with SimulatedEngine(config) as gates:
        weights = program.images[Memory.SDRAM][: max(end for end, row in zip(ends, rows, strict=True) if not row)]
        gates.load(replace(program, images=program.images | {Memory.SDRAM: weights}))
        gates.write(Memory.DESCRIPTORS, until(program, count - 1))
        gates.write(Memory.SDRAM, program.pack(image)[0][: max(ends) - first], first)
        for _ in range(3 * config.stream.refresh_interval):
            gates.clear()  # As above.
        assert gates.start().error == EngineError.NONE
        assert np.array_equal(gates.read(place.base, place.size), seen[0])
        assert_cycles(program, gates.layer_cycles(count), computing)
