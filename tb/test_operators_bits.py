# SPDX-License-Identifier: Apache-2.0
"""Operators of any rank and several outputs against the reference interpreter's kernels, on small models, bit for bit.

Every model runs on inputs of the whole range, one by one on the interpreter and together here.
"""

import numpy as np
import pytest

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


ZEROS = {"int8": (-9, 14, -20), "uint8": (120, 7, 100), "int16": (0, 0, 0)}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize(
    ("first", "second", "fixed"),
    [((1, 3, 4, 5), (5,), True), ((3, 4), (2, 3, 1), False), ((1, 4, 5), (), True), ((2, 3), (2, 3), False)],
)
def test_arithmetic(kind, dtype, first, second, fixed):
    zeros = ZEROS[dtype]
    unit = 0.001 if dtype == "int16" else 1
    model = ModelBuilder()
    a = model.tensor(first, dtype, 0.043 * unit, zeros[0])
    make = (lambda *rest: constant(model, *rest)) if fixed else None
    b = make(second, 0.021 * unit, zeros[1], dtype) if fixed else model.tensor(second, dtype, 0.021 * unit, zeros[1])
    out = np.broadcast_shapes(first, second)
    y = model.tensor(out, dtype, (0.061 if kind != "MUL" else 0.9) * unit, zeros[2])
    activation = {"FusedActivationFunction": 1 if kind == "ADD" else 0}
    if dtype == "int16" and kind != "MUL":
        activation["PotScaleInt16"] = False
    model.node(kind, [a, b], y, **activation)
    compare(model, [a] if fixed else [a, b], [y], count=20)


@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_extremes(kind, dtype):
    model = ModelBuilder()
    a, b = model.tensor((2, 4, 3), dtype, 0.1, 0), constant(model, (3,), 0.1, 0, dtype)
    compare(model, [a], [model.node(kind, [a, b], model.tensor((2, 4, 3), dtype, 0.1, 0))])


def test_squared_difference():
    model = ModelBuilder()
    a, b = model.tensor((1, 5, 6), "int8", 0.03, 4), model.tensor((6,), "int8", 0.05, -9)
    compare(model, [a, b], [model.node("SQUARED_DIFFERENCE", [a, b], model.tensor((1, 5, 6), "int8", 0.4, -128))], 20)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    ("kind", "scale", "zero"),
    [
        ("LOGISTIC", 1 / 256, -128),
        ("TANH", 1 / 128, 0),
        ("HARD_SWISH", 0.03, -110),
        ("LEAKY_RELU", 0.05, -40),
        ("RELU", 0.04, -20),
        ("RELU6", 0.03, -128),
    ],
)
@pytest.mark.parametrize("unit", [0.013, 0.05, 0.21])
def test_functions_of_one_value(kind, dtype, scale, zero, unit):
    shift = 128 if dtype == "uint8" else 0
    model = ModelBuilder()
    x = model.tensor((4, 64), dtype, unit, -7 + shift)
    y = model.tensor((4, 64), dtype, scale if kind != "HARD_SWISH" else unit * 0.8, zero + shift)
    model.node(kind, [x], y, **({"Alpha": -0.3} if kind == "LEAKY_RELU" else {}))
    compare(model, [x], [y], count=3)


@pytest.mark.parametrize("scale", [0.07, 0.02])
def test_absolute_and_elu(scale):
    model = ModelBuilder()
    x = model.tensor((300,), "int8", 0.07, 11)
    a = model.node("ABS", [x], model.tensor((300,), "int8", scale, -128))
    compare(model, [x], [a], count=3)
    model = ModelBuilder()
    x = model.tensor((300,), "int8", 0.07, 11)
    e = model.node("ELU", [x], model.tensor((300,), "int8", scale, -90))
    compare(model, [x], [e], count=3, kernels="BUILTIN_WITHOUT_DEFAULT_DELEGATES")  # the others have none


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_prelu(dtype):
    zero = 0 if dtype == "int8" else 128
    model = ModelBuilder()
    x = model.tensor((2, 3, 4, 5), dtype, 0.05, 3 + zero)
    alpha = constant(model, (1, 1, 5), 0.01, 9 + zero, dtype)
    compare(model, [x], [model.node("PRELU", [x, alpha], model.tensor((2, 3, 4, 5), dtype, 0.06, -8 + zero))])


