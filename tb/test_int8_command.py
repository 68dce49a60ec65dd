# SPDX-License-Identifier: Apache-2.0
"""`sysmt infer` and `make accuracy`: the contract of options, JSON and files, and one line for every mistake."""

import json
import re

import numpy as np
import pytest

from bench import accuracy
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.readers.tflite import parse, read
from sysmt.sim.quant import figures
from tb.references.interpreter import reference

from .int8_networks import dead_content, small_content, small_images
from .shared import shared

KEYS = {"top1", "top1_exact", "agree", "cycles", "cycles_exact", "speedup", "layers"}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "m.tflite").write_bytes(small_content())
    images = small_images(70)
    output = parse(small_content()).output
    raw = reference(small_content(), (images ^ 128).view(np.int8), [output])[output]
    labels = raw.argmax(axis=1)
    np.savez(tmp_path / "in.npz", images=images[:40], labels=labels[:40])
    np.savez(tmp_path / "calib.npz", images=images[40:], labels=labels[40:])
    np.save(tmp_path / "expected.npy", raw[:40])
    return tmp_path


def infer(folder, capsys, *options, inputs="in.npz"):
    code = main(["infer", str(folder / "m.tflite"), str(folder / inputs), *map(str, options)])
    return code, capsys.readouterr()


def test_json_and_raw_outputs(files, capsys):
    code, said = infer(files, capsys, "--threads", 1, "--json", "-o", files / "out.npy")
    found = json.loads(said.out)
    assert code == 0
    assert set(found) >= KEYS
    assert (found["top1"], found["top1_exact"], found["agree"], found["speedup"]) == (1, 1, 1, 1)
    assert len(found["layers"]) == 5
    assert "threads: 40 of 40 inputs" in said.err
    np.testing.assert_array_equal(np.load(files / "out.npy"), np.load(files / "expected.npy"))


def test_threads_are_faster_and_the_table_says_so(files, capsys):
    options = ["--threads", 2, "--reorder", "--recalibrate", "--budget", 50, "--calibrate", files / "calib.npz"]
    code, said = infer(files, capsys, *options, "--json", "--limit", 16, "--size", 4)
    found = json.loads(said.out)
    assert code == 0
    assert found["inputs"] == 16
    assert found["cycles"] < found["cycles_exact"]
    assert found["speedup"] == found["cycles_exact"] / found["cycles"] < found["speedup_threaded"]
    assert [row["threads"] for row in found["layers"]] == [1, 2, 2, 2, 1]
    assert found["layers"][2]["kind"] == "depthwise"
    assert (
        found["layers"][2]["reduced"] == found["layers"][2]["collisions"] == found["layers"][2]["relative_error"] == 0
    )
    code, said = infer(files, capsys, *options, "--limit", 16, "--size", 4)
    assert code == 0
    assert "95 % interval" in said.out


