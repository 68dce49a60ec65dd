# SPDX-License-Identifier: Apache-2.0
"""The attributes of .tflite operators: their tables in the schema, and our names for the fields.

A table or a field that is not in the file has the default of the schema.
"""

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import tflite
from tflite.utils import BUILTIN_OPCODE2NAME

from sysmt.base.errors import UserError

CUSTOM = 32
"""The operator code of operators that go by a name of their own."""
DTYPES = {
    tflite.TensorType.FLOAT32: "float32",
    tflite.TensorType.FLOAT16: "float16",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT64: "int64",
    tflite.TensorType.STRING: "string",
    tflite.TensorType.BOOL: "bool",
    tflite.TensorType.INT16: "int16",
    tflite.TensorType.COMPLEX64: "complex64",
    tflite.TensorType.INT8: "int8",
    tflite.TensorType.FLOAT64: "float64",
    tflite.TensorType.COMPLEX128: "complex128",
    tflite.TensorType.UINT64: "uint64",
    tflite.TensorType.RESOURCE: "resource",
    tflite.TensorType.VARIANT: "variant",
    tflite.TensorType.UINT32: "uint32",
    tflite.TensorType.UINT16: "uint16",
    tflite.TensorType.INT4: "int4",
}
"""numpy's names where it has them."""
ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH", 5: "SIGN_BIT"}
PADDINGS = {0: "SAME", 1: "VALID"}
MODES = {0: "REFLECT", 1: "SYMMETRIC"}
CODED = {"activation": ACTIVATIONS, "padding": PADDINGS, "mode": MODES}
"""Attributes that are numbers in the file and names here."""

_ACTIVATION = {"activation": "FusedActivationFunction"}
_WINDOW = {"padding": "Padding", "stride_h": "StrideH", "stride_w": "StrideW"} | _ACTIVATION
_DILATED = _WINDOW | {"dilation_h": "DilationHFactor", "dilation_w": "DilationWFactor"}
_POOL = _WINDOW | {"filter_h": "FilterHeight", "filter_w": "FilterWidth"}
_REDUCER = (tflite.ReducerOptions, {"keep_dims": "KeepDims"})
_RESIZE = {"align_corners": "AlignCorners", "half_pixel_centers": "HalfPixelCenters"}
_STRIDED = ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset")
OPTIONS: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "ADD": (tflite.AddOptions, _ACTIVATION | {"pot_scale_int16": "PotScaleInt16"}),
    "AVERAGE_POOL_2D": (tflite.Pool2DOptions, _POOL),
    "BATCH_MATMUL": (tflite.BatchMatMulOptions, {"adj_x": "AdjX", "adj_y": "AdjY"}),
    "CALL_ONCE": (tflite.CallOnceOptions, {"subgraph": "InitSubgraphIndex"}),
    "CONCATENATION": (tflite.ConcatenationOptions, _ACTIVATION | {"axis": "Axis"}),
    "CONV_2D": (tflite.Conv2DOptions, _DILATED | {"bias_type": "QuantizedBiasType"}),
    "CUMSUM": (tflite.CumsumOptions, {"exclusive": "Exclusive", "reverse": "Reverse"}),
    "DEPTHWISE_CONV_2D": (tflite.DepthwiseConv2DOptions, _DILATED | {"depth_multiplier": "DepthMultiplier"}),
    "DEPTH_TO_SPACE": (tflite.DepthToSpaceOptions, {"block": "BlockSize"}),
    "DIV": (tflite.DivOptions, _ACTIVATION),
    "FULLY_CONNECTED": (
        tflite.FullyConnectedOptions,
        _ACTIVATION
        | {"weights_format": "WeightsFormat", "keep_num_dims": "KeepNumDims", "bias_type": "QuantizedBiasType"},
    ),
    "GATHER": (tflite.GatherOptions, {"axis": "Axis", "batch_dims": "BatchDims"}),
    "GELU": (tflite.GeluOptions, {"approximate": "Approximate"}),
    "L2_NORMALIZATION": (tflite.L2NormOptions, _ACTIVATION),
    "LEAKY_RELU": (tflite.LeakyReluOptions, {"alpha": "Alpha"}),
    "MAX_POOL_2D": (tflite.Pool2DOptions, _POOL),
    "MEAN": _REDUCER,
    "MIRROR_PAD": (tflite.MirrorPadOptions, {"mode": "Mode"}),
    "MUL": (tflite.MulOptions, _ACTIVATION),
    "ONE_HOT": (tflite.OneHotOptions, {"axis": "Axis"}),
    "PACK": (tflite.PackOptions, {"axis": "Axis"}),
    "REDUCE_ALL": _REDUCER,
    "REDUCE_ANY": _REDUCER,
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "REDUCE_PROD": _REDUCER,
    "RESIZE_BILINEAR": (tflite.ResizeBilinearOptions, _RESIZE),
    "RESIZE_NEAREST_NEIGHBOR": (tflite.ResizeNearestNeighborOptions, _RESIZE),
    "SOFTMAX": (tflite.SoftmaxOptions, {"beta": "Beta"}),
    "SPACE_TO_DEPTH": (tflite.SpaceToDepthOptions, {"block": "BlockSize"}),
    "STRIDED_SLICE": (tflite.StridedSliceOptions, {name.lower(): name for name in _STRIDED}),
    "SUB": (tflite.SubOptions, _ACTIVATION | {"pot_scale_int16": "PotScaleInt16"}),
    "SUM": _REDUCER,
    "SVDF": (tflite.SVDFOptions, _ACTIVATION | {"rank": "Rank"}),
    "TRANSPOSE_CONV": (tflite.TransposeConvOptions, _WINDOW),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (
        tflite.UnidirectionalSequenceLSTMOptions,
        _ACTIVATION | {"cell_clip": "CellClip", "proj_clip": "ProjClip", "time_major": "TimeMajor"},
    ),
    "UNPACK": (tflite.UnpackOptions, {"axis": "Axis"}),
    "VAR_HANDLE": (tflite.VarHandleOptions, {"container": "Container", "shared_name": "SharedName"}),
}
"""Operators with attributes that matter."""


