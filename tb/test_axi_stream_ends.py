# SPDX-License-Identifier: Apache-2.0
"""What the array with AXI4-Stream ports says of tlast: nothing where it is right, else it tells, of either stream.

Tiles of a single step and of more, one behind the other or late; whatever tlast says, sums are right.
"""

import numpy as np
import pytest

from sysmt.hdl.array.axi_stream import AXIStreamArray
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset

from .axi_streams import simulated
from .test_axi_stream import EVENTS, Product

ARRAY = preset("os2", ArrayConfig, rows=1, cols=1, counters=False)
TILES = tuple((1, steps, 1) for steps in (2, 1, 5, 1, 1, 3, 3, 1, 4))
OPERANDS = ("s_axis_x", "s_axis_w")


def told(job, share=0.0):
    """The events at the end; sums are those of the tiles, whatever they say."""
    found = simulated(AXIStreamArray(ARRAY), job.plan, share)
    frames = found["frames"]["m_axis_sums"]
    sums = [job.plan.beats("m_axis_sums", frame)[0] for frame in frames]
    np.testing.assert_array_equal(np.array(sums), np.concatenate(job.expected))
    assert found["ports"]["refused"] == 0
    return [found["ports"][name] for name in EVENTS]


@pytest.mark.parametrize(
    "share",
    [0.0, 0.6, {"s_axis_tile": 0.8}, {"s_axis_tile": 0.9, "s_axis_w": 0.5}, {"m_axis_sums": 0.8}],
    ids=str,
)
def test_tlast_with_every_last_step_is_right(share):
    assert told(Product(ARRAY, 1, TILES), share) == [0, 0]


@pytest.mark.parametrize("stream", OPERANDS)
@pytest.mark.parametrize("tile", [0, 2])
def test_a_last_step_without_tlast_is_missed(stream, tile):
    job = Product(ARRAY, 1, TILES)
    frames = job.plan.frames[stream]
    frames[tile : tile + 2] = [frames[tile] + frames[tile + 1]]
    assert told(job) == [1, 0]


@pytest.mark.parametrize("stream", OPERANDS)
@pytest.mark.parametrize(("tile", "step"), [(0, 1), (2, 4)])
def test_tlast_with_another_step_is_unexpected(stream, tile, step):
    job = Product(ARRAY, 1, TILES)
    frames = job.plan.frames[stream]
    frames[tile : tile + 1] = [frames[tile][:step], frames[tile][step:]]
    assert told(job) == [0, 1]
