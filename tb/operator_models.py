# SPDX-License-Identifier: Apache-2.0
"""Models of one operator, and their comparison with the kernels of the reference interpreter, bit for bit.

Every model runs on inputs of the whole range, one by one on the interpreter and together here.
"""

import numpy as np

from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse
from tb.references.interpreter import reference_outputs

from .tflite_models import ModelBuilder


def compare(model, inputs, outputs, count=6, seed=7, distinct=3, **more):
    """Both must agree in every output."""
    content = model.content(inputs, outputs)
    ours = Model(build(parse(content)))
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        sample = []
        for tensor in ours.inputs:
            if tensor.dtype == "float32":
                sample.append(rng.normal(scale=3, size=tensor.shape).astype(np.float32))
            else:
                info = np.iinfo(tensor.dtype)
                sample.append(rng.integers(info.min, info.max + 1, tensor.shape).astype(tensor.dtype))
        samples.append(sample)
    expected = reference_outputs(content, samples, **more)
    for sample, wanted in zip(samples, expected, strict=True):
        found = ours.run(sample)
        assert [(a.dtype, a.shape) for a in found] == [(b.dtype, b.shape) for b in wanted]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    together = ours.run(
        [np.stack(v)[:, 0] if v[0].shape[:1] == (1,) else np.stack(v) for v in zip(*samples, strict=True)]
    )
    for i, values in enumerate(together):
        np.testing.assert_array_equal(values.reshape(-1), np.stack([wanted[i] for wanted in expected]).reshape(-1))
    assert max(len(np.unique(values)) for values in together) >= distinct  # no constant agrees with a constant


RNG = np.random.default_rng(5)


def constant(model, shape, scale=(), zero=0, dtype="int8"):
    info = np.iinfo(dtype)
    data = RNG.integers(info.min, info.max + 1, shape).astype(dtype)
    return model.tensor(shape, dtype, scale, zero, data=data)


def numbers(model, values, dtype=np.int32):
    return model.constant(np.array(values, dtype))


def compare_sequence(model, inputs, outputs, count=12, more=()):
    """The same of a model with state: all inputs in one run are those of one interpreter, one after the other."""
    content = model.content(inputs, outputs, more=more)
    ours = Model(build(parse(content)))
    rng = np.random.default_rng(4)
    stacks = [rng.integers(-128, 128, (count, *tensor.shape[1:])).astype(tensor.dtype) for tensor in ours.inputs]
    expected = reference_outputs(content, [[values[i : i + 1] for values in stacks] for i in range(count)])
    found = ours.run(stacks)
    for i, values in enumerate(found):
        np.testing.assert_array_equal(values, np.concatenate([wanted[i] for wanted in expected]))
    assert not np.array_equal(found[0][1], ours.run([values[1:2] for values in stacks])[0][0])  # the past matters


def layer(kind, dtype="int8", w=None, bias="int32", scales=0.01, axis=0, zero=0, groups=1):
    """A convolution or fully connected layer of 4 channels."""
    model = ModelBuilder()
    unit = 0.0004 if dtype == "int16" else 0.05
    offset = {"int8": -17, "uint8": 111, "int16": 0}[dtype]
    n, depthwise = 6 if kind != "DEPTHWISE_CONV_2D" else 8, kind == "DEPTHWISE_CONV_2D"
    if kind == "FULLY_CONNECTED":
        shape, out, weights = (2, 12), (2, n), (n, 12)
    else:
        shape, out = (2, 5, 6, 4), (2, 5, 6, n)
        weights = (1, 3, 3, n) if depthwise else (n, 3, 3, 4 // groups)
    x = model.tensor(shape, dtype, unit, offset)
    kind_of_weights = w or ("uint8" if dtype == "uint8" else "int8")
    info = np.iinfo(kind_of_weights)
    low = info.min + (1 if info.min and not zero else 0)
    data = RNG.integers(low, info.max + 1, weights).astype(kind_of_weights)
    w = model.tensor(weights, kind_of_weights, scales, zero, axis, data)
    b = []
    if bias:
        values = RNG.integers(-2000, 2000, n).astype(bias)
        b = [model.constant(values, unit * np.broadcast_to(scales, n) if np.ndim(scales) else unit * scales)]
    y = model.tensor(out, dtype, unit * 8, offset)
    options = (
        {} if kind == "FULLY_CONNECTED" else {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    )
    if depthwise:
        options["DepthMultiplier"] = 2
    elif dtype == "int16" and bias == "int32":
        options["QuantizedBiasType"] = 2
    model.node(kind, [x, w, *b], y, **options, FusedActivationFunction=1)
    return model, x, y


def svdf(rank, zero=-5):
    """Two units over the last three inputs."""
    model = ModelBuilder()
    x = model.tensor((1, 6), "int8", 0.05, zero)
    w = constant(model, (2 * rank, 6), 0.01)
    times = constant(model, (2 * rank, 3), 0.0005, 0, "int16")
    bias = model.constant(RNG.integers(-2000, 2000, 2).astype(np.int32))
    state = model.tensor((1, 6 * rank), "int16", 0.003, variable=True)
    y = model.tensor((1, 2), "int8", 0.8, 9)
    model.node("SVDF", [x, w, times, bias, state], y, Rank=rank, FusedActivationFunction=1)
    return model, x, y
