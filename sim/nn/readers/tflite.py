# SPDX-License-Identifier: Apache-2.0
"""Reads a .tflite file into the intermediate form. The schema's own library finds the fields; nothing is trusted.

Every vector is checked against the size of the file before it is walked, every constant against its buffer, every
index against what it points into: a damaged file costs no more time and memory than its size is worth.
"""

import struct
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from tflite.utils import BUILTIN_OPCODE2NAME

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import ABSENT, TENSOR_VALUES, Graph, Node, Tensor

FILE_BYTES = 2**30
TENSORS = 2**16
DIMENSIONS = 8
DTYPES = {
    tflite.TensorType.INT8: "int8",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.INT64: "int64",
    tflite.TensorType.FLOAT32: "float32",
}
ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
PADDINGS = {0: "SAME", 1: "VALID"}
DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, KeyError)
"""What the schema's library raises when an offset leads outside the file or a field is not what it should be."""

_WINDOW = {"padding": "Padding", "stride_h": "StrideH", "stride_w": "StrideW", "activation": "FusedActivationFunction"}
_DILATED = _WINDOW | {"dilation_h": "DilationHFactor", "dilation_w": "DilationWFactor"}
OPTIONS: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "CONV_2D": (tflite.Conv2DOptions, _DILATED),
    "DEPTHWISE_CONV_2D": (tflite.DepthwiseConv2DOptions, _DILATED | {"depth_multiplier": "DepthMultiplier"}),
    "FULLY_CONNECTED": (
        tflite.FullyConnectedOptions,
        {"activation": "FusedActivationFunction", "weights_format": "WeightsFormat"},
    ),
    "AVERAGE_POOL_2D": (tflite.Pool2DOptions, _WINDOW | {"filter_h": "FilterHeight", "filter_w": "FilterWidth"}),
    "MAX_POOL_2D": (tflite.Pool2DOptions, _WINDOW | {"filter_h": "FilterHeight", "filter_w": "FilterWidth"}),
    "ADD": (tflite.AddOptions, {"activation": "FusedActivationFunction"}),
    "CONCATENATION": (tflite.ConcatenationOptions, {"axis": "Axis", "activation": "FusedActivationFunction"}),
    "MEAN": (tflite.ReducerOptions, {"keep_dims": "KeepDims"}),
    "SOFTMAX": (tflite.SoftmaxOptions, {"beta": "Beta"}),
    "LEAKY_RELU": (tflite.LeakyReluOptions, {"alpha": "Alpha"}),
}
"""Operators with attributes: their table in the schema, and our names for its fields."""


def read(path: Path) -> Graph:
    """Read a .tflite file; a file that cannot be read or is damaged is refused in one line."""
    try:
        if path.stat().st_size > FILE_BYTES:
            raise UserError(f"model must be a file of at most {FILE_BYTES} bytes, not {path.name}; split it")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"model must be a readable file, not {str(path)!r} ({error.strerror})") from None
    return parse(content)


def parse(content: bytes) -> Graph:
    """Read the content of a .tflite file.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    UserError
        The content is no TFLite model, is damaged, has several subgraphs, inputs or outputs, or a tensor of a type
        that is not supported.
    """
    if len(content) < 16 or not tflite.Model.ModelBufferHasIdentifier(content, 0):
        raise UserError("model must be a .tflite file (identifier TFL3), not something else; convert it first")
    try:
        return _graph(tflite.Model.GetRootAs(content, 0), content)
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(
            f"model is a damaged .tflite file ({type(error).__name__} while reading it); fetch it again"
        ) from None


