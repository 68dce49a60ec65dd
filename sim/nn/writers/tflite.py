# SPDX-License-Identifier: Apache-2.0
"""Writes .tflite files from the intermediate form, by the tables that they are read with."""

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import tflite

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.readers.tflite_fields import CODED, DTYPES, OPTIONS

VERSION = 3
"""Of the schema."""
IDENTIFIER = b"TFL3"
CODES = {name: code for name, code in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}


def write(graph: Graph) -> bytes:
    """The content of a .tflite file that reads back as this graph.

    Raises
    ------
    UserError
        It has states, or an operator that the schema does not have.
    """
    if graph.states:
        raise UserError("model must have no states to be written, only inputs and outputs; unroll it")
    return _Writer(graph).content()


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.builder = flatbuffers.Builder(1024)
        self.kinds = sorted({node.kind for node in graph.nodes})
        self.buffers = [self._buffer(None)]

    def content(self) -> bytes:
        b = self.builder
        tensors = self._offsets(tflite.SubGraphStartTensorsVector, [self._tensor(t) for t in self.graph.tensors])
        operators = self._offsets(tflite.SubGraphStartOperatorsVector, [self._operator(n) for n in self.graph.nodes])
        ends = [b.CreateNumpyVector(np.array(end, np.int32)) for end in (self.graph.inputs, self.graph.outputs)]
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddInputs(b, ends[0])
        tflite.SubGraphAddOutputs(b, ends[1])
        subgraphs = self._offsets(tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(b)])
        codes = self._offsets(tflite.ModelStartOperatorCodesVector, [self._code(kind) for kind in self.kinds])
        buffers = self._offsets(tflite.ModelStartBuffersVector, self.buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, VERSION)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), IDENTIFIER)
        return bytes(b.Output())

    def _offsets(self, start: Callable[[Any, int], Any], values: list[int]) -> int:
        start(self.builder, len(values))
        for value in reversed(values):
            self.builder.PrependUOffsetTRelative(value)
        return int(self.builder.EndVector())

    def _buffer(self, data: np.ndarray | None) -> int:
        vector = None
        if data is not None:
            stored = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
            vector = self.builder.CreateNumpyVector(stored.reshape(-1).view(np.uint8))
        tflite.BufferStart(self.builder)
        if vector is not None:
            tflite.BufferAddData(self.builder, vector)
        return int(tflite.BufferEnd(self.builder))

    def _code(self, kind: str) -> int:
        tflite.OperatorCodeStart(self.builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.builder, min(CODES[kind], 127))
        tflite.OperatorCodeAddBuiltinCode(self.builder, CODES[kind])
        tflite.OperatorCodeAddVersion(self.builder, 3 if "CONV" in kind else 2 if kind != "RESHAPE" else 1)
        return int(tflite.OperatorCodeEnd(self.builder))

    def _tensor(self, tensor: Tensor) -> int:
        b = self.builder
        place = 0
        if tensor.data is not None:
            self.buffers.append(self._buffer(tensor.data))
            place = len(self.buffers) - 1
        name, shape = b.CreateString(tensor.name), b.CreateNumpyVector(np.array(tensor.shape, np.int32))
        quantization = None
        if len(tensor.scale):
            scale = b.CreateNumpyVector(tensor.scale.astype(np.float32))
            zero = b.CreateNumpyVector(tensor.zero_point.astype(np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale)
            tflite.QuantizationParametersAddZeroPoint(b, zero)
            tflite.QuantizationParametersAddQuantizedDimension(b, tensor.axis)
            quantization = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, next(code for code, dtype in DTYPES.items() if dtype == tensor.dtype))
        tflite.TensorAddBuffer(b, place)
        tflite.TensorAddName(b, name)
        if quantization is not None:
            tflite.TensorAddQuantization(b, quantization)
        return int(tflite.TensorEnd(b))

    def _operator(self, node: Node) -> int:
        b = self.builder
        options, kind = self._options(node)
        inputs = b.CreateNumpyVector(np.array(node.inputs, np.int32))
        outputs = b.CreateNumpyVector(np.array(node.outputs, np.int32))
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, self.kinds.index(node.kind))
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(b, kind)
            tflite.OperatorAddBuiltinOptions(b, options)
        return int(tflite.OperatorEnd(b))

    def _options(self, node: Node) -> tuple[int | None, int]:
        """The table of an operator's attributes, and its type; what is not among them has the schema's default."""
        if node.kind not in CODES:
            raise UserError(f"{node.name} cannot be written: .tflite files have no such operator")
        if node.kind not in OPTIONS:
            return None, 0
        table, fields = OPTIONS[node.kind]
        name = type(table()).__name__
        getattr(tflite, f"{name}Start")(self.builder)
        for attribute, field in fields.items():
            if attribute in node.options:
                getattr(tflite, f"{name}Add{field}")(self.builder, _stored(attribute, node.options[attribute]))
        return int(getattr(tflite, f"{name}End")(self.builder)), getattr(tflite.BuiltinOptions, name)


def _stored(attribute: str, value: Any) -> Any:
    """The number that stands for a name in the file."""
    names = DTYPES if attribute == "bias_type" else CODED.get(attribute, {})
    return next((code for code, name in names.items() if name == value), value)
