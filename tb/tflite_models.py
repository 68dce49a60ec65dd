# SPDX-License-Identifier: Apache-2.0
"""Builds small .tflite models with the schema's own builder, so that tests need no model files."""

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

TYPES = {
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "resource": tflite.TensorType.RESOURCE,
    "float32": tflite.TensorType.FLOAT32,
    "bool": tflite.TensorType.BOOL,
}
CODES = {name: code for name, code in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}
TABLES = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "ADD": "AddOptions",
    "CONCATENATION": "ConcatenationOptions",
    "MEAN": "ReducerOptions",
    "SOFTMAX": "SoftmaxOptions",
    "RESHAPE": "ReshapeOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "PAD": "PadOptions",
    "QUANTIZE": "QuantizeOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "VAR_HANDLE": "VarHandleOptions",
    "READ_VARIABLE": "ReadVariableOptions",
    "ASSIGN_VARIABLE": "AssignVariableOptions",
    "CALL_ONCE": "CallOnceOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "HARD_SWISH": "HardSwishOptions",
    "ABS": "AbsOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "TRANSPOSE": "TransposeOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SLICE": "SliceOptions",
    "SPLIT": "SplitOptions",
    "SPLIT_V": "SplitVOptions",
    "UNPACK": "UnpackOptions",
    "PACK": "PackOptions",
    "GATHER": "GatherOptions",
    "TILE": "TileOptions",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "ARG_MAX": "ArgMaxOptions",
    "ARG_MIN": "ArgMinOptions",
    "LOG_SOFTMAX": "LogSoftmaxOptions",
    "SPACE_TO_BATCH_ND": "SpaceToBatchNDOptions",
    "BATCH_TO_SPACE_ND": "BatchToSpaceNDOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "MIRROR_PAD": "MirrorPadOptions",
    "PADV2": "PadV2Options",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "SVDF": "SVDFOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "CAST": "CastOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "GELU": "GeluOptions",
    "SELECT_V2": "SelectV2Options",
    "GATHER_ND": "GatherNdOptions",
    "REVERSE_V2": "ReverseV2Options",
    "CUMSUM": "CumsumOptions",
    "DIV": "DivOptions",
    "ONE_HOT": "OneHotOptions",
    "REDUCE_ANY": "ReducerOptions",
    "REDUCE_ALL": "ReducerOptions",
}


