# SPDX-License-Identifier: Apache-2.0
"""Small generated models, one topic each: the reference interpreter's bits, or one line that says why not."""

import re
from functools import cache

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.sim.nn.model import read_model

from .shared import shared

FOLDER = ("data", "cases", "tflite")
CASES = sorted(path.stem for path in data_folder().joinpath(*FOLDER).glob("*.tflite"))
REFUSED = {
    "fc_hybrid_weights": r"operator 0 \(FULLY_CONNECTED\): tensor 't0' must be int8, not float32; quantise the model",
    "sum_": r"operator 0 \(SUM\) must be of uint8 or int32, not int8, which the reference kernel reads as uint8; .*",
}
"""Cases that the reference runs and this project does not: floating point, and a kernel whose results are no sums."""


@cache
def expected() -> dict[str, dict[str, np.ndarray]]:
    """By case: `in0`, `in1`, ... and `out0`, `out1`, ..., or `refused`."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(shared(*FOLDER, "expected.npz")) as arrays:
        for key in arrays.files:
            case, name = key.rsplit("/", 1)
            found.setdefault(case, {})[name] = arrays[key]
    return found


def numbered(arrays: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    return [arrays[f"{name}{i}"] for i in range(len(arrays)) if f"{name}{i}" in arrays]


def test_all_cases_are_here():
    shared(*FOLDER)
    assert sorted(expected()) == CASES
    assert len(CASES) == 90


@pytest.mark.parametrize("case", CASES)
def test_case(case):
    arrays, path = expected()[case], shared(*FOLDER, f"{case}.tflite")
    if "refused" in arrays or case in REFUSED:
        with pytest.raises(UserError) as error:
            read_model(path)
        assert re.fullmatch(rf"{case}\.tflite: {REFUSED.get(case, '.+')}", str(error.value))
        return
    model, wanted = read_model(path), numbered(arrays, "out")
    for same in (model, model.optimised()):
        found = same.run(numbered(arrays, "in"))
        assert [(a.dtype, a.shape) for a in found] == [(b.dtype, b.shape) for b in wanted]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", ["newcode_conv", "batch_of_4", "rank1_input", "fc_keep_num_dims", "sigmoid_gate"])
def test_many_inputs_at_once_give_what_each_gives(case):
    model = read_model(shared(*FOLDER, f"{case}.tflite"))
    (tensor,) = model.inputs
    rng = np.random.default_rng(3)
    inputs = rng.integers(-128, 128, (5, *tensor.shape)).astype(np.int8)
    one_by_one = [model.run([values])[0] for values in inputs]
    together = model.run([inputs if tensor.shape[0] != 1 else inputs[:, 0]])[0]
    assert len(together) == 5
    np.testing.assert_array_equal(together.reshape(5, *one_by_one[0].shape), np.stack(one_by_one))