def _graph(model: Any, content: bytes) -> Graph:
    if model.SubgraphsLength() != 1:
        raise UserError(f"model must have one subgraph, not {model.SubgraphsLength()}; export without control flow")
    subgraph = model.Subgraphs(0)
    _walkable("tensors", subgraph.TensorsLength(), content)
    _walkable("operators", subgraph.OperatorsLength(), content)
    _walkable("operator codes", model.OperatorCodesLength(), content)
    tensors = tuple(_tensor(model, subgraph.Tensors(i), i, content) for i in range(subgraph.TensorsLength()))
    kinds = [_kind(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    nodes = [_node(subgraph.Operators(i), i, kinds, tensors) for i in range(subgraph.OperatorsLength())]
    ends = [
        _indices(values, name, tensors)
        for name, values in (("inputs", subgraph.InputsAsNumpy()), ("outputs", subgraph.OutputsAsNumpy()))
    ]
    if [len(end) for end in ends] != [1, 1] or ABSENT in (ends[0] + ends[1]):
        raise UserError(f"model must have one input and one output, not {len(ends[0])} and {len(ends[1])}")
    return Graph(tensors=tensors, nodes=tuple(nodes), input=ends[0][0], output=ends[1][0])


def _walkable(name: str, count: int, content: bytes) -> None:
    """A vector of tables takes four bytes per entry at least."""
    if not 0 < count <= min(TENSORS, len(content) // 4):
        raise UserError(f"model must have 1 to {TENSORS} {name} that its size has room for, not {count}")


def _tensor(model: Any, stored: Any, index: int, content: bytes) -> Tensor:
    name = _name(stored.Name(), index)
    dtype = DTYPES.get(stored.Type())
    if dtype is None:
        raise UserError(f"tensor {name!r} must be one of {', '.join(DTYPES.values())}, not type {stored.Type()}")
    if stored.ShapeLength() > DIMENSIONS:
        raise UserError(f"tensor {name!r} must have up to {DIMENSIONS} dimensions, not {stored.ShapeLength()}")
    if stored.Sparsity() is not None:
        raise UserError(f"tensor {name!r} must be stored densely, not sparsely; export it without sparse encoding")
    shape = tuple(stored.Shape(i) for i in range(stored.ShapeLength()))
    quantization = stored.Quantization()
    scale: np.ndarray = np.zeros(0, np.float32)
    zero_point: np.ndarray = np.zeros(0, np.int64)
    axis = 0
    if quantization is not None and quantization.ScaleLength() and dtype in ("int8", "uint8"):
        scale = _vector(quantization.ScaleAsNumpy())
        # Absent zero points are zeros.
        zero_point = _vector(quantization.ZeroPointAsNumpy()) if quantization.ZeroPointLength() else scale * 0
        axis = quantization.QuantizedDimension()
    return Tensor(
        name=name,
        shape=shape,
        dtype=dtype,
        scale=scale.astype(np.float32),
        zero_point=zero_point.astype(np.int64),
        axis=axis,
        data=_data(model, stored.Buffer(), name, shape, dtype, content),
    )


def _name(raw: bytes | None, index: int) -> str:
    """A tensor's name as one short line whatever is in the file."""
    text = (raw or b"").decode("utf-8", "replace")[:80]
    return "".join(c if c.isprintable() else "?" for c in text) or f"tensor {index}"


def _data(model: Any, buffer: int, name: str, shape: tuple[int, ...], dtype: str, content: bytes) -> np.ndarray | None:
    if not 0 <= buffer < model.BuffersLength() or model.BuffersLength() > len(content) // 4:
        raise UserError(f"tensor {name!r} refers to buffer {buffer} of {model.BuffersLength()}; the file is damaged")
    stored = model.Buffers(buffer)
    if stored.Offset() > 1:
        raise UserError(f"tensor {name!r} must be inside the model's own buffers, not appended; export it below 2 GB")
    if not stored.DataLength():
        return None
    raw = _vector(stored.DataAsNumpy())
    wanted = prod(shape) * np.dtype(dtype).itemsize
    if min(shape, default=1) < 0 or prod(shape) > TENSOR_VALUES or raw.nbytes != wanted:
        raise UserError(f"tensor {name!r} of shape {shape} must have {wanted} bytes, not {raw.nbytes}")
    values: np.ndarray = raw.view(np.dtype(dtype).newbyteorder("<")).reshape(shape)
    return values.astype(dtype, copy=False)  # shared with the file: many tensors may claim one buffer


def _vector(values: Any) -> np.ndarray:
    """The library gives 0 for a vector that is not there."""
    return values if isinstance(values, np.ndarray) else np.zeros(0, np.uint8)


def _kind(code: Any) -> str:
    # Old files hold small codes in a byte of their own; the larger of the two counts.
    builtin = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    return str(BUILTIN_OPCODE2NAME.get(builtin, f"code {builtin}"))


def _indices(values: Any, name: str, tensors: tuple[Tensor, ...]) -> tuple[int, ...]:
    indices = tuple(int(v) for v in _vector(values)[:TENSORS])
    for index in indices:
        if not ABSENT <= index < len(tensors):
            raise UserError(f"{name} must name one of {len(tensors)} tensors, not {index}; the file is damaged")
    return indices


def _node(stored: Any, index: int, kinds: list[str], tensors: tuple[Tensor, ...]) -> Node:
    if not 0 <= stored.OpcodeIndex() < len(kinds):
        raise UserError(f"operator {index} has code {stored.OpcodeIndex()} of {len(kinds)}; the file is damaged")
    kind = kinds[stored.OpcodeIndex()]
    inputs = _indices(stored.InputsAsNumpy(), f"operator {index} ({kind})", tensors)
    outputs = _indices(stored.OutputsAsNumpy(), f"operator {index} ({kind})", tensors)
    if len(outputs) != 1 or outputs[0] == ABSENT:
        raise UserError(f"operator {index} ({kind}) must have one output, not {len(outputs)}")
    return Node(index=index, kind=kind, inputs=inputs, output=outputs[0], options=_options(stored, kind, index))


def _options(stored: Any, kind: str, index: int) -> dict[str, Any]:
    if kind not in OPTIONS:
        return {}
    table, names = OPTIONS[kind]
    where, options = stored.BuiltinOptions(), table()
    if where is None:
        raise UserError(f"operator {index} ({kind}) has no attributes; the file is damaged")
    options.Init(where.Bytes, where.Pos)
    values = {name: getattr(options, field)() for name, field in names.items()}
    for name, allowed in (("activation", ACTIVATIONS), ("padding", PADDINGS)):
        if name in values:
            if values[name] not in allowed:
                raise UserError(
                    f"operator {index} ({kind}) must have {name} one of {', '.join(allowed.values())}, "
                    f"not code {values[name]}"
                )
            values[name] = allowed[values[name]]
    return values
