# SPDX-License-Identifier: Apache-2.0
"""Reads a .tflite file into the intermediate form. The schema's own library finds the fields; nothing is trusted.

Every vector is checked against the size of the file before it is walked, every constant against its buffer, every
index against what it points into: a damaged file costs no more time and memory than its size is worth.
"""

import struct
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import ABSENT, QUANTISED, TENSOR_VALUES, Graph, Tensor

from .tflite_fields import DTYPES, int4, kind_of, one_line, options_of
from .tflite_states import WITHOUT_OUTPUT, Stored, with_states

FILE_BYTES = 2**30
TENSORS = 2**16
VERSION = 3
DIMENSIONS = 8
INTERMEDIATES = 5
"""Tensors of a quantised LSTM that only lend it their scales: the sums' of the four gates, and the hidden values'."""
DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, KeyError)
"""What the schema's library raises when an offset leads outside the file or a field is not what it should be."""


def read(path: Path) -> Graph:
    """Read a .tflite file; a file that cannot be read or is damaged is refused in one line."""
    try:
        if path.stat().st_size > FILE_BYTES:
            raise UserError(f"model must be a file of at most {FILE_BYTES} bytes, not {path.name}; split it")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"model must be a readable file, not {str(path)!r} ({error.strerror})") from None
    try:
        return parse(content)
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None


