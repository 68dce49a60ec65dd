# SPDX-License-Identifier: Apache-2.0
"""600 damaged model files: each is refused in one line, or gives what the reference gives where that takes it too."""

import io
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.operators.table import ANY, OPERATORS
from sysmt.sim.nn.readers.tflite import parse

from .int8_networks import small_content
from .operator_models import layer, svdf
from .test_int8_inputs import mutants
from .test_lstm import lstm
from .tflite_models import ModelBuilder

REFERENCE = """
import pickle, resource, sys
from tb.references.interpreter import reference_outputs
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
for content, inputs in pickle.load(sys.stdin.buffer):
    try:
        found = reference_outputs(content, [inputs])[0]
    except Exception:
        found = None
    pickle.dump(found, sys.stdout.buffer)
    sys.stdout.buffer.flush()
"""
"""Runs what it is given, in a process of its own: a damaged file may be its end."""


def moves() -> bytes:
    """A chain of operators that move values."""
    model = ModelBuilder()

    def like(*shape):
        return model.tensor(shape, "int8", 0.1, 3)

    def numbers(*values):
        return model.constant(np.array(values, np.int32))

    x = like(1, 4, 6)
    a = model.node("TRANSPOSE", [x, numbers(0, 2, 1)], like(1, 6, 4))
    masks = {"BeginMask": 1, "EndMask": 1}
    b = model.node("STRIDED_SLICE", [a, numbers(0, 1, 0), numbers(0, 5, 4), numbers(1, 2, 1)], like(1, 2, 4), **masks)
    c = model.node("CONCATENATION", [b, a], like(1, 8, 4), Axis=1)
    d = model.node("RESHAPE", [c, numbers(1, 32)], like(1, 32))
    e = model.node("MEAN", [c, numbers(1)], model.tensor((1, 4), "int8", 0.2, 0), KeepDims=False)
    f = model.node("LOGISTIC", [d], model.tensor((1, 32), "int8", 1 / 256, -128))
    return model.content([x], [e, f])


def products(kind: str, dtype: str) -> bytes:
    model, x, y = layer(kind, dtype)
    return model.content([x], [y])


def recurrent() -> bytes:
    model, x, y = svdf(2)
    return model.content([x], [y])


def sequence() -> bytes:
    model, x, y = lstm(time=2, peephole=True, normalised=1e-4)
    logarithm = model.node("LOG_SOFTMAX", [y], model.tensor((1, 2, 5), "int8", 1 / 16, 127))
    return model.content([x], [y, logarithm])


CONTENTS = {
    "network": small_content,
    "moves": moves,
    "svdf": recurrent,
    "lstm": sequence,
    "fully connected": lambda: products("FULLY_CONNECTED", "int8"),
    "convolution of uint8": lambda: products("CONV_2D", "uint8"),
}


def inputs_of(model: Model) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    made = []
    for tensor in model.inputs:
        values = rng.normal(size=tensor.shape) if tensor.dtype == "float32" else rng.integers(0, 100, tensor.shape)
        made.append(values.astype(tensor.dtype))
    return made


def references(tasks: list[tuple[bytes, list[np.ndarray]]]) -> list[list[np.ndarray] | None]:
    """What the reference gives; None where it refuses, or ends with the file."""
    found: list[list[np.ndarray] | None] = []
    while len(found) < len(tasks):
        done = subprocess.run(
            [sys.executable, "-c", REFERENCE], input=pickle.dumps(tasks[len(found) :]), capture_output=True
        )
        stream, before = io.BytesIO(done.stdout), len(found)
        while stream.tell() < len(done.stdout):
            found.append(pickle.load(stream))
        if done.returncode and len(found) < len(tasks):
            found.append(None)
        assert len(found) > before
    return found


@pytest.mark.parametrize("name", CONTENTS)
def test_damaged_models(name):
    pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    said, tasks, ours = [], [], []
    for raw in mutants(CONTENTS[name](), 100, 9):
        start = perf_counter()
        try:
            model = Model(build(parse(raw)))
            inputs = inputs_of(model)
            ours.append(model.run(inputs))
            tasks.append((raw, inputs))
        except UserError as error:
            said.append(str(error))
        assert perf_counter() - start < 10
    assert len(said) > 20
    assert all("\n" not in line and len(line) < 1200 for line in said)
    equal = 0
    for found, wanted in zip(ours, references(tasks), strict=True):
        if wanted is None:
            continue
        equal += 1
        assert [(a.dtype, a.shape) for a in found] == [(b.dtype, b.shape) for b in wanted]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    assert equal > 0


@pytest.mark.parametrize("name", CONTENTS)
def test_an_input_too_many_is_refused(name):
    """It was a traceback when the model ran."""
    graph = parse(CONTENTS[name]())
    for place, node in enumerate(graph.nodes):
        if OPERATORS[node.kind].inputs == ANY:
            continue
        more = node.inputs + (graph.input,) * (1 + OPERATORS[node.kind].inputs - len(node.inputs))
        nodes = (*graph.nodes[:place], replace(node, inputs=more), *graph.nodes[place + 1 :])
        message = f"{node.name} must have at most {len(more) - 1} inputs, not {len(more)}; the file is damaged"
        with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
            build(replace(graph, nodes=nodes))
