# SPDX-License-Identifier: Apache-2.0
"""The cycle model of the engine against its gates, unit by unit: the same in every cycle, whatever stalls."""

import numpy as np
import pytest

from sysmt.hdl.array.systolic import SystolicArray
from sysmt.hdl.engine.add import AddLane
from sysmt.hdl.engine.layers import LayerSequencer
from sysmt.hdl.engine.requantize import RequantizerLane
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import ADDITION_LATENCY, REQUANTIZER_LATENCY
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.engine.array_timing import ArrayTiming
from sysmt.sim.engine.cycles import FETCH

from .accel import simulate


def test_latencies_are_those_of_the_gates():
    assert RequantizerLane.LATENCY == REQUANTIZER_LATENCY
    assert AddLane.LATENCY == ADDITION_LATENCY
    assert LayerSequencer.FETCH == FETCH


@pytest.mark.parametrize("drain", ["overlap", "in_place"])
@pytest.mark.parametrize("pe", [{"target": "fpga"}, {"target": "asic"}, {"target": "fpga", "pipeline": 3}], ids=str)
@pytest.mark.parametrize(("rows", "cols", "steps"), [(2, 2, 3), (2, 2, 1), (4, 2, 2), (2, 4, 5), (1, 2, 1)])
def test_array(drain, pe, rows, cols, steps):
    """Tiles, operands and sink that come and go at random."""
    equal_in_every_cycle(
        ArrayConfig(rows=rows, cols=cols, drain=drain, counters=False, pe=PEConfig(threads=2, **pe)), steps
    )


@pytest.mark.parametrize("drain", ["overlap", "in_place"])
@pytest.mark.parametrize(("rows", "cols", "steps", "cluster"), [(5, 3, 2, 2), (2, 2, 3, 2), (4, 6, 1, 4)])
def test_array_of_clusters(drain, rows, cols, steps, cluster):
    """Rows and columns that no cluster fills, one that is the whole array, tiles shorter than the drain."""
    equal_in_every_cycle(ArrayConfig(rows=rows, cols=cols, drain=drain, counters=False, cluster=cluster), steps)


def equal_in_every_cycle(config, steps):
    """Simulate an array of two threads or one beside its model."""
    array, model = SystolicArray(config), ArrayTiming(config, steps)
    random = np.random.default_rng(config.rows + config.cols + steps)
    tile = {"steps": steps, "threads": config.pe.threads.bit_length() - 1, "rows": 1, "cols": 1}

    async def bench(ctx):
        for name, value in tile.items():
            ctx.set(array.i_tile.payload[name], value)
        for cycle in range(300):
            tiles, operands, sink = (bool(random.random() < share) for share in (0.9, 0.95, 0.9 if cycle < 150 else 1))
            ctx.set(array.i_tile.valid, tiles)
            for stream in (array.i_x, array.i_w):
                ctx.set(stream.valid, operands)
            ctx.set(array.o.ready, sink)
            step, row = model.begin(operands, sink)
            gates = ctx.get(array.i_x.ready), ctx.get(array.o.valid), ctx.get(array.i_tile.ready)
            assert gates == (step, row, model.tile_ready), f"cycle {cycle}"
            model.end(tiles, sink)
            await ctx.tick()

    simulate(array, bench)
