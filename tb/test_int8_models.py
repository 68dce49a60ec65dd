# SPDX-License-Identifier: Apache-2.0
"""Four public models: on one thread, every tensor of every layer equals the reference interpreter's, bit for bit."""

import numpy as np
import pytest

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.batches import run
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse
from tb.references.interpreter import reference

from .shared import shared


def images(count):
    return np.load(shared("data", "cifar10", "test_first500.npz"))["images"][:count].view(np.int8) ^ np.int8(-128)


def keywords(count):
    return np.load(shared("data", "kws", "even500.npz"))["features"][:count]


def noise(count):
    # No recordings at hand: a walk over the whole range, so that neither all nor no unit saturates.
    steps = np.random.default_rng(1).normal(scale=12, size=(count, 640))
    return np.clip(np.cumsum(steps, axis=1), -128, 127).astype(np.int8)


def pictures(count):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, 28, 28, 3))
    return np.kron(coarse, np.ones((1, 8, 8, 1), int)).astype(np.uint8)


MODELS = {
    "resnet8_cifar10": (images, 40, 16),
    "dscnn_kws": (keywords, 40, 13),
    "autoencoder_ad": (noise, 60, 10),
    "mobilenet_v2_224": (pictures, 2, 68),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_equals_the_interpreter(name):
    source, count, steps = MODELS[name]
    content, inputs = shared("data", "models", f"{name}_int8.tflite").read_bytes(), source(count)
    network = build(parse(content))
    seen = {}
    runner = Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network))
    runner(inputs, tensors=lambda step, value: seen.update({step.output: value}))
    assert len(seen) == steps
    expected = reference(content, inputs, list(seen))
    different = [step.name for step in network.steps if not np.array_equal(seen[step.output], expected[step.output])]
    assert different == []


@pytest.mark.parametrize("name", ["resnet8_cifar10", "dscnn_kws"])
def test_comparison_catches_a_seeded_bug(name):
    # One unit in the last place of one bias must not go unnoticed.
    source, count, _ = MODELS[name]
    content, inputs = shared("data", "models", f"{name}_int8.tflite").read_bytes(), source(count)
    network = build(parse(content))
    network.linears[1].requantize.bias[3] += 1
    seen = {}
    runner = Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network))
    runner(inputs, tensors=lambda step, value: seen.update({step.output: value}))
    output = [step.output for step in network.steps if step.kind.endswith("CONV_2D")][1]
    assert not np.array_equal(seen[output], reference(content, inputs, [output])[output])


@pytest.mark.parametrize("name", ["resnet8_cifar10", "dscnn_kws"])
def test_answers_are_the_interpreters_image_by_image(name):
    source = MODELS[name][0]
    content, inputs = shared("data", "models", f"{name}_int8.tflite").read_bytes(), source(500)
    network = build(parse(content))
    found = run(Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network)), inputs)
    expected = reference(content, inputs, [network.output_index])[network.output_index]
    assert len(found) == 500
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    np.testing.assert_array_equal(found, expected)
