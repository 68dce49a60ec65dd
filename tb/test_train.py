# SPDX-License-Identifier: Apache-2.0
"""`sysmt train`: KURE, pruning, checkpoints, refusals, and a network that comes out of it as its files say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model, read_model
from sysmt.sim.nn.network import build
from sysmt.sim.quant.infer import infer

pytest.importorskip("torch", reason="torch is not installed: pip install 'sysmt[train]'")

import torch

from sysmt.sim.train import checkpoint
from sysmt.sim.train.architecture import ARCHITECTURES
from sysmt.sim.train.calibration import recalibrate
from sysmt.sim.train.data import Examples, augmented, load
from sysmt.sim.train.distil import Teacher
from sysmt.sim.train.loop import Training
from sysmt.sim.train.quantised import integers, quantised
from sysmt.sim.train.recipe import RECIPES
from sysmt.sim.train.robustness import BITS, robustness
from sysmt.sim.train.run import train, train_on
from tb.trained import signed, trained

torch.set_num_threads(1)

SMALL = replace(RECIPES["digits"], epochs=2, array_epochs=2, prune="0.4", batch=32)
DISTILLED = replace(SMALL, distil=0.5)


@pytest.fixture(scope="module")
def digits():
    """A few examples to train with and to test with."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'sysmt[demo]'")
    training, test = load(ARCHITECTURES["digits"])
    return training[:192], test[:64]


def silent(text):
    """No progress."""


def test_what_comes_out_is_what_the_files_say(digits, tmp_path):
    made = train_on(SMALL, digits, tmp_path, device="cpu")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report == made.report
    assert report["accuracy"]["array"] > 0.5
    assert report["sparsity"] == pytest.approx(0.4 * 6912 / (144 + 6912 + 5120), abs=0.001)
    assert [row["phase"] for row in report["history"]] == ["real", "real", "array", "array"]
    model = read_model(tmp_path / "model.tflite")
    config = ArrayConfig().with_fields(threads=4, policy=SMALL.policy)
    test = digits[1]
    outcome = infer(model, Inputs(signed(test.inputs), test.labels.numpy()), config)
    assert outcome.report["top1"] == report["accuracy"]["array"]
    answers = quantised(made.training.network, test.inputs, SMALL.mode)[1]
    np.testing.assert_array_equal(outcome.outputs.astype(int) + 128, answers.detach().numpy())


class KilledError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("after", [1, 2, 3])
def test_interrupted_it_goes_on_to_the_same_result(digits, tmp_path, after):
    whole = train_on(DISTILLED, digits, device="cpu")

    def until(text):
        if text.startswith(f"epoch {after + 1} "):
            raise KilledError

    with pytest.raises(KilledError):
        train_on(DISTILLED, digits, tmp_path, device="cpu", log=until)
    said = []
    again = train_on(DISTILLED, digits, tmp_path, device="cpu", log=said.append)
    assert said[0] == f"going on after epoch {after}"
    assert again.files() == whole.files()
    assert train_on(DISTILLED, digits, tmp_path, device="cpu").files() == whole.files()


def test_another_training_takes_the_first_phase(digits, tmp_path):
    train_on(replace(SMALL, array_epochs=0, prune="0"), digits, tmp_path / "first", device="cpu")
    said = []
    started = train_on(SMALL, digits, start=tmp_path / "first", device="cpu", log=said.append)
    assert said[0] == "going on after epoch 2"
    assert started.files() == train_on(SMALL, digits, device="cpu").files()
    with pytest.raises(UserError, match=r"^checkpoint '.*' is of seed = 0, not 1; give that again, or another folder$"):
        train_on(replace(SMALL, seed=1), digits, start=tmp_path / "first", device="cpu")
    with pytest.raises(UserError, match=r"^start must be the folder of a training beyond its first phase, not '.*'$"):
        train_on(SMALL, digits, start=tmp_path / "nothing", device="cpu")


def test_a_checkpoint_of_something_else_is_refused(digits, tmp_path):
    short = replace(SMALL, epochs=0, array_epochs=0)
    train_on(short, digits, tmp_path, device="cpu")
    with pytest.raises(UserError, match=r"^checkpoint '.*' is of prune = '0\.4', not '2:4'; give that again, "):
        train_on(replace(short, prune="2:4"), digits, tmp_path, device="cpu")
    with pytest.raises(UserError, match=r"^checkpoint '.*' is of data = '\w+', not '\w+'; give that again, "):
        train_on(short, (digits[0][:100], digits[1]), tmp_path, device="cpu")
    (tmp_path / checkpoint.LATEST).write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"^checkpoint '.*' cannot be read \(\w+\); delete it$"):
        train_on(short, digits, tmp_path, device="cpu")


def test_statistics_are_those_of_augmented_inputs(digits):
    training = Training(SMALL, *digits, silent)
    (first,), (again,) = list(training.batches()), list(training.batches())
    assert torch.equal(first, again)
    raw = digits[0].inputs
    assert 0.5 < np.mean([not torch.equal(a, b) for a, b in zip(first, raw, strict=True)]) < 1
    (other,) = Training(replace(SMALL, seed=1), *digits, silent).batches()
    assert not torch.equal(first, other)