def test_inputs_together_share_the_latency(files, capsys):
    options = ["--threads", 2, "--limit", 4, "--size", 4]
    one, three = (json.loads(infer(files, capsys, *options, "--batch", n, "--json")[1].out) for n in (1, 3))
    assert {name for name in one if one[name] != three[name]} >= {"batch", "cycles", "cycles_exact", "layers"}
    assert one["top1"] == three["top1"]
    latency = ArrayConfig(rows=4, cols=4).with_fields(threads=2).latency
    for before, after in zip(one["layers"], three["layers"], strict=True):
        assert before["cycles"] <= after["cycles"] <= 3 * before["cycles"] - 2 * latency
        assert after["utilisation"] > before["utilisation"]
        assert before["reduced"] == after["reduced"]
    assert "cycles for 3 inputs together, " in infer(files, capsys, *options, "--batch", 3)[1].out


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((3, 5, 6, 3), np.uint8)}, r"images must have the model's shape \(inputs, 6, 6, 3\), not "),
        ({"images": np.zeros((3, 6, 6, 3), np.float32)}, r"images must be uint8 and the model's zero point -128, "),
        ({"features": np.zeros((3, 6, 6, 3), np.uint8)}, r"features of shape \(3, 6, 6, 3\) must be int8 as "),
        ({"images": np.zeros((0, 6, 6, 3), np.uint8)}, r"images must hold at least one input, not \(0, 6, 6, 3\); "),
        ({"labels": np.zeros(3, int)}, r"inputs must hold images, features, or in0, in1, \.\.\., not 'labels'"),
        ({"images": np.zeros((2, 6, 6, 3), np.uint8), "labels": np.array([0, 5])}, r"labels must be within 0..4, "),
        ({"images": np.zeros((2, 6, 6, 3), np.uint8), "labels": np.zeros(3, int)}, r"labels must be integers of shape"),
    ],
)
def test_bad_inputs_are_one_line(files, capsys, arrays, message):
    np.savez(files / "bad.npz", **arrays)
    code, said = infer(files, capsys, "-o", files / "out.npy", inputs="bad.npz")
    assert code == 2
    assert said.err.count("\n") == 1
    assert re.match(message, said.err.removeprefix("sysmt infer: error: "))
    assert not (files / "out.npy").exists()


def test_other_mistakes_are_one_line(files, capsys):
    (files / "text.npz").write_text("no archive")
    for options, inputs, words in (
        (["--reorder"], "in.npz", "reorder must come with calibration inputs; add --calibrate"),
        (["--budget", 200, "--calibrate", files / "calib.npz"], "in.npz", "budget must be from 0 to below 100 percent"),
        (["--batch", 0], "in.npz", "batch must be at least 1, not 0"),
        (["--limit", 0], "in.npz", "limit must be at least 1, not 0"),
        (["--size", 0], "in.npz", "rows must be an integer from 1 to 256, not 0"),
        ([], "text.npz", "inputs must be a readable .npz file, not"),
        ([], "absent.npz", "(No such file or directory)"),
    ):
        code, said = infer(files, capsys, *options, inputs=inputs)
        assert code == 2
        assert words in said.err
        assert said.err.count("\n") == 1


def test_on_rtl(files, capsys, monkeypatch):
    options = ["--threads", 2, "--size", 4, "--limit", 1, "--on", "rtl", "--json"]
    code, said = infer(files, capsys, *options)
    found = json.loads(said.out)
    assert code == 0
    assert found["equal"] is True
    assert found["cycles_simulated"] == found["cycles"]
    # A golden model that is off is noticed.
    right = Golden.product
    monkeypatch.setattr(Golden, "product", lambda self, x, w, *more: right(self, x, -np.maximum(w, -127), *more))
    code, said = infer(files, capsys, *options[:-1])
    assert code == 1
    assert "are NOT the golden model's" in said.out


def test_public_models_have_the_interpreters_answers(tmp_path, capsys):
    model, inputs = shared("data", "models", "dscnn_kws_int8.tflite"), shared("data", "kws", "even500.npz")
    assert (
        main(
            [
                "infer",
                str(model),
                str(inputs),
                "--limit",
                "60",
                "--json",
                "-o",
                str(tmp_path / "o.npy"),
                "--threads",
                "1",
            ]
        )
        == 0
    )
    features = np.load(inputs)["features"][:60]
    output = read(model).output
    expected = reference(model.read_bytes(), features, [output])[output]
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), expected)
    assert json.loads(capsys.readouterr().out)["agree"] == 1


