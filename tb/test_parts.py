# SPDX-License-Identifier: Apache-2.0
"""The table of FPGAs: capacities as the tools report them, cells as they count, the smallest part that fits."""

import json

import pytest

from bench.boards import RECORD
from sysmt.base.errors import UserError
from sysmt.boards.definitions import BOARDS
from sysmt.sim.flow.parts import ECP5, GOWIN, ICE40, PARTS, fitting

RECORDED = json.loads(RECORD.read_text())
COLUMNS = {"LUT": "LUT", "FF": "FF", "DSP": "DSP", "RAM": "RAM", "DSP of 9x9": "DSP"}
"""Column of the recorded bitstreams -> resource."""


@pytest.mark.parametrize("name", sorted(set(RECORDED) & set(BOARDS)))
def test_capacities_are_those_that_nextpnr_reported(name):
    capacity, row = BOARDS[name].part.capacity, RECORDED[name]
    compared = {resource: int(row[column].split()[-1]) for column, resource in COLUMNS.items() if column in row}
    assert compared == {resource: capacity[resource] for resource in compared}
    assert {"LUT", "RAM"} <= set(compared)


def test_a_gowin_multiplier_of_18x18_is_two_of_9x9():
    part = BOARDS["tang_nano_9k"].part
    assert (part.dsps, part.family.dsp) == (40, "MULT9X9")
    assert part.family.used({"MULT18X18": 20})["DSP"] == part.dsps
    assert part.family.used({"MULT36X36": 5})["DSP"] == part.dsps


def test_cells_count_as_what_they_take():
    assert ECP5.used({"LUT4": 3, "CCU2C": 2, "TRELLIS_DPR16X4": 1, "TRELLIS_FF": 5, "PDPW16KD": 1}) == {
        "LUT": 11,
        "FF": 5,
        "DSP": 0,
        "RAM": 1,
    }
    assert ECP5.memory_bits({"DP16KD": 2, "TRELLIS_DPR16X4": 3, "LUT4": 9}) == 2 * 18432 + 3 * 64
    assert ICE40.used({"SB_CARRY": 9, "SB_DFFESR": 2, "SB_RAM40_4KNR": 1}) == {"LUT": 0, "FF": 2, "DSP": 0, "RAM": 1}
    assert GOWIN.used({"DFFRE": 2, "SDPX9B": 1, "IBUF": 3}) == {"LUT": 0, "FF": 2, "DSP": 0, "RAM": 1}


def test_the_smallest_part_with_enough_of_everything_is_taken():
    need = {"LUT": 100, "FF": 100, "DSP": 29, "RAM": 0}
    assert fitting(need, ECP5).title == "LFE5U-45F-6"
    assert fitting(need | {"DSP": 0, "RAM": 109}, ECP5).name == "LFE5U-85F"
    assert fitting(need | {"DSP": 0, "LUT": 6000}, ICE40).name == "iCE40HX8K"
    said = r"^target ecp5 has no part for 99999 LUTs \(largest: LFE5U-85F, 83640 LUTs\): choose a smaller design, or "
    with pytest.raises(UserError, match=said):
        fitting(need | {"LUT": 99999}, ECP5)


def test_parts_of_a_family_are_in_order_of_size():
    for family in (ECP5, ICE40, GOWIN):
        sizes = [part.luts for part in PARTS if part.family is family]
        assert sizes == sorted(sizes)
