# SPDX-License-Identifier: Apache-2.0
"""Training data of every form, and data that does not fit."""

import io

import numpy as np
import pytest

from sysmt.base.errors import UserError

pytest.importorskip("torch", reason="torch is not installed: pip install 'sysmt[train]'")

import torch

from sysmt.sim.train.architecture import ARCHITECTURES
from sysmt.sim.train.data import augmented, load


def test_augmentation_moves_and_mirrors():
    architecture = ARCHITECTURES["resnet8"]
    inputs = torch.zeros(512, 32, 32, 3, dtype=torch.uint8)
    inputs[:, 10, 5] = 200
    moved = augmented(inputs, architecture, torch.Generator().manual_seed(0))
    places = {tuple(place) for place in (moved[..., 0] == 200).nonzero()[:, 1:].tolist()}
    assert {row for row, _ in places} == set(range(6, 15))
    assert {column for _, column in places} == {*range(1, 10), *range(22, 31)}
    assert int((moved[..., 0] == 200).sum()) == 512


def picture(side=32):
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed: pip install 'sysmt[train]'")
    content = io.BytesIO()
    image.fromarray(np.full((side, side, 3), 90, np.uint8)).save(content, "JPEG", quality=95)
    return np.frombuffer(content.getvalue(), np.uint8)


def test_inputs_of_every_form(tmp_path):
    pictures, labels = [picture(), picture()], np.array([3, 4])
    lengths = np.array([len(one) for one in pictures])
    np.savez(tmp_path / "jpg.npz", jpg=np.concatenate(pictures), length=lengths, labels=labels)
    np.savez(tmp_path / "images.npz", images=np.full((2, 32, 32, 3), 90, np.uint8), labels=labels)
    np.savez(tmp_path / "features.npz", features=np.full((2, 32, 32, 3), 90 - 128, np.int8), labels=labels)
    np.savez(tmp_path / "training.npz", images=np.full((2, 32, 32, 3), 90, np.uint8), labels=labels)
    for name in ("jpg", "images", "features"):
        both = load(ARCHITECTURES["resnet8"], tmp_path / "training.npz", tmp_path / f"{name}.npz")
        assert both[1].inputs.dtype == torch.uint8
        assert (both[1].inputs.int() - 90).abs().max() <= 1
        assert both[1].labels.tolist() == [3, 4]


def test_one_file_is_split(tmp_path):
    features = np.arange(10, dtype=np.int8)[:, None, None, None] + np.zeros((1, 49, 10, 1), np.int8)
    np.savez(tmp_path / "all.npz", features=features, labels=np.arange(10))
    training, test = load(ARCHITECTURES["dscnn"], tmp_path / "all.npz", tmp_path / "all.npz")
    assert test.labels.tolist() == [4, 9]
    assert sorted([*training.labels.tolist(), *test.labels.tolist()]) == list(range(10))
    assert int(training.inputs[1, 0, 0, 0]) == 129
    np.savez(tmp_path / "few.npz", features=features[:4], labels=np.arange(4))
    with pytest.raises(UserError, match=r"^data must be 5 inputs at least where one file is for both, not 4: .*few"):
        load(ARCHITECTURES["dscnn"], tmp_path / "few.npz", tmp_path / "few.npz")


BAD = [
    ({"labels": np.zeros(2, int)}, r"^data must hold images, features, or jpg and length, not labels \(.*\)$"),
    ({"images": np.zeros((2, 8, 8, 3), np.uint8)}, r"^data of resnet8 must be inputs of shape \(32, 32, 3\), not .*"),
    ({"images": np.zeros((2, 32, 32, 3), np.float32)}, r"^images must be uint8, not float32; convert .*"),
    ({"images": np.zeros((2, 32, 32, 3), np.uint8)}, r"^data must hold one integer label for each of 2 inputs; .*"),
    (
        {"images": np.zeros((1, 32, 32, 3), np.uint8), "labels": np.array([10])},
        r"^labels must be within 0\.\.9, not 10",
    ),
    ({"jpg": np.zeros(9, np.uint8), "length": np.array([4]), "labels": np.array([0])}, r"^jpg must be bytes, as many "),
    ({"jpg": np.zeros(9, np.uint8), "length": np.array([9]), "labels": np.array([0])}, r"^jpg must hold pictures of "),
]


@pytest.mark.parametrize(("arrays", "message"), BAD, ids=range(len(BAD)))
def test_data_that_does_not_fit(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=message):
        load(ARCHITECTURES["resnet8"], tmp_path / "bad.npz", tmp_path / "bad.npz")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    for name, message in (
        ("text", r"^data must be a readable \.npz file, "),
        ("no", r"^data must be .* that exists, "),
    ):
        with pytest.raises(UserError, match=message):
            load(ARCHITECTURES["resnet8"], tmp_path / f"{name}.npz", tmp_path / f"{name}.npz")
    with pytest.raises(UserError, match=r"^data must be given for both, .*$"):
        load(ARCHITECTURES["resnet8"], tmp_path / "text.npz")
