# SPDX-License-Identifier: Apache-2.0
"""Whole networks on the emitted Verilog: every layer's memory, outputs and cycles equal to the golden engine's."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR, DESCRIPTOR_WORDS, EngineError, Memory
from sysmt.sim.cosim.network import SimulatedEngine
from sysmt.sim.cosim.verilator import SimulationError
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.program import Program

from .engine_networks import (
    depthwise_network,
    patch_features,
    patches_everywhere,
    random_inputs,
    random_network,
    random_plan,
)


def config(rows: int, cols: int, fill: int, lanes: int, patch: int, **array: object) -> EngineConfig:
    found = ArrayConfig(rows=rows, cols=cols, counters=False).with_fields(**array)
    sizes = {"activation_words": 1024, "weight_words": 4096, "scatter_words": 4096, "parameter_words": 256}
    return EngineConfig(array=found, fill=fill, lanes=lanes, patch=patch, x_depth=256, layers=16, **sizes)


CONFIGS = {
    # As on boards; one row of requantisers, in-place drain and a queue-less array; no zero detection, one lane.
    "4x4x2": config(4, 4, 2, 2, 2, threads=2, target="fpga", pipeline=3),
    "2x4x4": config(2, 4, 4, 4, 4, threads=4, target="asic", drain="in_place"),
    "4x2x2 A": config(4, 2, 1, 1, 1, threads=2, target="fpga", policy="A"),
}
SEEDS = range(24)
PATCHES = (
    *("patches", "patches down", "patches across", "patches over the edge", "patches in groups"),
    "rows of patches in several tiles",
)
FEATURES = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MAX_POOL_2D", "AVERAGE_POOL_2D"),
    *("stride", "dilation", "zero point padding", "uneven window"),
)


@cache
def program(name: str, seed: int) -> tuple[Program, np.ndarray, Counter[str]] | None:
    """A random network, compiled, with inputs and what is in it; None where an engine cannot do what it asks for."""
    engine = CONFIGS[name]
    network, features = random_network(seed + 1000 * list(CONFIGS).index(name))
    try:
        compiled = compile_network(network, random_plan(network, engine, seed), engine)
    except UserError as error:
        if "adds a tensor that lies otherwise in memory" in str(error):
            return None
        raise
    return compiled, random_inputs(network, 3, seed), features


def until(program: Program, layer: int) -> np.ndarray:
    """Descriptors that end behind `layer`."""
    descriptors = program.descriptors[: layer + 1]
    descriptors[-1]["last"] = 1
    packed = b"".join(DESCRIPTOR.pack(**found).ljust(4 * DESCRIPTOR_WORDS, b"\0") for found in descriptors)
    return np.frombuffer(packed, np.uint8).reshape(-1, 4)


def memories(program: Program, inputs: np.ndarray) -> list[np.ndarray]:
    """The words of every layer's output behind it, for one input."""
    found: list[np.ndarray] = []
    layers = program.layers
    GoldenEngine(program).run(inputs, lambda i, memory: found.append(layers[i].place.words_of(memory)[0].copy()))
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_random_networks_layer_by_layer(name):
    with SimulatedEngine(CONFIGS[name]) as gates:
        features: Counter[str] = Counter()
        for seed in SEEDS:
            if (found := program(name, seed)) is None:
                features["refused"] += 1
                continue
            compiled, inputs, present = found
            features += present
            check_layers(gates, compiled, inputs, f"seed {seed}")
    assert features["refused"] <= 2
    missing = [feature for feature in FEATURES if not features[feature]]
    assert not missing, f"no network had {missing}"


@pytest.mark.parametrize("name", [name for name, engine in CONFIGS.items() if engine.patch > 1])
def test_depthwise_layers_with_patches(name):
    """Of random windows, strides, sizes, channels; then a run of a network without any, on what they left behind."""
    engine, features = CONFIGS[name], Counter[str]()
    with SimulatedEngine(engine) as gates:
        for seed in SEEDS:
            network = depthwise_network(seed)
            with patches_everywhere(seed):
                compiled = compile_network(network, random_plan(network, engine, seed), engine)
            features += patch_features(compiled)
            check_layers(gates, compiled, random_inputs(network, 1, seed), f"seed {seed}")
        compiled, inputs, _ = program(name, 0)
        check_layers(gates, compiled, inputs, "without patches")
    missing = [feature for feature in PATCHES if not features[feature]]
    assert not missing, f"no network had {missing}"