def test_fewer_inputs_in_the_second_phase(digits, monkeypatch):
    seen = []

    def watched(inputs, *rest):
        seen.append(len(inputs))
        return augmented(inputs, *rest)

    monkeypatch.setattr("sysmt.sim.train.loop.augmented", watched)
    Training(replace(SMALL, epochs=1, array_epochs=2, array_inputs=64), *digits, silent).run()
    assert [count for count in seen if count != 192] == [32] * 6 + [32] * 4


def test_a_teacher_stays_what_it_was():
    network, inputs = trained("digits")
    teacher = Teacher(network)
    told = network.real(inputs).detach()
    with torch.no_grad():
        for values in network.parameters.values():
            values += 1.0
    scores = network.real(inputs)
    assert teacher.loss(told, inputs).item() == pytest.approx(0, abs=1e-4)
    loss = teacher.loss(scores, inputs)
    assert loss.item() > 0.1
    share = torch.softmax(told / 4, dim=1)
    expected = (share * (share.log() - torch.log_softmax(scores / 4, dim=1))).sum(1).mean() * 16
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    loss.backward()
    assert all(values.grad is None for values in teacher.network.parameters.values())
    assert network.parameters["conv2.weight"].grad.abs().sum() > 0


def test_running_statistics_are_those_of_the_array_before_the_epoch(digits):
    training = Training(replace(SMALL, epochs=1, array_epochs=1, statistics="running"), *digits, silent)
    training._epoch("real", 0, 1, 0.05, None)
    training._between()
    recalibrate(training.network, training.batches(), training.recipe.mode)
    before = {name: values.clone() for name, values in training.network.statistics.items()}
    for values in training.network.statistics.values():
        values += 0.1
    weights = training.network.parameters["conv2.weight"].detach().clone()
    training._epoch("array", 0, 1, 0.01, training.recipe.mode)
    assert not torch.equal(training.network.parameters["conv2.weight"], weights)
    for name, values in training.network.statistics.items():
        torch.testing.assert_close(values, before[name], rtol=0, atol=0)


def test_robustness_takes_coarser_weights(digits):
    training = Training(replace(SMALL, array_epochs=0), *digits, silent)
    training.run()
    rows = robustness(training)
    assert [row["bits"] for row in rows] == list(BITS)
    assert rows[0]["recalibrated"] > rows[-1]["recalibrated"]
    seen = set()
    for block in training.network.architecture.weighted:
        seen |= set(integers(training.network, block, bits=3).weights.unique().tolist())
    assert seen == {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}


def test_without_a_second_phase_it_is_the_network_on_one_thread(digits):
    trained = train_on(replace(SMALL, array_epochs=0, prune="0"), digits, device="cpu")
    model, test = Model(build(trained.graph)), digits[1]
    assert model.layers[0].name == "conv1"
    answers = model.run([signed(test.inputs)])[0].argmax(axis=1)
    assert np.mean(answers == test.labels.numpy()) == trained.report["accuracy"]["int8"]
    again = train_on(replace(SMALL, array_epochs=0, prune="0", policy="A"), digits, device="cpu")
    assert again.files()["model.tflite"] == trained.files()["model.tflite"]


# The command.


def test_command(digits, tmp_path, capsys):
    words = [
        "train",
        "--recipe",
        "digits",
        "-o",
        str(tmp_path),
        "--epochs",
        "1",
        "--array-epochs",
        "1",
        "--limit",
        "64",
    ]
    assert main([*words, "--policy", "S+A", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert "500 test inputs; array: 4 threads, S+A" in out
    assert "sysmt: epoch 2 of 2 (array): loss " in err
    assert {path.name for path in tmp_path.iterdir()} == {
        *("model.tflite", "model.onnx", "report.json", checkpoint.LATEST, checkpoint.FIRST_PHASE)
    }
    assert main([*words, "--policy", "S+A", "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--limit", "1"), "limit must be at least 2, not 1"),
        (("--prune", "7"), "prune must be a share from 0 to below 1, or N:M such as 2:4, not '7'"),
        (("--data", "a.npz"), "data must be given for both, training and test, or for neither; add --data and --test"),
        (("--kure", "-1"), "kure must be from 0 to below 1000, not -1.0"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, words, message):
    assert main(["train", "--recipe", "digits", "-o", str(tmp_path / "out"), *words]) == 2
    assert capsys.readouterr().err == f"sysmt train: error: {message}\n"
    assert not (tmp_path / "out").exists()


def test_devices(digits):
    with pytest.raises(UserError, match=r"^device must be one of auto, cpu, cuda, not 'tpu'$"):
        train_on(SMALL, digits, device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"^device must be 'cpu' where PyTorch finds no GPU, not 'cuda'; .*$"):
            train(SMALL, device="cuda")


def test_examples_are_told_apart_by_their_contents():
    inputs, labels = torch.zeros(2, 8, 8, 1, dtype=torch.uint8), torch.tensor([1, 2])
    digests = {Examples(inputs, labels).digest(), Examples(inputs + 1, labels).digest()}
    digests |= {Examples(inputs, labels.flip(0)).digest(), Examples(inputs[:1], labels[:1]).digest()}
    assert len(digests) == 4
