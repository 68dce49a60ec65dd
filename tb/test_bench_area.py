# SPDX-License-Identifier: Apache-2.0
"""The area flow on a tiny array, where the cell library is at hand."""

import pytest

from bench import area
from hdl.config import ArrayConfig
from hdl.errors import UserError
from hdl.generate import array_design
from tb.shared import shared


def test_area_counts_every_instance_of_a_shared_module():
    pytest.importorskip("pyosys", reason="pyosys is not installed: pip install 'sysmt[silicon]'")
    library, adders = area.cells(shared("data", "liberty").parents[1])
    config = ArrayConfig(rows=2, cols=3, counters=False)
    found = area.synthesise(array_design(config, "tiny"), library, adders)
    assert 3000 < found["tiny_pe"] < 6000
    outside = found["tiny"] - 6 * found["tiny_pe"] - found["tiny_sequencer"]
    assert 0 < outside < found["tiny_pe"] * 2, "skew and alignment of a tiny array"


def test_a_missing_library_is_named(tmp_path):
    with pytest.raises(UserError, match=r"^cell library sky130hd_tt\.lib\.gz is not in .*: set SYSMT_DATA"):
        area.cells(tmp_path)
