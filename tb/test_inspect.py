# SPDX-License-Identifier: Apache-2.0
"""`sysmt inspect`: what it counts, and that what is not supported is no obstacle to looking."""

import json
from xml.etree import ElementTree

import numpy as np

from sysmt.cli.main import main
from sysmt.sim.nn.inspection import inspect as inspect_graph
from sysmt.sim.nn.model import read_graph

from .int8_networks import small_content
from .operator_models import svdf
from .test_lstm import lstm
from .tflite_models import ModelBuilder


def inspect(tmp_path, capsys, content, *options):
    (tmp_path / "m.tflite").write_bytes(content)
    assert main(["inspect", str(tmp_path / "m.tflite"), *options]) == 0
    return capsys.readouterr().out


def test_a_network_operator_by_operator(tmp_path, capsys):
    found = json.loads(inspect(tmp_path, capsys, small_content(), "--json"))
    assert found["supported"]
    assert [row["kind"] for row in found["operators"]] == [
        *["CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "AVERAGE_POOL_2D", "FULLY_CONNECTED"]
    ]
    assert [row["macs"] for row in found["operators"]] == [36 * 27 * 8, 36 * 72 * 8, 36 * 9 * 8, 36 * 64, 0, 0, 40]
    assert [row["weights"] for row in found["operators"]] == [216, 576, 72, 64, 0, 0, 40]
    assert [row["runs_on"] for row in found["operators"]] == [*["array"] * 4, "host", "host", "array"]
    assert found["macs"] == found["macs_array"] == 36 * (216 + 576 + 72 + 64) + 40
    assert found["inputs"] == [
        {"name": "t0", "shape": [1, 6, 6, 3], "dtype": "int8", "scale": float(np.float32(0.05)), "zero_point": -128}
    ]


def test_the_digits_have_no_graph(capsys):
    assert main(["inspect", "digits"]) == 2
    said = capsys.readouterr().err
    assert (
        said
        == "sysmt inspect: error: model must be a .tflite or .onnx file for this, not 'digits', which has no graph\n"
    )


def test_recurrent_work_is_counted(tmp_path, capsys):
    model, x, y = lstm(time=4)
    (row,) = json.loads(inspect(tmp_path, capsys, model.content([x], [y]), "--json"))["operators"]
    assert (row["runs_on"], row["macs"], row["weights"]) == ("host", 4 * (6 + 5) * 4 * 5, 4 * 5 * (6 + 5))


def test_zeros_and_dead_channels_are_counted(tmp_path, capsys):
    model = ModelBuilder()
    x = model.tensor((1, 4), scale=0.1)
    w = np.array([[1, 0, 0, 2], [0, 0, 0, 0], [3, 4, 5, 6]], np.int8)
    y = model.node("FULLY_CONNECTED", [x, model.constant(w, 0.1)], model.tensor((1, 3), scale=0.1))
    (row,) = json.loads(inspect(tmp_path, capsys, model.content([x], [y]), "--json"))["operators"]
    assert (row["zero_weights"], row["dead_channels"]) == (0.5, 1)


def test_what_is_in_the_way_is_named(tmp_path, capsys):
    model = ModelBuilder()
    x = model.tensor((1, 4), scale=0.1)
    y = model.node("COS", [x], model.tensor((1, 4), scale=0.1))
    z = model.node("RELU", [y], model.tensor((1, 4), scale=0.1))
    said = inspect(tmp_path, capsys, model.content([x], [z]))
    assert said.endswith("in the way: operator 0 (COS) is not supported; `sysmt inspect` shows what is\n")
    assert "nowhere" in said


def test_cycles_need_shapes_only(tmp_path, capsys):
    model = ModelBuilder()
    x = model.tensor((1, 16), scale=0.1)
    w = model.constant(np.ones((8, 16), np.int8), 0.1)
    y = model.node("FULLY_CONNECTED", [x, w], model.tensor((1, 8), scale=0.1))
    z = model.node("COS", [y], model.tensor((1, 8), scale=0.1))
    (tmp_path / "whole.tflite").write_bytes(model.content([x], [y]))
    (tmp_path / "cos.tflite").write_bytes(model.content([x], [z]))
    totals = []
    for name in ("whole", "cos"):
        assert main(["cycles", str(tmp_path / f"{name}.tflite"), "--array", "4x4", "--json"]) == 0
        said = capsys.readouterr()
        totals.append(json.loads(said.out)["total"])
    assert totals[0] == totals[1]
    assert said.err == "sysmt: by shapes alone, without operator 1 (COS)\n"


def test_cycles_of_real_numbers_are_those_of_their_shapes(tmp_path, capsys):
    """A model of float32 takes what its quantised twin takes; a layer whose shape is not known is refused."""

    def content(dtype, scale):
        model = ModelBuilder()
        x = model.tensor((1, 6, 6, 3), dtype, scale)
        w = model.constant(np.ones((4, 3, 3, 3), np.dtype(dtype)), scale)
        b = model.constant(np.zeros(4, "float32" if dtype == "float32" else "int32"), scale)
        strides = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
        return model.content(
            [x], [model.node("CONV_2D", [x, w, b], model.tensor((1, 6, 6, 4), dtype, scale), **strides)]
        )

    totals = []
    for name, dtype, scale in (("int8", "int8", 0.1), ("real", "float32", ())):
        (tmp_path / f"{name}.tflite").write_bytes(content(dtype, scale))
        assert main(["cycles", str(tmp_path / f"{name}.tflite"), "--array", "4x4", "--json"]) == 0
        said = capsys.readouterr()
        totals.append(json.loads(said.out)["total"])
    assert totals[0] == totals[1]
    assert said.err == "sysmt: by shapes alone, as if quantised: operator 0 (CONV_2D)\n"
    model = ModelBuilder()
    x = model.tensor((1, 7), "float32")
    w = model.constant(np.ones((4, 5), np.float32))
    (tmp_path / "bad.tflite").write_bytes(
        model.content([x], [model.node("FULLY_CONNECTED", [x, w], model.tensor((1, 4), "float32"))])
    )
    assert main(["cycles", str(tmp_path / "bad.tflite"), "--array", "4x4"]) == 2
    assert capsys.readouterr().err.startswith("sysmt cycles: error: bad.tflite: operator 0 (FULLY_CONNECTED)")


def test_the_picture_has_every_operator_and_a_way_around_what_is_skipped(tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(small_content())
    pictures = []
    for name in ("a.svg", "b.svg"):
        assert main(["inspect", str(tmp_path / "m.tflite"), "--svg", str(tmp_path / name)]) == 0
        pictures.append((tmp_path / name).read_text())
    facts = inspect_graph(read_graph(tmp_path / "m.tflite")).operators
    assert pictures[0] == pictures[1]
    root = ElementTree.fromstring(pictures[0])
    space = "{http://www.w3.org/2000/svg}"
    boxes = root.findall(f"{space}g")
    labels = [box.find(f"{space}text").text for box in boxes]
    assert labels[1:-1] == [row.kind for row in facts]
    assert (labels[0], labels[-1]) == ("input 0", "output 0")
    assert "weights" in boxes[1].find(f"{space}title").text
    fills = [box.find(f"{space}rect").get("fill") for box in boxes]
    assert [fill == "#9fd3ea" for fill in fills[1:-1]] == [row.runs_on == "array" for row in facts]
    # No two boxes lie over each other, and all of them within the picture.
    corners = {(box.find(f"{space}rect").get("x"), box.find(f"{space}rect").get("y")) for box in boxes}
    assert len(corners) == len(boxes)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert all(0 <= float(x) <= width - 160 and 0 <= float(y) <= height - 34 for x, y in corners)


def test_state_is_counted_and_the_picture_is_written(tmp_path, capsys):
    model, x, y = svdf(2)
    found = inspect(tmp_path, capsys, model.content([x], [y]), "--dot", str(tmp_path / "m.dot"))
    assert "24 bytes are remembered" in found
    picture = (tmp_path / "m.dot").read_text()
    assert picture.startswith("digraph model {")
    assert 'in0 -> op0 [label="1x6"];' in picture
    assert "op0 -> out0;" in picture