def check_layers(gates: SimulatedEngine, compiled: Program, inputs: np.ndarray, what: str) -> None:
    """Every layer alone is compared: the program is run up to it, and the bytes of its tensor are looked at."""
    gates.load(compiled)
    gates.write(Memory.ACTIVATIONS, compiled.pack(inputs[:1])[0], compiled.input_first(0))
    wanted, cycles = memories(compiled, inputs[:1]), program_cycles(compiled)
    for i, layer in enumerate(compiled.layers):
        gates.write(Memory.DESCRIPTORS, until(compiled, i))
        gates.write(Memory.ACTIVATIONS, compiled.pack(inputs[:1])[0], compiled.input_first(0))
        run = gates.start(limit=10 * sum(cycles) + 1000)
        assert run.error == EngineError.NONE
        assert gates.layer_cycles(i + 1) == cycles[: i + 1], f"{what}, {layer.name} ({layer.kind})"
        assert run.cycles == sum(cycles[: i + 1])
        place = layer.place
        words = gates.read(place.base, place.size)
        np.testing.assert_array_equal(
            place.values(words[None]), place.values(wanted[i][None]), f"{what}, {layer.name} ({layer.kind})"
        )


@pytest.mark.parametrize("name", CONFIGS)
def test_inputs_one_after_the_other(name):
    """On both halves in turn, and what one run leaves behind changes nothing in the next."""
    with SimulatedEngine(CONFIGS[name]) as gates:
        for seed in SEEDS[:4]:
            compiled, inputs, _ = program(name, seed)
            gates.load(compiled)
            run = gates.run(inputs)
            np.testing.assert_array_equal(run.outputs, GoldenEngine(compiled).run(inputs))
            assert run.cycles == [sum(program_cycles(compiled))] * len(inputs)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_reset_amid_a_run(name):
    """After any number of cycles: the next run, of the same program in the same memories, is the first one's equal."""
    random = np.random.default_rng(4)
    with SimulatedEngine(CONFIGS[name]) as gates:
        for seed in (5, 7):
            compiled, inputs, _ = program(name, seed)
            wanted, cycles = GoldenEngine(compiled).run(inputs[:1]), sum(program_cycles(compiled))
            gates.load(compiled)
            for limit in random.integers(1, cycles, 12).tolist():
                gates.write(Memory.ACTIVATIONS, compiled.pack(inputs[1:2])[0], compiled.input_first(0))
                with pytest.raises(SimulationError, match="did not end"):
                    gates.start(limit=limit)
                gates.reset()
                run = gates.run(inputs[:1])
                np.testing.assert_array_equal(run.outputs, wanted, f"reset after {limit} cycles")
                assert run.cycles == [cycles]


def test_another_engine_is_refused():
    compiled, _, _ = program("4x4x2", 0)
    with SimulatedEngine(CONFIGS["4x2x2 A"]) as gates, pytest.raises(UserError, match="compiled for the simulated"):
        gates.load(compiled)


def test_words_beyond_a_memory_of_the_program_are_ignored():
    """Of one that is smaller than others, in which an address would be that of another word."""
    compiled, inputs, _ = program("4x4x2", 1)
    engine = CONFIGS["4x4x2"]
    with SimulatedEngine(engine) as gates:
        gates.load(compiled)
        for memory in (Memory.DESCRIPTORS, Memory.PARAMETERS):
            width, depth = engine.host_memories[memory]
            gates.write(memory, np.full((2, -(-width // 8)), 0, np.uint8), first=depth)
        np.testing.assert_array_equal(gates.run(inputs).outputs, GoldenEngine(compiled).run(inputs))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"steps": 0}, EngineError.DESCRIPTOR),
        ({"in_origin": 5000}, EngineError.ADDRESS),
        ({"out_base": 1023}, EngineError.ADDRESS),
        ({"w_base": 4095}, EngineError.ADDRESS),
        ({"parameter_base": 256}, EngineError.ADDRESS),
        ({"scatter_base": 4095}, EngineError.ADDRESS),
        ({"scatter_words": 1}, EngineError.ADDRESS),
    ],
)
def test_damaged_programs_end_with_an_error_and_the_next_one_runs(changes, error):
    compiled, inputs, _ = program("4x4x2", 1)
    index = next(i for i, layer in enumerate(compiled.descriptors) if layer["operation"] == 0 and layer["steps"] > 2)
    descriptors = compiled.descriptors
    descriptors[index] |= changes
    packed = b"".join(DESCRIPTOR.pack(**found).ljust(4 * DESCRIPTOR_WORDS, b"\0") for found in descriptors)
    damaged = replace(
        compiled, images=compiled.images | {Memory.DESCRIPTORS: np.frombuffer(packed, np.uint8).reshape(-1, 4)}
    )
    with SimulatedEngine(CONFIGS["4x4x2"]) as gates:
        gates.load(damaged)
        run = gates.start(limit=1_000_000)
        assert (run.error, run.layer) == (error, index)
        with pytest.raises(SimulationError, match="did not end"):
            gates.start(limit=1000)
        gates.load(compiled)
        np.testing.assert_array_equal(gates.run(inputs).outputs, GoldenEngine(compiled).run(inputs))
