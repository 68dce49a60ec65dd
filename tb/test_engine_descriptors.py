# SPDX-License-Identifier: Apache-2.0
"""Descriptors at the limits of what the sequencer runs, with patches too, and layers that wait for chunks."""

import pytest

from sysmt.hdl.params.program import HALF, EngineError
from sysmt.hdl.params.settings import with_settings

from .test_engine_sequencer import LAYER, Program, refused, small

PATCHED = {"patch_h": 0, "patch_w": 1, "patch_rows": 1}
LONG = 60
"""More cycles than a descriptor takes to be fetched."""


@pytest.mark.parametrize(
    "changes",
    [
        {"patch_h": 1, "patch_w": 1},
        {"patch_h": 2, "patch_w": 0},
        {"operation": 1, "n_tiles": 1, "last_n_tiles": 1},
        {"add": 1, "main_multiplier": HALF, "residual_multiplier": HALF},
        {"patch_rows": 0},
    ],
)
def test_patches_of_other_sizes_or_layers_are_refused(changes):
    refused(PATCHED | changes, small(patch=2))


@pytest.mark.parametrize(
    ("changes", "config"),
    [
        ({"steps": 32}, small()),
        ({"steps": 64, "threads": 0}, small()),
        ({"last_rows": 4, "last_cols": 4}, small()),
        ({"operation": 2, "n_tiles": 1, "last_n_tiles": 1}, small()),
        ({"add": 1, "main_multiplier": HALF, "residual_multiplier": HALF}, small()),
        (PATCHED, small(patch=2)),
        (PATCHED | {"patch_h": 1, "patch_w": 0}, small(patch=2)),
    ],
)
def test_sequencer_runs_what_is_just_within_its_limits(changes, config):
    program = Program([LAYER | changes | {"last": 1}], config).run()
    assert (program.result["error"], len(program.seen)) == (EngineError.NONE, 1)


def test_layers_wait_for_their_chunk_and_free_it_when_they_have_ended():
    """Those that say so; the others wait for nothing, and neither does one that failed free its chunk."""
    flags = [(1, 0), (0, 1), (0, 0), (1, 1)]
    layers = [LAYER | {"waits_chunk": waits, "frees_chunk": frees} for waits, frees in flags]
    layers[-1]["last"] = 1
    for at, last in ((len(layers), 1), (len(layers) - 1, 0)):
        program = Program(layers, with_settings(small(), ["stream.cas=2"]), at=at, overflow=1)
        unit, freed, started = program.unit, [], []

        async def chunks(ctx, unit=unit, freed=freed, started=started):
            """A chunk comes long after it is waited for, and is there for one cycle."""
            since = 0
            while True:
                since = 0 if ctx.get(unit.layer_end) else since + 1
                ctx.set(unit.chunk_ready, since == LONG)
                if ctx.get(unit.start):
                    started.append(since == LONG)
                if ctx.get(unit.chunk_freed):
                    freed.append((ctx.get(unit.number), ctx.get(unit.layer_end)))
                await ctx.tick()

        program.run(7, chunks)
        assert started == [bool(waits) for waits, _ in flags]
        assert freed == [(1, 1), (3, 1)][: 1 + last]
        assert program.seen == layers


def test_every_bit_of_a_descriptor_arrives():
    """Of fields that may be anything, and of those of an addition that is not made."""
    scales = [f"{name}_multiplier" for name in ("main", "residual", "add")]
    addresses = ["in_half", "tap_x", "tap_y", "pixel_x", "pixel_y", "w_base", "out_base", "out_row", "residual_base"]
    halves = ["pad_top", "pad_left", "x_stride", "scatter_base", "scatter_words", "parameter_base", "residual_words"]
    layer = LAYER | dict.fromkeys(scales, (1 << 32) - 1) | dict.fromkeys(addresses, (1 << 24) - 1)
    layer |= dict.fromkeys(halves, (1 << 16) - 1) | {"in_origin": -1, "low": -1, "high": -1, "add_high": -1, "last": 1}
    assert Program([layer], small()).run().seen == [layer]
