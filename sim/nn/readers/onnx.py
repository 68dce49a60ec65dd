# SPDX-License-Identifier: Apache-2.0
"""Reads quantised .onnx files into the intermediate form: QDQ, where real numbers stand between QuantizeLinear and
DequantizeLinear, and QOperator (QLinearConv, QLinearMatMul, QLinearAdd, QLinearGlobalAveragePool).

A chain DequantizeLinear, operator, (Relu), QuantizeLinear is one node on integers, as ONNX Runtime fuses it.
"""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import Graph

from .onnx_graph import Importer
from .onnx_operators import HANDLERS

FILE_BYTES = 2**30
DAMAGE = (DecodeError, ValueError, TypeError, KeyError, IndexError, RuntimeError, AttributeError, OverflowError)
"""What the library raises on what is no model."""


def read(path: Path) -> Graph:
    """Read an .onnx file; one that cannot be read, is damaged or not supported is refused in one line."""
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
    """Read the content of an .onnx file.

    Raises
    ------
    UserError
        The content is no ONNX model, is damaged, or has an operator that is not supported.
    """
    try:
        model = onnx.ModelProto()
        model.ParseFromString(content)
        if not model.graph.node or not model.graph.output:
            raise UserError("model must be an .onnx file with operators, not something else; export it again")
        _one_batch(model)
        return Importer(model.graph, HANDLERS).graph()
    except UserError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"model is no sound .onnx file ({type(error).__name__}: {reason}); export it again") from None


def _one_batch(model: onnx.ModelProto) -> None:
    """An open batch, the first dimension of an input, is one input at a time."""
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape
        if shape.dim and not shape.dim[0].dim_value:
            shape.dim[0].dim_value = 1
