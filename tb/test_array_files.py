# SPDX-License-Identifier: Apache-2.0
"""Arrays in files of every kind through every command that takes them: the same numbers, or one line."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sysmt.cli.main import main
from sysmt.sim.nn.archive import read_matrix

from .int8_networks import small_content, small_images
from .test_damaged_files import trace_content
from .test_int8_inputs import archive, stored

SAME = ("as it is", "Fortran order", "big-endian")
DAMAGED = {
    b"": "be an array saved by numpy.save",
    b"PK": "hold one array (.npy), not an archive",
    b"\x93NUMPY": "be an array saved by numpy.save",
    b"\x93NUMPY\x01\x00\x76\x00{": "be an array saved by numpy.save",
    b"\x93NUMPY\x03\x00" + b"\xff" * 9: "be an array saved by numpy.save",
    stored(np.ones((4, 5)))[:-1]: "hold all of the array (4, 5) float64, not 159 bytes; the file is damaged",
    stored(np.ones((4, 5))).replace(b"(4, 5)", b"(4,-5)"): "hold all of the array (4, -5) float64, not 160 bytes; ",
    stored(np.ones(3)).replace(b"(3,), }    ", b"(9999999,)}"): "hold all of the array (9999999,) float64, not 24 ",
}


def forms(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """An array in other forms, the first of which mean the same."""
    yield from zip(
        SAME, (values, np.asfortranarray(values), values.astype(values.dtype.newbyteorder(">"))), strict=True
    )
    yield "wider", values.astype(np.int64)
    yield "wider and big-endian", values.astype(">i4")
    for number in (np.nan, np.inf):
        yield f"{number}", np.full(values.shape, number)
        yield f"{number} of float32", np.full(values.shape, number, np.float32)
    yield "half", values.astype(np.float16)
    yield "0-d", np.array(values.flat[0])
    yield "0-d NaN", np.array(np.nan)
    yield "objects", values.astype(object)
    yield "0-d object", np.array({}, object)
    yield "empty", values[:0]
    yield "nothing", np.zeros(0, values.dtype)
    yield "no rows", np.zeros((4, 0, *values.shape[2:]), values.dtype)
    yield "flat", values.reshape(-1)
    yield "transposed", values.T
    yield "text", np.full(values.shape, "x")
    yield "bytes", np.full(values.shape, b"x")
    yield "structures", np.zeros(values.shape, [("a", values.dtype)])
    yield "dates", np.zeros(values.shape, "M8[D]")
    yield "complex", values.astype(complex)
    yield "truth", values.astype(bool)


def run(*words: str) -> tuple[int, str, list[str]]:
    """Exit code, output, errors of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return code, out.getvalue(), [line for line in err.getvalue().splitlines() if not line.startswith("sysmt: ")]


def judge(names: dict[str, np.ndarray], commands: list[list[str]], write) -> None:
    """Run the commands with each array in each of its forms, written with the others by `write`."""
    for name, values in names.items():
        wanted: dict[int, str] = {}
        for form, other in forms(values):
            write(names | {name: other})
            for number, words in enumerate(commands):
                code, said, errors = run(*words)
                case = (words[0], name, form, errors)
                assert (code, len(errors)) in ((0, 0), (2, 1)), case
                if form in SAME:
                    assert code == 0, case
                    assert wanted.setdefault(number, said) == said, case
                if np.dtype(other.dtype).kind in "OVUSMc":
                    assert code == 2, case


def as_archive(arrays: dict[str, np.ndarray]) -> None:
    Path("a.npz").write_bytes(archive(**{name: stored(values) for name, values in arrays.items()}))


def as_files(arrays: dict[str, np.ndarray]) -> None:
    for name, values in arrays.items():
        Path(f"{name}.npy").write_bytes(stored(values))


@pytest.mark.parametrize("command", ["matmul", "conv1d"])
def test_matrices(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    shapes = {"matmul": ((4, 5), (5, 4)), "conv1d": ((6, 6, 3), (3, 3))}[command]
    x, w = random.integers(0, 256, shapes[0], np.uint8), random.integers(-128, 128, shapes[1]).astype(np.int8)
    judge({"X": x, "W": w}, [[command, "X.npy", "W.npy", "--json"]], as_files)


def test_traces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judge(dict(np.load(io.BytesIO(trace_content()))), [["cache", "a.npz", "--json"]], as_archive)


@pytest.mark.parametrize("raw", DAMAGED)
def test_damaged_matrices_are_one_line(tmp_path, monkeypatch, raw):
    monkeypatch.chdir(tmp_path)
    Path("X.npy").write_bytes(raw)
    np.save("W.npy", np.ones((5, 4), np.int8))
    code, _, errors = run("matmul", "X.npy", "W.npy")
    assert (code, len(errors)) == (2, 1)
    assert f"X file 'X.npy' must {DAMAGED[raw]}" in errors[0]


def test_what_is_read_is_in_c_order_and_in_this_machine_s_bytes(tmp_path):
    values = np.asfortranarray(np.arange(6).reshape(2, 3)).astype(">i4")
    np.save(tmp_path / "a.npy", values)
    found = read_matrix(str(tmp_path / "a.npy"), "a")
    assert found.dtype == np.dtype("=i4")
    assert found.flags.c_contiguous
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


INPUTS = [
    ["infer", "m.tflite", "a.npz", "--json"],
    ["run", "p.sysmt", "a.npz", "--json"],
    ["zeros", "m.tflite", "good.npz", "--calibrate", "a.npz", "--json"],
    ["compile", "m.tflite", "--recalibrate", "--calibrate", "a.npz", "-o", "q.sysmt", "--json"],
]
EXPLORE = "explore m.tflite --inputs a.npz --budget 90 --calibrate a.npz --points 1 --set rows=2 --json"


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("images", INPUTS[1:2]),
        *(pytest.param(name, INPUTS, marks=pytest.mark.regress) for name in ("images", "labels", "features", "in0")),
        pytest.param("images", [EXPLORE.split()], marks=pytest.mark.regress, id="explore"),
    ],
)
def test_inputs(tmp_path, monkeypatch, name, commands):
    monkeypatch.chdir(tmp_path)
    Path("m.tflite").write_bytes(small_content())
    images, labels = small_images(4), np.arange(4)
    np.savez("good.npz", images=images, labels=labels)
    assert run("compile", "m.tflite", "-o", "p.sysmt")[0] == 0
    features = (images ^ 128).view(np.int8)
    rest = {"labels": labels} if name in ("features", "in0") else {"images": images, "labels": labels}
    values = {"images": images, "labels": labels, "features": features, "in0": features}[name]
    judge({name: values}, commands, lambda arrays: as_archive(rest | arrays))