def kind_of(code: Any) -> str:
    """The operator's name in the schema; of a custom operator CUSTOM and its own name.

    Old files hold small codes in a byte of their own: the larger of the two fields counts.
    """
    builtin = max(code.DeprecatedBuiltinCode(), _wide_code(code))
    if builtin == CUSTOM:
        return f"CUSTOM {one_line(code.CustomCode()) or 'without a name'}"
    return str(BUILTIN_OPCODE2NAME.get(builtin, f"code {builtin}"))


def _wide_code(code: Any) -> int:
    """The field `builtin_code`; the library's own accessor gives the other field where this one is below 127."""
    table = code._tab
    offset = flatbuffers.number_types.UOffsetTFlags.py_type(table.Offset(10))
    return int(table.Get(flatbuffers.number_types.Int32Flags, offset + table.Pos)) if offset else 0


def one_line(raw: bytes | None) -> str:
    """A name as one short line whatever is in the file."""
    text = (raw or b"").decode("utf-8", "replace")[:80]
    return "".join(c if c.isprintable() else "?" for c in text)


def options_of(stored: Any, kind: str, name: str) -> dict[str, Any]:
    """The attributes of an operator that `name` calls in messages."""
    if kind not in OPTIONS:
        return {}
    table, names = OPTIONS[kind]
    where, options = stored.BuiltinOptions(), table()
    if where is None or stored.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, type(options).__name__):
        options.Init(_EMPTY, int(flatbuffers.encode.Get(flatbuffers.packer.uoffset, _EMPTY, 0)))
    else:
        options.Init(where.Bytes, where.Pos)
    values = {ours: getattr(options, field)() for ours, field in names.items()}
    if "bias_type" in values:
        values["bias_type"] = DTYPES.get(values["bias_type"], "unknown")
    for what, allowed in CODED.items():
        if what in values:
            if values[what] not in allowed:
                raise UserError(
                    f"{name} must have {what} one of {', '.join(allowed.values())}, not code {values[what]}"
                )
            values[what] = allowed[values[what]]
    return values


def _empty_table() -> bytes:
    builder = flatbuffers.Builder(16)
    builder.StartObject(0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


_EMPTY = _empty_table()


def int4(raw: np.ndarray, count: int) -> np.ndarray:
    """Unpack 4-bit integers, two a byte, the low half first: int8 [count]."""
    both = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)[:count].astype(np.int8)
    return both - ((both & 8) << 1)