def test_accuracy_needs_the_digits_only(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SYSMT_DATA", str(tmp_path / "absent"))
    assert accuracy.main(["--limit", "20", "--to", str(tmp_path), "--json"]) == 0
    said = capsys.readouterr()
    assert set(json.loads(said.out)) == {"digits"}
    assert "resnet8: resnet8_cifar10_int8.tflite and its inputs are not below" in said.err
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_pictures(files, capsys, tmp_path):
    found = json.loads(infer(files, capsys, "--json")[1].out)
    figures.draw_layers("small", found["layers"], tmp_path / "layers.png")
    row = {"threads": 2, "policy": "S+A"} | {key: found[key] for key in ("top1", "top1_exact", "speedup")}
    figures.draw_policies("small", [row, row | {"threads": 4, "top1": 0.5}], tmp_path / "policies.png")
    for name in ("layers.png", "policies.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_accuracy_takes_the_models_that_are_there(files, tmp_path, capsys, monkeypatch):
    root = tmp_path / "data"
    (root / "models").mkdir(parents=True)
    (root / "models" / "small.tflite").write_bytes(small_content())
    for name in ("in.npz", "calib.npz"):
        (root / name).write_bytes((files / name).read_bytes())
    listed = [("small", "small.tflite", "in.npz", "calib.npz"), ("halved", "small.tflite", "in.npz", None)]
    monkeypatch.setattr(accuracy, "MODELS", listed)
    monkeypatch.setattr(accuracy, "POLICIES", {name: accuracy.POLICIES[name] for name in ("S+A", "A")})
    monkeypatch.setattr(accuracy, "BUDGET_POLICY", "S+A")
    monkeypatch.setenv("SYSMT_DATA", str(tmp_path))
    assert accuracy.main(["--limit", "10", "--to", str(tmp_path)]) == 0
    assert "* reordered and recalibrated" in capsys.readouterr().out
    found = {model.name: model for model in accuracy.models(root)}
    rows, layers = accuracy.sweep(found["small"], 10)
    assert [(row["threads"], row["policy"]) for row in rows] == [(t, p) for t in (2, 4) for p in ("S+A", "S+A*", "A")]
    assert len(layers) == 5
    (calibrated, tested), other = found["halved"].folds
    assert len(calibrated) == len(tested) == 20
    assert other[0] is tested
    budget = accuracy.within_budget(found["halved"], 2)
    assert budget["inputs"] == 40
    assert budget["low"] <= budget["accuracy drop"] <= budget["high"]
    for name in ("small", "small_layers", "halved"):
        assert (tmp_path / f"{name}.png").exists()


def test_graph_passes_are_said_and_change_no_exact_result(tmp_path, capsys):
    path = tmp_path / "dead.tflite"
    path.write_bytes(dead_content())
    np.savez(tmp_path / "in.npz", features=np.random.default_rng(1).integers(-128, 128, (3, 6, 6, 3)).astype(np.int8))
    found, outputs = [], []
    for option in ([], ["--no-optimise"]):
        run = ["infer", str(path), str(tmp_path / "in.npz"), "--size", "4", *option]
        assert main([*run, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
        assert main([*run, "--threads", "1", "-o", str(tmp_path / "out.npy")]) == 0
        said = capsys.readouterr().out
        assert ("graph passes, 2 changes that no result shows:" in said) == (not option)
        outputs.append(np.load(tmp_path / "out.npy"))
    np.testing.assert_array_equal(*outputs)
    assert found[0]["passes"] == [
        "operator 0 (CONV_2D): 4 of 8 channels removed, 4 of them constant",
        "operator 1 (DEPTHWISE_CONV_2D): 4 of 8 channels removed, 4 of them constant",
    ]
    assert found[1]["passes"] == []
    assert [row["macs"] for row in found[0]["layers"]] == [36 * 27 * 4, 36 * 4 * 9, 36 * 4 * 5]
    assert [row["macs"] for row in found[1]["layers"]] == [36 * 27 * 8, 36 * 8 * 9, 36 * 8 * 5]
    totals = []
    for option in ([], ["--no-optimise"]):
        assert main(["cycles", str(path), "--array", "4x4", "--threads", "2", "--json", *option]) == 0
        totals.append(json.loads(capsys.readouterr().out))
    assert totals[0]["total"] < totals[1]["total"]
    assert totals[0]["passes"] == found[0]["passes"]
    assert "passes" not in totals[1]
