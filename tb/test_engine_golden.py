# SPDX-License-Identifier: Apache-2.0
"""Programs on the golden engine: every tensor equal to the network's own, whatever the network and the engine."""

from collections import Counter

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine import compiler
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.compiler.operators import reciprocal
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.program import Program
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.digits import network as digits
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Plan, Runner, exact_plan, threaded_plan
from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.network import Network, build
from sysmt.sim.nn.operators.reductions import divide

from .engine_network_builder import Builder
from .engine_networks import (
    depthwise_network,
    patch_features,
    patches_everywhere,
    random_inputs,
    random_network,
    random_plan,
)
from .shared import shared


def config(rows: int, cols: int, fill: int, lanes: int, patch: int, **pe: object) -> EngineConfig:
    array = ArrayConfig(rows=rows, cols=cols).with_fields(**pe)
    return EngineConfig(array=array, fill=fill, lanes=lanes, patch=patch, x_depth=1024)


CONFIGS = {
    "4x4x2": config(4, 4, 2, 2, 2, threads=2),
    "4x4x4 fill 4": config(4, 4, 4, 4, 2, threads=4),
    "4x2x2 A": config(4, 2, 2, 1, 1, threads=2, policy="A"),
    "8x8": config(8, 8, 1, 8, 8, threads=1),
    "2x8x2 min": config(2, 8, 4, 8, 4, threads=2, policy="min"),
}
SEEDS = range(8)


def bytes_of(values: np.ndarray) -> np.ndarray:
    unsigned = np.ascontiguousarray(values).view(np.uint8)
    return (unsigned ^ np.uint8(128) if values.dtype == np.int8 else unsigned).reshape(len(values), -1)


def assert_equal(network: Network, plan: Plan, config: EngineConfig, inputs: np.ndarray) -> Program:
    """Every tensor that the program computes, and the output, are those of the network under the same plan."""
    program = compile_network(network, plan, config)
    tensors: dict[int, np.ndarray] = {}
    runner = Runner(network=network, engine=Golden(config.array.pe, counting=False), plan=plan)
    outputs = runner(inputs, tensors=lambda step, values: tensors.__setitem__(step.output, values))
    compared = 0

    def compare(index: int, memory: np.ndarray) -> None:
        nonlocal compared
        layer = program.layers[index]
        if layer.tensor in tensors:
            found = layer.place.values(layer.place.words_of(memory)).reshape(len(memory), -1)
            np.testing.assert_array_equal(found, bytes_of(tensors[layer.tensor]), f"{layer.name} ({layer.kind})")
            compared += 1

    found = GoldenEngine(program, stale=3).run(inputs, compare)
    np.testing.assert_array_equal(found, outputs)
    assert compared == sum(layer.tensor >= 0 for layer in program.layers)
    return program


@pytest.mark.parametrize("name", CONFIGS)
def test_random_networks(name):
    found: Counter[str] = Counter()
    for seed in SEEDS:
        network, features = random_network(seed + 1000 * list(CONFIGS).index(name))
        engine = CONFIGS[name]
        assert_equal(network, random_plan(network, engine, seed), engine, random_inputs(network, 2, seed))
        found += features
    for feature in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "stride", "dilation", "zero point padding", "uneven window"):
        assert found[feature], f"no network had {feature}"


@pytest.mark.parametrize("name", [name for name, engine in CONFIGS.items() if engine.patch > 1])
def test_depthwise_layers_with_patches(name):
    found: Counter[str] = Counter()
    for seed in range(12):
        network, engine = depthwise_network(seed), CONFIGS[name]
        with patches_everywhere(seed):
            program = assert_equal(network, random_plan(network, engine, seed), engine, random_inputs(network, 2, seed))
        found += patch_features(program)
    exact = CONFIGS[name].array.pe.exact_alone
    for feature in ("patches down", "patches across", "patches over the edge", "patches in groups"):
        assert bool(found[feature]) == exact, f"{feature}: a lone thread that is not exact allows no patches"