@dataclass
class ModelBuilder:
    """A model under construction; tensors are named by their index."""

    tensors: list[dict[str, Any]] = field(default_factory=list)
    operators: list[tuple[str, list[int], list[int], dict[str, Any]]] = field(default_factory=list)

    def tensor(self, shape, dtype="int8", scale=(), zero=0, axis=0, data=None, variable=False) -> int:
        """Add a tensor. `scale`: one number, or one per channel."""
        scale = np.atleast_1d(np.asarray(scale, np.float32))
        fields = {"shape": shape, "dtype": dtype, "scale": scale, "zero": zero, "axis": axis, "data": data}
        self.tensors.append(fields | {"variable": variable})
        return len(self.tensors) - 1

    def constant(self, data, scale=(), axis=0) -> int:
        """Add a constant."""
        return self.tensor(data.shape, str(data.dtype), scale, 0, axis, data)

    def node(self, kind, inputs, output, **options):
        """Add an operator with one output, or a list; the options go by the schema's names. Returns the output.

        `intermediates`, in place of an option: tensors that only lend the operator their scales.
        """
        outputs = list(output) if isinstance(output, (list, tuple)) else [output]
        self.operators.append((kind, list(inputs), outputs, options))
        return output

    def content(self, inputs, outputs, codes=None, more=()) -> bytes:
        """The file. `more`: builders of subgraphs behind this one, without inputs and outputs."""
        b = flatbuffers.Builder(1024)
        kinds = sorted({kind for builder in (self, *more) for kind, *_ in builder.operators})
        buffers = [np.zeros(0, np.uint8)]
        subgraphs = [self._subgraph(b, kinds, buffers, inputs, outputs)]
        subgraphs += [builder._subgraph(b, kinds, buffers, [], []) for builder in more]
        stored = [_buffer(b, data) for data in buffers]
        names = [_code(b, (codes or CODES)[kind]) for kind in kinds]
        parts = [
            _offsets(b, tflite.ModelStartOperatorCodesVector, names),
            _offsets(b, tflite.ModelStartSubgraphsVector, subgraphs),
            _offsets(b, tflite.ModelStartBuffersVector, stored),
        ]
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, parts[0])
        tflite.ModelAddSubgraphs(b, parts[1])
        tflite.ModelAddBuffers(b, parts[2])
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _subgraph(self, b, kinds, buffers, inputs, outputs):
        tensors = [self._tensor(b, i, t, buffers) for i, t in enumerate(self.tensors)]
        operators = [self._operator(b, kinds, *operator) for operator in self.operators]
        parts = [
            _offsets(b, tflite.SubGraphStartTensorsVector, tensors),
            _offsets(b, tflite.SubGraphStartOperatorsVector, operators),
            b.CreateNumpyVector(np.array(inputs, np.int32)),
            b.CreateNumpyVector(np.array(outputs, np.int32)),
        ]
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, parts[0])
        tflite.SubGraphAddOperators(b, parts[1])
        tflite.SubGraphAddInputs(b, parts[2])
        tflite.SubGraphAddOutputs(b, parts[3])
        return tflite.SubGraphEnd(b)

    def _tensor(self, b, index, t, buffers):
        name, shape = b.CreateString(f"t{index}"), b.CreateNumpyVector(np.array(t["shape"], np.int32))
        quantization = None
        if len(t["scale"]):
            scale = b.CreateNumpyVector(t["scale"])
            zero = b.CreateNumpyVector(np.full(len(t["scale"]), t["zero"], np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale)
            tflite.QuantizationParametersAddZeroPoint(b, zero)
            tflite.QuantizationParametersAddQuantizedDimension(b, t["axis"])
            quantization = tflite.QuantizationParametersEnd(b)
        if t["data"] is not None:
            buffers.append(np.ascontiguousarray(t["data"]).reshape(-1).view(np.uint8))
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, TYPES[t["dtype"]])
        tflite.TensorAddBuffer(b, 0 if t["data"] is None else len(buffers) - 1)
        tflite.TensorAddName(b, name)
        tflite.TensorAddIsVariable(b, t["variable"])
        if quantization is not None:
            tflite.TensorAddQuantization(b, quantization)
        return tflite.TensorEnd(b)

    def _operator(self, b, kinds, kind, inputs, outputs, options):
        table, between = None, options.get("intermediates", [])
        options = {name: value for name, value in options.items() if name != "intermediates"}
        if kind in TABLES:
            name = TABLES[kind]
            options = {o: b.CreateString(v) if isinstance(v, str) else v for o, v in options.items()}
            getattr(tflite, f"{name}Start")(b)
            for option, value in options.items():
                getattr(tflite, f"{name}Add{option}")(b, value)
            table = getattr(tflite, f"{name}End")(b)
        ends = b.CreateNumpyVector(np.array(inputs, np.int32)), b.CreateNumpyVector(np.array(outputs, np.int32))
        between = b.CreateNumpyVector(np.array(between, np.int32)) if between else None
        tflite.OperatorStart(b)
        if between is not None:
            tflite.OperatorAddIntermediates(b, between)
        tflite.OperatorAddOpcodeIndex(b, kinds.index(kind))
        tflite.OperatorAddInputs(b, ends[0])
        tflite.OperatorAddOutputs(b, ends[1])
        if table is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, TABLES[kind]))
            tflite.OperatorAddBuiltinOptions(b, table)
        return tflite.OperatorEnd(b)


def _offsets(b, start, values):
    start(b, len(values))
    for value in reversed(values):
        b.PrependUOffsetTRelative(value)
    return b.EndVector()


def _buffer(b, data):
    vector = b.CreateNumpyVector(data) if len(data) else None
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return tflite.BufferEnd(b)


def _code(b, code):
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
    tflite.OperatorCodeAddBuiltinCode(b, code)
    tflite.OperatorCodeAddVersion(b, 1)
    return tflite.OperatorCodeEnd(b)
