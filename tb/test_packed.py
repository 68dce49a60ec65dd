# SPDX-License-Identifier: Apache-2.0
"""Groups of activations on narrow lanes: a model of what is left of them."""

import numpy as np
import pytest

from bench.packed import PAIRS, packed
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.sim.golden.sparq import operands


@pytest.mark.parametrize("bits", PAIRS)
def test_groups_of_two_are_pairs_of_sparq(bits):
    both = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    np.testing.assert_array_equal(packed(both, bits, 2), operands(both, SparqConfig(window=PAIRS[bits])))
    odd = both[::97].reshape(-1)[:999].reshape(9, -1)
    np.testing.assert_array_equal(packed(odd, bits, 2), operands(odd, SparqConfig(window=PAIRS[bits])))


@pytest.mark.parametrize(
    ("group", "left"),
    [
        ([0, 0, 171, 0], [0, 0, 171, 0]),  # all four lanes: exact
        ([171, 0, 171, 0], [176, 0, 176, 0]),  # two lanes each: 4 bits
        ([171, 1, 171, 0], [192, 1, 192, 0]),  # one lane each, and one is left: 2 bits
        ([171, 1, 3, 5], [192, 1, 3, 4]),
    ],
)
def test_lanes_are_shared_by_what_is_not_zero(group, left):
    np.testing.assert_array_equal(packed(np.array([group], np.uint8), 2, 4), [left])