@pytest.mark.parametrize("threads", [1, 2])
def test_resnet8(threads):
    network = read_model(shared("data", "models", "resnet8_cifar10_int8.tflite")).network
    with np.load(shared("data", "cifar10", "test_first500.npz")) as arrays:
        images = (arrays["images"][:2] ^ np.uint8(128)).view(np.int8)
    engine = EngineConfig(
        array=ArrayConfig(rows=8, cols=8).with_fields(threads=threads), x_depth=1024, weight_words=16384
    )
    program = assert_equal(network, threaded_plan(network, threads), engine, images)
    kinds = [layer.kind for layer in program.layers]
    assert kinds.count("CONV_2D + ADD") == 3
    assert "ADD" not in kinds
    # Behind the long convolutions, not the 1x1 ones beside them: requantisers that add would keep those waiting.
    assert all(layer["steps"] > 70 for layer in program.descriptors if layer["add"])
    if threads == 2:
        assert sum(program_cycles(program)) <= 110_000
    # Three sums in place of their residuals: two tensors at a time, beside the inputs.
    assert program.activation_words * engine.word_bytes <= 4 * 16384
    assert program.after is not None
    assert program.after.name == "SOFTMAX"


def test_every_layout_of_the_input(monkeypatch):
    """Patches of one pixel, as long as the window, as long as the stride, in either direction."""
    layouts = compiler.inputs_in_patches
    seen: Counter[tuple[bool, ...]] = Counter()
    for seed in range(12):
        network, _ = random_network(seed, layers=1, side=9, channels=4)
        engine = CONFIGS["4x4x2"]
        for number in range(9):

            def one(lowered, config, number=number):
                ways = list(layouts(lowered, config))
                seen[len(ways) > 4, ways[number % len(ways)][1] is None] += 1
                yield ways[number % len(ways)]

            monkeypatch.setattr(compiler, "inputs_in_patches", one)
            assert_equal(network, random_plan(network, engine, seed), engine, random_inputs(network, 2, seed))
    assert all(seen[many, plain] for many in (False, True) for plain in (False, True))


def test_a_smaller_layout_of_the_input_is_taken_where_the_fastest_does_not_fit():
    model = Builder(1)
    x = model.tensor((1, 24, 24, 3), 0.03, -5)
    w = model.constant(model.rng.integers(-90, 91, (8, 3, 3, 3)).astype(np.int8), np.array([0.004]))
    y = model.tensor((1, 12, 12, 8), 0.1, 3)
    window = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "dilation_h": 1, "dilation_w": 1}
    model.node("CONV_2D", [x, w], y, activation="RELU", **window)
    network = build(Graph(tensors=tuple(model.tensors), nodes=tuple(model.nodes), input=x, output=y))
    sizes = []
    for words in (1024, 300):
        engine = EngineConfig(activation_words=words)
        program = assert_equal(network, exact_plan(network), engine, random_inputs(network, 2, 3))
        sizes.append(program.input.place.size)
    assert sizes == [24 * 12, 12 * 12]  # windows of a row side by side; blocks of two by two pixels
    with pytest.raises(UserError, match=r"activations take 4608 bytes \(4608 at layer 't2'\), the engine has 3200;"):
        compile_network(network, exact_plan(network), EngineConfig(activation_words=200))


def test_digits():
    """Unsigned activations; the host computes the scores."""
    network = digits.load()
    images = np.random.default_rng(1).integers(0, 16, (4, 8, 8, 1), np.uint8)
    for engine in (CONFIGS["4x4x2"], CONFIGS["8x8"]):
        threads = engine.array.pe.threads
        program = assert_equal(network, threaded_plan(network, threads), engine, images)
        assert program.output.dtype == "uint8"
        assert [layer.name for layer in program.layers] == ["conv1", "conv2", "conv3"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7, 16, 25, 49, 64, 125, 300])
def test_division_of_sums_is_exact(count):
    sums = np.arange(-128 * count, 127 * count + 1)
    assert np.array_equal(multiply(sums, *reciprocal(count), "single"), divide(sums, count))


def test_a_plan_of_one_thread_is_the_exact_network():
    network, _ = random_network(4)
    assert_equal(network, exact_plan(network), CONFIGS["4x4x2"], random_inputs(network, 3, 1))


def test_every_slot_of_the_operand_buffer_is_written_where_the_policy_needs_it():
    """Without zero detection the bytes in padding slots count: a table that leaves them out is noticed."""
    network, _ = random_network(2)
    engine = CONFIGS["4x2x2 A"]
    plan = random_plan(network, engine, 5)
    inputs = random_inputs(network, 2, 2)
    program = compile_network(network, plan, engine)
    assert np.array_equal(GoldenEngine(program, stale=1).run(inputs), GoldenEngine(program, stale=2).run(inputs))
