# SPDX-License-Identifier: Apache-2.0
"""Operators of any rank and several outputs against the reference interpreter's kernels, bit for bit."""

import numpy as np
import pytest

from .operator_models import RNG, compare, numbers
from .tflite_models import ModelBuilder


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
