# SPDX-License-Identifier: Apache-2.0
"""What no latency can be predicted from is refused in a line, not answered with NaN."""

import re

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.cost.signatures.blend import BlendedModel
from sysmt.sim.cost.signatures.choice import CHOICES
from sysmt.sim.cost.signatures.shared import SharedModel
from sysmt.sim.cost.signatures.table import Latencies, read_latencies

NETWORKS, DEVICES = 6, 8


def table(seen=None):
    milliseconds = np.exp(np.random.default_rng(2).normal(3, 0.4, (NETWORKS, DEVICES)))
    if seen is not None:
        milliseconds = np.where(seen, milliseconds, np.nan)
    return Latencies(milliseconds, tuple("abcdef"), tuple(f"d{i}" for i in range(DEVICES)))


def refused(message):
    return pytest.raises(UserError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("signature", [[], [0, 6], [-1, 2], [3, 3], [0.0, 1.0], "ab", None])
def test_places_that_are_no_networks(signature):
    model = BlendedModel.fit(table())
    message = f"signature must be places of networks, each once, whole numbers of 0 to 5, not {signature!r}"
    for one in (model, model.model):
        with refused(message):
            one.predict(signature, np.ones((2, 1)))
    with refused(message):
        model.calibrated(signature)


@pytest.mark.parametrize("measured", [np.nan, np.inf, 0.0, -1.0])
def test_latencies_that_are_none(measured):
    model, table_of_two = BlendedModel.fit(table()), np.array([[3.0], [measured]])
    for one in (model, model.model):
        with refused("milliseconds must be above 0 and finite: every network of the signature must be measured"):
            one.predict([0, 1], table_of_two)


@pytest.mark.parametrize(("measured", "shape"), [(np.ones(2), "(2,)"), (np.ones((3, 1)), "(3, 1)"), ("x", "()")])
def test_latencies_of_another_shape(measured, shape):
    with refused(f"milliseconds must be numbers [networks of the signature, devices], 2 rows, not of shape {shape}"):
        BlendedModel.fit(table()).predict([0, 1], measured)


def test_gaps_and_devices_that_were_never_measured():
    seen = np.ones((NETWORKS, DEVICES), bool)
    seen[1, 2:5] = False
    with refused("latencies must be measured for every network on every device, and 3 are missing: take SharedModel"):
        BlendedModel.fit(table(seen))
    assert np.isfinite(SharedModel.fit(table(seen)).predict()[0]).all()
    seen[:, 7] = False
    with refused("latencies of device 'd7' must have one measurement at least: leave the device out"):
        SharedModel.fit(table(seen))


def test_one_device_has_no_intervals():
    with refused("devices must be at least 2 for intervals, each predicted from others, not 1"):
        BlendedModel.fit(table().on(np.array([0]))).calibrated([0, 1])


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("size", [0, -1, 7, 1.5, True, "x"])
def test_sizes_that_no_signature_has(name, size):
    known = table()
    with refused(f"size of a signature must be a whole number of 1 to 6 networks, not {size!r}"):
        CHOICES[name](known, BlendedModel.fit(known).model, size, 0)
    assert len(CHOICES[name](known, BlendedModel.fit(known).model, 6, 0)) == 6


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf"])
def test_a_cell_that_is_no_number(cell, tmp_path):
    path = tmp_path / "latencies.csv"
    path.write_text(f"network,d0,d1\na,1,\nb,{cell},2\n")
    with refused(
        f"latencies {str(path)!r} must be numbers in row 3: a number that is not finite; "
        "leave a cell empty that was not measured"
    ):
        read_latencies(path)
