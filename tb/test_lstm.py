# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 against the reference interpreter, bit for bit, and what is refused of it."""

import re
from itertools import pairwise

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.operators import fixed_point
from sysmt.sim.nn.readers.tflite import parse
from tb.references.interpreter import reference_outputs

from .tflite_models import ModelBuilder

ABSENT = -1


def lstm(batch=1, time=4, inputs=6, cells=5, outputs=5, seed=1, **more):
    """A model of one operator: its builder, input and output.

    `more`: coupled, peephole, projection, time_major, activation, cell_clip, proj_clip, cell_scale, normalised, hidden.
    """
    rng = np.random.default_rng(seed)
    model = ModelBuilder()

    def weights(shape, scale, dtype="int8"):
        info = np.iinfo(dtype)
        return model.constant(rng.integers(info.min + 1, info.max + 1, shape).astype(dtype), scale)

    def biases(size):
        return model.constant(rng.integers(-3000, 3000, size).astype(np.int32), 0.0003)

    shape = (time, batch) if more.get("time_major") else (batch, time)
    x = model.tensor((*shape, inputs), "int8", 0.03, -17)
    first = 1 if more.get("coupled") else 0
    into = [ABSENT] * first + [weights((cells, inputs), scale) for scale in (0.011, 0.009, 0.013, 0.008)[first:]]
    back = [ABSENT] * first + [weights((cells, outputs), scale) for scale in (0.01, 0.012, 0.014, 0.007)[first:]]
    holes = [ABSENT] * 3
    if more.get("peephole"):
        holes = [ABSENT] * first + [weights((cells,), scale, "int16") for scale in (3e-5, 2e-5, 4e-5)[first:]]
    bias = [ABSENT] * first + [biases(cells) for _ in range(4 - first)]
    project = [ABSENT, ABSENT]
    if more.get("stray"):
        project = [ABSENT, x]
    if more.get("projection"):
        project = [weights((outputs, cells), 0.006), biases(outputs) if more["projection"] == "bias" else ABSENT]
    scale = more.get("output_scale", 0.0078)
    states = [
        model.tensor((batch, outputs), "int8", scale, 11, variable=True),
        model.tensor((batch, cells), "int16", more.get("cell_scale", 2.0**-11), variable=True),
    ]
    normal = [ABSENT] * 4
    if more.get("normalised"):
        normal = [ABSENT] * first + [weights((cells,), more["normalised"], "int16") for _ in range(4 - first)]
    y = model.tensor((*shape, outputs), "int8", scale, 11)
    hidden = model.tensor((1,), "int8", *more.get("hidden", (0.0078, 11)))
    gates = [model.tensor((1,), "int16", more.get("gates", 0.001)) for _ in range(4)]
    model.node(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        [x, *into, *back, *holes, *bias, *project, *states, *normal],
        y,
        FusedActivationFunction=more.get("activation", 4),
        CellClip=more.get("cell_clip", 0.0),
        ProjClip=more.get("proj_clip", 0.0),
        TimeMajor=bool(more.get("time_major")),
        intermediates=[*gates, hidden][: more.get("intermediates", 5)],
    )
    return model, x, y


