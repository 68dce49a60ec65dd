# SPDX-License-Identifier: Apache-2.0
"""The importer against damaged and hostile files: one line, bounded time and memory, or a network that runs."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmt.base.errors import UserError
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse, read

from .tflite_models import CODES, ModelBuilder


def small(kind="CONV_2D", shape=(1, 6, 6, 3), out=(1, 6, 6, 4), weights=(4, 3, 3, 3), dtype="int8"):
    """A convolution and a pooling."""
    model = ModelBuilder()
    x = model.tensor(shape, dtype, scale=0.05, zero=-17 if dtype == "int8" else 0)
    w = model.constant(np.arange(np.prod(weights)).astype(np.int8).reshape(weights), 0.01)
    y = model.tensor(out, scale=0.1, zero=5)
    model.node(kind, [x, w], y, StrideH=1, StrideW=1, DilationHFactor=1, DilationWFactor=1)
    z = model.tensor((1, 3, 3, out[-1]), scale=0.1, zero=5)
    model.node("MAX_POOL_2D", [y], z, StrideH=2, StrideW=2, FilterHeight=2, FilterWidth=2)
    return model, z


def content():
    model, z = small()
    return model.content([0], [z])


GOOD = content()


def refused_or_built(raw):
    """Either a network or one line; nothing else may come out."""
    try:
        return build(parse(raw))
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 1000
    return None


def test_good_file_is_read():
    network = build(parse(GOOD))
    assert [step.kind for step in network.steps] == ["CONV_2D", "MAX_POOL_2D"]
    (linear,) = network.linears
    assert (linear.rows, linear.weights.shape, linear.layer.macs, linear.zero) == (36, (27, 4), 36 * 27 * 4, 111)


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused(raw):
    assert refused_or_built(raw) is None
    assert refused_or_built(GOOD[:8] + raw) is None


def test_every_truncation_is_refused():
    for length in range(0, len(GOOD) - 4):
        refused_or_built(GOOD[:length])
    assert refused_or_built(GOOD[: len(GOOD) // 2]) is None


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=600, deadline=None)
def test_changed_bytes(changes):
    raw = bytearray(GOOD)
    for place, value in changes:
        raw[place] = value
    refused_or_built(bytes(raw))


@pytest.mark.parametrize("value", [0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x10000000, 0])
def test_every_word_replaced_by_an_extreme_one(value):
    tracemalloc.start()
    for place in range(0, len(GOOD) - 3, 4):
        refused_or_built(GOOD[:place] + value.to_bytes(4, "little") + GOOD[place + 4 :])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20  # a huge length or shape must not be believed


def refusal(model, output, pattern, codes=None):
    with pytest.raises(UserError, match=pattern):
        build(parse(model.content([0], [output], codes)))


def test_refusals_say_what_and_how_to_go_on(tmp_path):
    model, z = small()
    model.node("LSTM", [z], model.tensor((1, 3, 3, 4), scale=0.1, zero=5))
    refusal(model, 4, r"^operator 2 \(LSTM\) is not supported; `sysmt inspect` shows what is$")
    model.node("COS", [4], model.tensor((1, 3, 3, 4), scale=0.1, zero=5))
    refusal(
        model, 5, r"^2 obstacles: operator 2 \(LSTM\) is not supported; .*; operator 3 \(COS\) is not supported; .* is$"
    )
    model, z = small(out=(1, 5, 6, 4))
    refusal(model, z, r"^operator 0 \(CONV_2D\) must write \(6, 6, 4\) per input, not \(1, 5, 6, 4\); the file is dam")
    model, z = small(weights=(4, 3, 3, 2))
    refusal(model, z, r"^operator 0 \(CONV_2D\) must have weights for 3 input channels, not \(4, 3, 3, 2\); ungroup")
    model, z = small(dtype="uint8")
    refusal(model, z, r"^operator 0 \(CONV_2D\): tensor 't0' must be int8, not uint8; quantise the model$")
    model, z = small(shape=(1, 2**20, 2**20, 3))
    refusal(model, z, r"^tensor 't0' must have up to 6 dimensions from 1 and 67108864 values at most, not the shape")
    model, z = small()
    refusal(model, z, r"^operator 1 \(code 120000\) is not supported; ", CODES | {"MAX_POOL_2D": 120000})
    with pytest.raises(UserError, match=r"^model must have inputs and outputs, not 0 and 1$"):
        parse(model.content([], [z]))
    with pytest.raises(UserError, match=r"^model must be a readable file, not '.*absent.tflite' \(No such file"):
        read(tmp_path / "absent.tflite")
    with pytest.raises(UserError, match=re.escape("model must be a .tflite file (identifier TFL3)")):
        parse(b"PK" * 100)


def test_names_in_messages_stay_one_line():
    model, z = small()
    raw = model.content([0], [z]).replace(b"t0\0", b"\n\x1b\0")
    network = build(parse(raw))
    assert network.input.name == "??"