@pytest.mark.parametrize(("align", "half"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size", [(8, 9), (3, 2), (13, 1)])
@pytest.mark.parametrize("kind", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_resize(kind, size, align, half, dtype):
    model = ModelBuilder()
    x = model.tensor((2, 5, 4, 3), dtype, 0.1, 0)
    y = model.tensor((2, *size, 3), dtype, 0.1, 0)
    model.node(kind, [x, numbers(model, size)], y, AlignCorners=align, HalfPixelCenters=half)
    compare(model, [x], [y])


@pytest.mark.parametrize(
    ("shape", "order"), [((1, 2, 3, 4), (0, 3, 1, 2)), ((3, 1, 4), (1, 2, 0)), ((1, 6, 5), (2, 0, 1)), ((2, 3), (1, 0))]
)
def test_transpose(shape, order):
    model = ModelBuilder()
    x = model.tensor(shape, "int8", 0.1, 3)
    y = model.tensor(tuple(shape[i] for i in order), "int8", 0.1, 3)
    compare(model, [x], [model.node("TRANSPOSE", [x, numbers(model, order)], y)])


@pytest.mark.parametrize(
    ("begin", "end", "stride", "masks", "out"),
    [
        ((0, 1, 0, 1), (1, 4, 5, 3), (1, 2, 1, 1), {}, (1, 2, 5, 2)),
        ((0, 0, 0, 0), (0, 0, 2, 0), (1, 1, 1, 1), {"BeginMask": 11, "EndMask": 11}, (1, 4, 2, 6)),
        ((0, -1, 0, 0), (1, -5, 5, 6), (1, -1, 1, 3), {}, (1, 4, 5, 2)),
        ((0, 0, 2), (1, 4, 3), (1, 1, 1), {"ShrinkAxisMask": 4}, (1, 4, 6)),
        ((0, 1), (0, 2), (1, 1), {"EllipsisMask": 1, "ShrinkAxisMask": 2}, (1, 4, 5)),
        ((0, 0, 1), (1, 1, 3), (1, 1, 1), {"NewAxisMask": 2}, (1, 1, 2, 5, 6)),
        ((0, 1, 1, 1), (1, 2, 3, 4), (1, 1, 1, 1), {"Offset": True}, (1, 2, 3, 4)),
    ],
)
def test_strided_slice(begin, end, stride, masks, out):
    model = ModelBuilder()
    x, y = model.tensor((1, 4, 5, 6), "int8", 0.1, 3), model.tensor(out, "int8", 0.1, 3)
    model.node("STRIDED_SLICE", [x, *(numbers(model, v) for v in (begin, end, stride))], y, **masks)
    compare(model, [x], [y])


def test_slice_split_unpack_pack_gather_tile():
    model = ModelBuilder()
    x = model.tensor((1, 4, 6), "int8", 0.1, 3)

    def like(shape):
        return model.tensor(shape, "int8", 0.1, 3)

    cut = model.node("SLICE", [x, numbers(model, [0, 1, 2]), numbers(model, [1, -1, 3])], like((1, 3, 3)))
    halves = model.node("SPLIT", [numbers(model, 2), x], [like((1, 4, 3)), like((1, 4, 3))], NumSplits=2)
    sizes = numbers(model, [1, -1, 2])
    thirds = [like((1, 4, n)) for n in (1, 3, 2)]
    model.node("SPLIT_V", [x, sizes, numbers(model, -1)], thirds, NumSplits=3)
    rows = model.node("UNPACK", [x], [like((1, 6)) for _ in range(4)], Axis=1, Num=4)
    stack = model.node("PACK", [rows[2], rows[0]], like((2, 1, 6)), Axis=0, ValuesCount=2)
    some = model.node("GATHER", [x, numbers(model, [[3, 0], [1, 1]])], like((1, 2, 2, 6)), Axis=1)
    tiled = model.node("TILE", [cut, numbers(model, [2, 1, 2])], like((2, 3, 6)))
    compare(model, [x], [cut, *halves, *thirds, *rows, stack, some, tiled])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_reductions(dtype):
    model = ModelBuilder()
    x = model.tensor((2, 5, 3, 4), dtype, 0.1, 5)
    outs = []
    for kind, axes, shape, keep in [
        ("MEAN", [1, 2], (2, 4), False),
        ("MEAN", [0, -1], (1, 5, 3, 1), True),
        ("REDUCE_MAX", [1], (2, 3, 4), False),
        ("REDUCE_MIN", [3, 2], (2, 5, 1, 1), True),
        *([("SUM", [2], (2, 5, 4), False)] if dtype == "uint8" else []),
    ]:
        scale = 0.1 if "REDUCE" in kind else 0.15
        y = model.tensor(shape, dtype, scale, 5)
        outs.append(model.node(kind, [x, numbers(model, axes)], y, KeepDims=keep))
    compare(model, [x], outs)


@pytest.mark.parametrize("kind", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize("out", ["int32", "int64"])
def test_arguments(kind, out):
    model = ModelBuilder()
    x = model.tensor((3, 7, 2), "int8", 0.1, 5)
    y = model.tensor((3, 2), out)
    model.node(kind, [x, numbers(model, 1)], y, OutputType={"int32": 2, "int64": 4}[out])
    compare(model, [x], [y])


def test_space_and_batch():
    model = ModelBuilder()
    x = model.tensor((1, 7, 5, 3), "int8", 0.1, 5)
    block, edges = numbers(model, [3, 2]), numbers(model, [[1, 1], [0, 1]])
    b = model.node("SPACE_TO_BATCH_ND", [x, block, edges], model.tensor((6, 3, 3, 3), "int8", 0.1, 5))
    crops = numbers(model, [[1, 0], [0, 2]])
    y = model.node("BATCH_TO_SPACE_ND", [b, block, crops], model.tensor((1, 8, 4, 3), "int8", 0.1, 5))
    compare(model, [x], [b, y])


def test_space_and_depth():
    model = ModelBuilder()
    x = model.tensor((2, 4, 6, 8), "int8", 0.1, 5)
    d = model.node("SPACE_TO_DEPTH", [x], model.tensor((2, 2, 3, 32), "int8", 0.1, 5), BlockSize=2)
    s = model.node("DEPTH_TO_SPACE", [x], model.tensor((2, 8, 12, 2), "int8", 0.1, 5), BlockSize=2)
    compare(model, [x], [d, s])


@pytest.mark.parametrize("mode", [0, 1])
def test_padding(mode):
    model = ModelBuilder()
    x = model.tensor((1, 4, 5, 2), "int8", 0.1, 5)
    edges = numbers(model, [[0, 0], [2, 3], [1, 0], [0, 1]])
    mirrored = model.node("MIRROR_PAD", [x, edges], model.tensor((1, 9, 6, 3), "int8", 0.1, 5), Mode=mode)
    value = model.tensor((), "int8", 0.1, 5, data=np.array(77, np.int8))
    padded = model.node("PADV2", [x, edges, value], model.tensor((1, 9, 6, 3), "int8", 0.1, 5))
    compare(model, [x], [mirrored, padded])


@pytest.mark.parametrize(("adj_x", "adj_y"), [(False, False), (False, True), (True, False), (True, True)])
def test_batch_matmul(adj_x, adj_y):
    model = ModelBuilder()
    a = model.tensor((2, 3, 6, 4) if adj_x else (2, 3, 4, 6), "int8", 0.05, 4)
    b = model.tensor((3, 5, 6) if adj_y else (3, 6, 5), "int8", 0.03, -11)
    y = model.tensor((2, 3, 4, 5), "int8", 0.4, 7)
    compare(model, [a, b], [model.node("BATCH_MATMUL", [a, b], y, AdjX=adj_x, AdjY=adj_y)])


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("padding", "stride", "out"), [(0, 2, (8, 6)), (1, 2, (9, 8)), (0, 1, (4, 3)), (1, 3, (12, 10))]
)
def test_transposed_convolution(padding, stride, out, bias):
    model = ModelBuilder()
    x = model.tensor((1, 4, 3, 5), "int8", 0.05, 4)
    w = model.constant(RNG.integers(-127, 128, (6, 3, 4, 5)).astype(np.int8), np.linspace(0.002, 0.01, 6))
    shape = (1, 9 if padding and stride == 2 else out[0], out[1], 6)
    y = model.tensor(shape, "int8", 0.3, 7)
    extra = [model.constant(RNG.integers(-2000, 2000, 6).astype(np.int32), np.ones(6))] if bias else []
    model.node(
        "TRANSPOSE_CONV", [numbers(model, shape), w, x, *extra], y, Padding=padding, StrideH=stride, StrideW=stride
    )
    compare(model, [x], [y])


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


@pytest.mark.parametrize("rank", [1, 2])
def test_svdf_remembers(rank):
    model, x, y = svdf(rank)
    compare_sequence(model, [x], [y])


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


KINDS = ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"]


SOME_BIASES = [(kind, bias) for kind in KINDS for bias in ("int64", "int32", None)]
SOME_BIASES.remove(("DEPTHWISE_CONV_2D", "int32"))  # the reference takes neither this
SOME_BIASES.remove(("CONV_2D", None))  # nor this


@pytest.mark.parametrize(("kind", "bias"), SOME_BIASES)
@pytest.mark.parametrize("channels", [False, True])
def test_sixteen_bit_activations(kind, bias, channels):
    n = 8 if kind.startswith("DEPTH") else 6
    scales = np.linspace(0.004, 0.01, n) if channels or kind != "FULLY_CONNECTED" else 0.01
    model, x, y = layer(kind, "int16", bias=bias, scales=scales, axis=3 if n == 8 else 0)
    compare(model, [x], [y])


@pytest.mark.parametrize(("kind", "bias"), [*((kind, "int32") for kind in KINDS), ("FULLY_CONNECTED", None)])
@pytest.mark.parametrize("zero", [0, 100, 128, 255])
def test_unsigned_layers(kind, zero, bias):
    model, x, y = layer(kind, "uint8", zero=zero, bias=bias)
    compare(model, [x], [y])


@pytest.mark.parametrize("zero", [-128, -7, 90])
def test_asymmetric_weights(zero):
    model, x, y = layer("FULLY_CONNECTED", zero=zero)
    compare(model, [x], [y])


@pytest.mark.parametrize("groups", [2, 4])
def test_grouped_convolution(groups):
    n = 6 if groups == 2 else 8
    model = ModelBuilder()
    x = model.tensor((1, 5, 6, 4), "int8", 0.05, -17)
    w = model.constant(RNG.integers(-127, 128, (n, 3, 3, 4 // groups)).astype(np.int8), np.linspace(0.002, 0.01, n))
    y = model.tensor((1, 5, 6, n), "int8", 0.1, 5)
    b = model.constant(RNG.integers(-2000, 2000, n).astype(np.int32), np.ones(n))
    model.node("CONV_2D", [x, w, b], y, StrideH=1, StrideW=1, DilationHFactor=1, DilationWFactor=1)
    compare(model, [x], [y])


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_pooling_of_other_types(kind, dtype):
    model = ModelBuilder()
    zero = 100 if dtype == "uint8" else 0
    x, y = model.tensor((2, 5, 6, 3), dtype, 0.05, zero), model.tensor((2, 3, 3, 3), dtype, 0.05, zero)
    model.node(kind, [x], y, StrideH=2, StrideW=2, FilterHeight=3, FilterWidth=2, FusedActivationFunction=1)
    compare(model, [x], [y])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("n", "scale", "beta"), [(3, 0.03, 1), (10, 0.2, 2), (1001, 0.08, 1)])
def test_softmax(dtype, n, scale, beta):
    model = ModelBuilder()
    x, y = model.tensor((5, n), dtype, scale, 24), model.tensor((5, n), dtype, 1 / 256, -128 if dtype == "int8" else 0)
    compare(model, [x], [model.node("SOFTMAX", [x], y, Beta=beta)], 5)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("n", "scale"), [(1, 0.05), (3, 0.03), (12, 0.11), (200, 0.4), (1001, 0.002)])
def test_log_softmax(dtype, n, scale):
    model = ModelBuilder()
    zero = 127 if dtype == "int8" else 255
    x, y = model.tensor((40, n), dtype, scale, 24), model.tensor((40, n), dtype, 1 / 16, zero)
    compare(model, [x], [model.node("LOG_SOFTMAX", [x], y)], 5, distinct=1 if n == 1 else 3)


@pytest.mark.parametrize(
    ("of", "to"), [(of, to) for of in ("int8", "uint8", "int16", "float32") for to in ("int8", "int16")]
)
def test_quantize(of, to):
    model = ModelBuilder()
    unit = {"int8": 0.05, "uint8": 0.05, "int16": 0.0003}
    x = model.tensor((3, 50), of, unit.get(of, ()), {"uint8": 120, "int8": -5}.get(of, 0))
    y = model.tensor((3, 50), to, 0.7 * unit[to], {"uint8": 90, "int8": 7}.get(to, 0))
    back = model.tensor((3, 50), "float32")
    compare(model, [x], [model.node("QUANTIZE", [x], y), model.node("DEQUANTIZE", [y], back)])


def test_unsigned_concatenation_rescales():
    model = ModelBuilder()
    a, b = model.tensor((1, 3, 4), "uint8", 0.05, 10), model.tensor((1, 2, 4), "uint8", 0.083, 99)
    y = model.tensor((1, 5, 4), "uint8", 0.07, 30)
    compare(model, [a, b], [model.node("CONCATENATION", [a, b], y, Axis=-2)], 20)


def test_variables_remember():
    """A streaming window: the last three inputs, kept in a variable that a subgraph of CALL_ONCE sets first."""
    model, first = ModelBuilder(), ModelBuilder()

    def handle(builder):
        resource = builder.tensor((), "resource")
        return builder.node("VAR_HANDLE", [], resource, Container="", SharedName="window")

    start = first.constant(RNG.integers(-128, 128, (1, 3, 4)).astype(np.int8), 0.05)
    first.node("ASSIGN_VARIABLE", [handle(first), start], [])
    x = model.tensor((1, 1, 4), "int8", 0.05)
    model.node("CALL_ONCE", [], [], InitSubgraphIndex=1)
    window = handle(model)
    before = model.node("READ_VARIABLE", [window], model.tensor((1, 3, 4), "int8", 0.05))
    masks = {"BeginMask": 5, "EndMask": 7}
    part = model.tensor((1, 2, 4), "int8", 0.05)
    model.node(
        "STRIDED_SLICE", [before, *(numbers(model, v) for v in ((0, 1, 0), (0, 0, 0), (1, 1, 1)))], part, **masks
    )
    after = model.node("CONCATENATION", [part, x], model.tensor((1, 3, 4), "int8", 0.05), Axis=1)
    model.node("ASSIGN_VARIABLE", [window, after], [])
    mean = model.node("MEAN", [after, numbers(model, 1)], model.tensor((1, 4), "int8", 0.05), KeepDims=False)
    compare_sequence(model, [x], [mean], more=[first])