def parse(content: bytes) -> Graph:
    """Read the content of a .tflite file.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    UserError
        The content is no TFLite model, or is damaged.
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
    """The first subgraph; others matter as far as it names them."""
    if model.Version() != VERSION:
        raise UserError(f"model must be of version {VERSION} of the schema, not {model.Version()}; convert it again")
    _walkable("operator codes", model.OperatorCodesLength(), content, least=0)
    _walkable("subgraphs", model.SubgraphsLength(), content)
    kinds = [kind_of(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    tensors, nodes = _subgraph(model, 0, kinds, content)
    subgraph = model.Subgraphs(0)
    inputs = _indices(subgraph.InputsAsNumpy(), "inputs", tensors)
    outputs = _indices(subgraph.OutputsAsNumpy(), "outputs", tensors)
    if not inputs or not outputs or ABSENT in (*inputs, *outputs):
        raise UserError(f"model must have inputs and outputs, not {len(inputs)} and {len(outputs)}")
    return with_states(
        tensors, nodes, inputs, outputs, lambda index: _subgraph(model, index, kinds, content, "initial subgraph")
    )


def _subgraph(
    model: Any, index: int, kinds: list[str], content: bytes, name: str = "subgraph"
) -> tuple[tuple[Tensor, ...], list[Stored]]:
    if not 0 <= index < model.SubgraphsLength():
        raise UserError(f"{name} must be one of {model.SubgraphsLength()}, not {index}; the file is damaged")
    subgraph = model.Subgraphs(index)
    _walkable("tensors", subgraph.TensorsLength(), content)
    _walkable("operators", subgraph.OperatorsLength(), content, least=0)
    tensors = tuple(_tensor(model, subgraph.Tensors(i), i, content) for i in range(subgraph.TensorsLength()))
    return tensors, [_node(subgraph.Operators(i), i, kinds, tensors) for i in range(subgraph.OperatorsLength())]


def _walkable(name: str, count: int, content: bytes, least: int = 1) -> None:
    """A vector of tables takes four bytes per entry at least."""
    if not least <= count <= min(TENSORS, len(content) // 4):
        raise UserError(f"model must have {least} to {TENSORS} {name} that its size has room for, not {count}")


def _tensor(model: Any, stored: Any, index: int, content: bytes) -> Tensor:
    name = one_line(stored.Name()) or f"tensor {index}"
    dtype = DTYPES.get(stored.Type(), f"type {stored.Type()}")
    if stored.ShapeLength() > DIMENSIONS:
        raise UserError(f"tensor {name!r} must have up to {DIMENSIONS} dimensions, not {stored.ShapeLength()}")
    if stored.Sparsity() is not None:
        raise UserError(f"tensor {name!r} must be stored densely, not sparsely; export it without sparse encoding")
    shape = tuple(stored.Shape(i) for i in range(stored.ShapeLength()))
    quantization = stored.Quantization()
    scale: np.ndarray = np.zeros(0, np.float32)
    zero_point: np.ndarray = np.zeros(0, np.int64)
    axis = 0
    if quantization is not None and quantization.ScaleLength():
        axis, count = quantization.QuantizedDimension(), quantization.ScaleLength()
        if shape and not (0 <= axis < len(shape) and count in (1, shape[axis])):
            raise UserError(
                f"tensor {name!r} of shape {shape} must have one scale, or one for each of its channels, "
                f"not {count} along dimension {axis}; the file is damaged"
            )
        if dtype in QUANTISED:
            scale = _vector(quantization.ScaleAsNumpy())
            # Absent zero points are zeros.
            zero_point = _vector(quantization.ZeroPointAsNumpy()) if quantization.ZeroPointLength() else np.zeros(count)
    data = _data(model, stored.Buffer(), name, shape, dtype, content)
    return Tensor(
        name=name,
        shape=shape,
        dtype="int8" if dtype == "int4" and data is not None else dtype,
        scale=scale.astype(np.float32),
        zero_point=zero_point.astype(np.int64),
        axis=axis,
        data=data,
        variable=bool(stored.IsVariable()),
    )


def _data(model: Any, buffer: int, name: str, shape: tuple[int, ...], dtype: str, content: bytes) -> np.ndarray | None:
    if not 0 <= buffer < model.BuffersLength() or model.BuffersLength() > len(content) // 4:
        raise UserError(f"tensor {name!r} refers to buffer {buffer} of {model.BuffersLength()}; the file is damaged")
    stored = model.Buffers(buffer)
    if stored.Offset() > 1:
        raise UserError(f"tensor {name!r} must be inside the model's own buffers, not appended; export it below 2 GB")
    if not stored.DataLength():
        empty = min(shape, default=1) == 0 and _in_numpy(dtype)
        return np.zeros(shape, dtype) if empty else None
    raw = _vector(stored.DataAsNumpy())
    if dtype != "int4" and not _in_numpy(dtype):
        return None
    wanted = -(-prod(shape) // 2) if dtype == "int4" else prod(shape) * np.dtype(dtype).itemsize
    if min(shape, default=1) < 0 or prod(shape) > TENSOR_VALUES or raw.nbytes != wanted:
        raise UserError(f"tensor {name!r} of shape {shape} must have {wanted} bytes, not {raw.nbytes}")
    if dtype == "int4":
        return int4(raw, prod(shape)).reshape(shape)
    values: np.ndarray = raw.view(np.dtype(dtype).newbyteorder("<")).reshape(shape)
    return values.astype(dtype, copy=False)  # shared with the file: many tensors may claim one buffer


def _in_numpy(dtype: str) -> bool:
    return dtype in np.sctypeDict


def _vector(values: Any) -> np.ndarray:
    """The library gives 0 for a vector that is not there."""
    return values if isinstance(values, np.ndarray) else np.zeros(0, np.uint8)


def _indices(values: Any, name: str, tensors: tuple[Tensor, ...]) -> tuple[int, ...]:
    indices = tuple(int(v) for v in _vector(values)[:TENSORS])
    for index in indices:
        if not ABSENT <= index < len(tensors):
            raise UserError(f"{name} must name one of {len(tensors)} tensors, not {index}; the file is damaged")
    return indices


def _node(stored: Any, index: int, kinds: list[str], tensors: tuple[Tensor, ...]) -> Stored:
    if not 0 <= stored.OpcodeIndex() < len(kinds):
        raise UserError(f"operator {index} has code {stored.OpcodeIndex()} of {len(kinds)}; the file is damaged")
    kind = kinds[stored.OpcodeIndex()]
    name = f"operator {index} ({kind})"
    inputs = _indices(stored.InputsAsNumpy(), name, tensors)
    outputs = _indices(stored.OutputsAsNumpy(), name, tensors)
    if ABSENT in outputs or (not outputs and kind not in WITHOUT_OUTPUT):
        raise UserError(f"{name} must have an output; the file is damaged")
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D") and inputs[2:3] == (ABSENT,):
        # As the reference kernels do, which would read it.
        raise UserError(f"{name} must end with its weights when it has no bias, not with tensor -1; export it so")
    options = options_of(stored, kind, name)
    between = _indices(stored.IntermediatesAsNumpy(), name, tensors)
    if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM" and len(between) == INTERMEDIATES:
        hidden = tensors[between[-1]] if between[-1] != ABSENT else None
        if hidden is not None and hidden.dtype == "int8" and len(hidden.scale) == 1:
            options["hidden"] = float(hidden.scale[0]), hidden.z
        sums = [tensors[i] for i in between[:-1] if i != ABSENT]
        if len(sums) == INTERMEDIATES - 1 and all(len(tensor.scale) == 1 for tensor in sums):
            options["sums"] = tuple(float(tensor.scale[0]) for tensor in sums)
    return Stored(index, kind, inputs, outputs, options)
