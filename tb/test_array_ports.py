# SPDX-License-Identifier: Apache-2.0
"""The streams of the array have as many bits as what they say needs, and no more: other hardware is wired to them."""

import pytest

from sysmt.hdl.array.ports import ResultRow, TileDescriptor, w_step, x_step
from sysmt.hdl.params.array import ArrayConfig

ARRAYS = [
    {"rows": rows, "cols": cols, "acc_width": acc_width, "threads": threads, "fuse": fuse}
    for rows, cols, acc_width, threads in [
        (1, 4, 17, 2),
        (3, 2, 18, 1),
        (4, 7, 20, 4),
        (8, 8, 23, 1),
        (15, 16, 32, 2),
        (1, 255, 24, 1),
    ]
    for fuse in (False, True)
]


def widths(layout):
    return {name: field.width for name, field in layout}


@pytest.mark.parametrize("fields", ARRAYS, ids=str)
def test_a_tile_has_bits_for_its_largest_fields_and_no_more(fields):
    config = ArrayConfig().with_fields(**fields)
    largest = {"steps": config.max_steps, "rows": config.rows, "cols": config.cols}
    wanted = {name: value.bit_length() for name, value in largest.items()} | {"threads": 2}
    if config.fuse:
        wanted |= {"fuse": 1, "taps": config.pe.k_max.bit_length()}
    assert widths(TileDescriptor(config)) == wanted


@pytest.mark.parametrize("fields", ARRAYS, ids=str)
def test_steps_and_rows_are_operands_and_sums_and_a_bit_more(fields):
    config = ArrayConfig().with_fields(**fields)
    lanes = max(config.rows, config.cols) if config.fuse else config.cols
    assert x_step(config).size == 8 * config.pe.threads * config.rows
    assert w_step(config).size == 8 * config.pe.threads * lanes + config.fuse
    assert widths(ResultRow(config)) == {"sums": config.pe.acc_width * config.cols, "last": 1}


def test_a_zero_point_has_eight_bits():
    config = ArrayConfig().with_fields(kind="sparq", signed_window=True)
    assert widths(TileDescriptor(config))["zero"] == 8