VARIANTS = {
    "plain": {},
    "wide cell": {"cell_scale": 2.0**-9, "cells": 8, "outputs": 8},
    "narrow cell": {"cell_scale": 2.0**-15},
    "coupled gates": {"coupled": True},
    "batch": {"batch": 3},
    "time in front": {"batch": 2, "time_major": True},
    "cell clipped": {"cell_clip": 0.5},
    "peepholes": {"peephole": True},
    "coupled, peepholes": {"peephole": True, "coupled": True},
    "projection": {"projection": "bias", "outputs": 3, "hidden": (0.009, -4)},
    "projection, clipped": {"projection": True, "outputs": 7, "proj_clip": 0.3, "coupled": True},
    "normalised": {"normalised": 3e-5, "gates": 0.0005},
    "normalised, 13 cells, peepholes": {"normalised": 1e-4, "cells": 13, "outputs": 13, "peephole": True},
    "normalised, coupled, projection": {
        "normalised": 2e-5,
        "coupled": True,
        "projection": "bias",
        "outputs": 4,
        "cells": 8,
    },
    "normalised, sums alike": {"normalised": 1e-4, "gates": 3.0},
    "another zero point": {"hidden": (0.0078, -3)},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_equal_to_the_interpreter(name):
    """Ten inputs in a row: the state of one is where the next begins."""
    model, x, y = lstm(**VARIANTS[name])
    content = model.content([x], [y])
    ours = Model(build(parse(content)))
    rng = np.random.default_rng(4)
    samples = rng.integers(-128, 128, (10, *ours.inputs[0].shape)).astype(np.int8)
    samples[:3] //= 8
    expected = np.stack([found[0] for found in reference_outputs(content, [[sample] for sample in samples])])
    found = ours.run([samples[:, 0] if samples.shape[1] == 1 else samples])[0].reshape(expected.shape)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 12
    alone = ours.run([samples[1]])[0]
    assert not np.array_equal(alone, expected[1])  # the past matters


REFUSED = {
    "layer normalisation": (
        {"normalised": 1e-4, "gates": 0.0, "intermediates": 5},
        r"must give the scales of its gates' sums, not nothing; convert it again",
    ),
    "activation": ({"activation": 1}, r"must have the activation TANH, not RELU"),
    "cell scale": (
        {"cell_scale": 0.0007},
        r"must keep an int16 cell with a scale of 2\*\*-15 to 2\*\*-9, not int16 .*",
    ),
    "outputs": ({"outputs": 4}, r"must have as many outputs as cells, 5, or a projection"),
    "peepholes": ({"projection": True, "outputs": 3, "peephole": True}, r"must have 3 peephole weights, not \(5,\)"),
    "hidden": ({"intermediates": 4}, r"must give the scale of its hidden values, not nothing; convert it again"),
    "computed parameters": (
        {"stray": True},
        r"must have constants beside its states, not input 17; freeze the model",
    ),
    "clip": ({"cell_clip": -1.0}, r"must have cell_clip from 0 up, not -1.0; convert it again"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    more, message = REFUSED[name]
    model, x, y = lstm(**more)
    with pytest.raises(UserError) as error:
        build(parse(model.content([x], [y])))
    assert re.fullmatch(rf"operator 0 \(UNIDIRECTIONAL_SEQUENCE_LSTM\) {message}", str(error.value))


@pytest.mark.parametrize("bits", [16, 32])
def test_fixed_point_functions(bits):
    """Close to the real functions over their whole range: the interpreter never shows most of it."""
    step = 1 if bits == 16 else 65521
    for integer_bits in (0, 3, 4, 6):
        raw = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1), step, dtype=np.int64)
        real = raw * 2.0 ** (integer_bits - bits + 1)
        tolerance = 2.0**-10 if bits == 16 else 2.0**-22
        found = fixed_point.logistic(raw, integer_bits, bits) * 2.0 ** (1 - bits)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-real)), rtol=0, atol=tolerance)
        found = fixed_point.tanh(raw, integer_bits, bits) * 2.0 ** (1 - bits)
        np.testing.assert_allclose(found, np.tanh(real), rtol=0, atol=tolerance)


def test_logarithm():
    """From 1 to 4096 in Q12.19, and it never falls."""
    raw = np.unique(np.geomspace(2**19, 2**31 - 1, 5000).astype(np.int64))
    found = fixed_point.logarithm(raw, 12, 5)
    np.testing.assert_allclose(found * 2.0**-26, np.log(raw * 2.0**-19), rtol=0, atol=2.0**-23)
    assert all(a <= b + 8 for a, b in pairwise(found.tolist()))
