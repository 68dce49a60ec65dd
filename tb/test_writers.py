# SPDX-License-Identifier: Apache-2.0
"""Networks written as .tflite and .onnx: read back they are the same, and the reference runtimes agree."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse

from .int8_networks import small_content, small_images

pytest.importorskip("flatbuffers", reason="flatbuffers is not installed: pip install 'sysmt[infer]'")

from sysmt.sim.nn.writers import tflite


def exact(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    return Model(build(graph)).run([inputs])[0]


def inputs(count=3):
    return np.ascontiguousarray(small_images(count) ^ np.uint8(128)).view(np.int8)


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a == b


def test_tflite_reads_back_as_it_was():
    graph = parse(small_content())
    again = parse(tflite.write(graph))
    assert len(again.tensors) == len(graph.tensors)
    for one, other in zip(graph.tensors, again.tensors, strict=True):
        assert all(same(value, vars(other)[name]) for name, value in vars(one).items()), one.name
    assert [vars(node) for node in graph.nodes] == [vars(node) for node in again.nodes]
    assert (graph.input, graph.output) == (again.input, again.output)
    assert tflite.write(graph) == tflite.write(graph)


def test_the_reference_interpreter_agrees():
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    graph = parse(small_content())
    resolver = interpreter.OpResolverType.BUILTIN_REF
    model = interpreter.Interpreter(model_content=tflite.write(graph), experimental_op_resolver_type=resolver)
    model.allocate_tensors()
    expected = exact(graph, inputs())
    for one, answer in zip(inputs(), expected, strict=True):
        model.set_tensor(model.get_input_details()[0]["index"], one[None])
        model.invoke()
        np.testing.assert_array_equal(model.get_tensor(model.get_output_details()[0]["index"])[0], answer)


def test_an_operator_that_cannot_be_written_is_named():
    graph = parse(small_content())
    odd = replace(graph.nodes[1], kind="FFT")
    with pytest.raises(UserError, match=r"^operator 1 \(FFT\) cannot be written: .*no such operator$"):
        tflite.write(replace(graph, nodes=(graph.nodes[0], odd, *graph.nodes[2:])))


def first_part(left_out: int) -> Graph:
    """The network without so many of its last operators: 1, to its pooling, or 2, to its addition."""
    graph = parse(small_content())
    return replace(graph, nodes=graph.nodes[:-left_out], output=graph.nodes[-1 - left_out].output)


def on_onnxruntime(graph: Graph, content: bytes, values: np.ndarray) -> np.ndarray:
    """The codes [B, H, W, C] of the output."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    source, target = graph.tensors[graph.input], graph.tensors[graph.output]
    real = ((values.astype(np.float32) - source.z) * source.scale[0]).transpose(0, 3, 1, 2)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    scores = session.run(None, {"real_input": np.ascontiguousarray(real)})[0].transpose(0, 2, 3, 1)
    return np.rint(scores / target.scale[0]).astype(int) + target.z


def smaller_pool() -> Graph:
    """To a pooling that does not cover the image."""
    graph = first_part(1)
    pool = graph.nodes[-1]
    node = replace(pool, options=pool.options | {"filter_h": 3, "filter_w": 2, "stride_h": 2})
    tensors = list(graph.tensors)
    tensors[pool.output] = replace(tensors[pool.output], shape=(1, 2, 5, 8))
    return replace(graph, nodes=(*graph.nodes[:-1], node), tensors=tuple(tensors))


PARTS = [(first_part(1), 4), (smaller_pool(), 6), (first_part(2), 9), (first_part(5), 9), (first_part(6), 60)]
"""Graphs, and how many values their outputs have at least."""


@pytest.mark.parametrize(("graph", "values"), PARTS, ids=range(len(PARTS)))
def test_onnxruntime_agrees_but_for_the_rounding_of_sums(graph, values):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'sysmt[train]'")
    from sysmt.sim.nn.writers import onnx

    content = onnx.write(graph)
    assert content == onnx.write(graph)
    found = on_onnxruntime(graph, content, inputs(16))
    expected = exact(graph, inputs(16))
    assert len(np.unique(expected)) >= values
    assert np.abs(found - expected).max() <= 1
    assert np.mean(found != expected) < 0.1  # averages in the middle between two codes, above all


def test_what_onnx_cannot_say_is_refused():
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'sysmt[train]'")
    from sysmt.sim.nn.writers import onnx

    with pytest.raises(UserError, match=r"^operator 6 \(FULLY_CONNECTED\) cannot be written as ONNX; .*tflite file$"):
        onnx.write(parse(small_content()))
    graph = first_part(1)
    first = replace(graph.nodes[0], options=graph.nodes[0].options | {"activation": "RELU6"})
    with pytest.raises(UserError, match=r"^operator 0 \(CONV_2D\) cannot be written as ONNX with RELU6; .*$"):
        onnx.write(replace(graph, nodes=(first, *graph.nodes[1:])))
