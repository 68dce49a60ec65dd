# SPDX-License-Identifier: Apache-2.0
"""Writes a small int8 .tflite model: fully connected layers with ReLU between them. No example by itself.

A real model comes from TensorFlow's converter; this uses the schema's own builder, so that nothing need be downloaded.
"""

import flatbuffers
import numpy as np
import tflite

SCALE = 0.05  # of all activations; their zero point is -128, so that zeros of a ReLU are zeros of the array


def perceptron(sizes: list[int], seed: int = 0) -> bytes:
    """A .tflite file of layers `sizes[0]` -> `sizes[1]` -> ..., with random weights."""
    rng = np.random.default_rng(seed)
    b = flatbuffers.Builder(1024)
    buffers, tensors, operators = [_buffer(b, None)], [], []

    def tensor(shape, dtype, scale, zero=0, data=None) -> int:
        if data is not None:
            buffers.append(_buffer(b, np.ascontiguousarray(data).reshape(-1).view(np.uint8)))
        name, dimensions = b.CreateString(f"t{len(tensors)}"), b.CreateNumpyVector(np.array(shape, np.int32))
        scales, zeros = b.CreateNumpyVector(np.float32([scale])), b.CreateNumpyVector(np.int64([zero]))
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scales)
        tflite.QuantizationParametersAddZeroPoint(b, zeros)
        quantization = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, dimensions)
        tflite.TensorAddType(b, dtype)
        tflite.TensorAddBuffer(b, 0 if data is None else len(buffers) - 1)
        tflite.TensorAddName(b, name)
        tflite.TensorAddQuantization(b, quantization)
        tensors.append(tflite.TensorEnd(b))
        return len(tensors) - 1

    x = tensor([1, sizes[0]], tflite.TensorType.INT8, SCALE, -128)
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        values = np.clip(np.round(rng.normal(scale=30, size=(outputs, inputs))), -127, 127).astype(np.int8)
        w_scale = 1 / (30 * np.sqrt(inputs))
        w = tensor([outputs, inputs], tflite.TensorType.INT8, w_scale, 0, values)
        bias = tensor([outputs], tflite.TensorType.INT32, SCALE * w_scale, 0, np.zeros(outputs, np.int32))
        y = tensor([1, outputs], tflite.TensorType.INT8, SCALE, -128)
        operators.append(_fully_connected(b, [x, w, bias], y))
        x = y
    return _model(b, tensors, operators, buffers, x)


def _buffer(b, data):
    vector = None if data is None else b.CreateNumpyVector(data)
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return tflite.BufferEnd(b)


def _fully_connected(b, inputs: list[int], output: int):
    tflite.FullyConnectedOptionsStart(b)
    tflite.FullyConnectedOptionsAddFusedActivationFunction(b, tflite.ActivationFunctionType.RELU)
    options = tflite.FullyConnectedOptionsEnd(b)
    ends = b.CreateNumpyVector(np.array(inputs, np.int32)), b.CreateNumpyVector(np.array([output], np.int32))
    tflite.OperatorStart(b)
    tflite.OperatorAddInputs(b, ends[0])
    tflite.OperatorAddOutputs(b, ends[1])
    tflite.OperatorAddBuiltinOptionsType(b, tflite.BuiltinOptions.FullyConnectedOptions)
    tflite.OperatorAddBuiltinOptions(b, options)
    return tflite.OperatorEnd(b)


def _offsets(b, start, values):
    start(b, len(values))
    for value in reversed(values):
        b.PrependUOffsetTRelative(value)
    return b.EndVector()


def _model(b, tensors, operators, buffers, output: int) -> bytes:
    parts = _offsets(b, tflite.SubGraphStartTensorsVector, tensors)
    steps = _offsets(b, tflite.SubGraphStartOperatorsVector, operators)
    ends = b.CreateNumpyVector(np.int32([0])), b.CreateNumpyVector(np.int32([output]))
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, parts)
    tflite.SubGraphAddOperators(b, steps)
    tflite.SubGraphAddInputs(b, ends[0])
    tflite.SubGraphAddOutputs(b, ends[1])
    subgraph = tflite.SubGraphEnd(b)
    code = tflite.BuiltinOperator.FULLY_CONNECTED
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, code)
    tflite.OperatorCodeAddBuiltinCode(b, code)
    codes = _offsets(b, tflite.ModelStartOperatorCodesVector, [tflite.OperatorCodeEnd(b)])
    subgraphs = _offsets(b, tflite.ModelStartSubgraphsVector, [subgraph])
    stored = _offsets(b, tflite.ModelStartBuffersVector, buffers)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, subgraphs)
    tflite.ModelAddBuffers(b, stored)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())
