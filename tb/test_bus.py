# SPDX-License-Identifier: Apache-2.0
"""Signatures of buses: equal when their parameters are, printed as they are made, and connected to one another."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring

from sysmt.base.errors import ConfigError
from sysmt.hdl.bus import AXI4, AXI4Lite, Wishbone

SIGNATURES = {
    "AXI4(addr_width=32, data_width=32, id_width=1)": lambda: AXI4(32),
    "AXI4(addr_width=40, data_width=64, id_width=4)": lambda: AXI4(40, 64, 4),
    "AXI4Lite(addr_width=32, data_width=32)": lambda: AXI4Lite(32),
    "AXI4Lite(addr_width=32, data_width=64)": lambda: AXI4Lite(32, 64),
    "Wishbone(addr_width=30, data_width=32, granularity=8, features=())": lambda: Wishbone(30),
    "Wishbone(addr_width=30, data_width=32, granularity=8, features=('err', 'stall'))": lambda: Wishbone(
        30, features={"stall", "err"}
    ),
}


@pytest.mark.parametrize(("text", "make"), SIGNATURES.items())
def test_a_signature_equals_itself_made_again_and_no_other(text, make):
    signature = make()
    assert repr(signature) == text
    assert eval(text, {"AXI4": AXI4, "AXI4Lite": AXI4Lite, "Wishbone": Wishbone}) == signature
    assert [other for other, made in SIGNATURES.items() if made() == signature] == [text]
    assert signature.flip() == make().flip()
    assert signature != signature.flip()
    assert signature != "bus"


@pytest.mark.parametrize("make", SIGNATURES.values())
def test_a_manager_connects_to_a_subordinate(make):
    m, manager, subordinate = Module(), make().create(), make().flip().create()
    wiring.connect(m, manager, subordinate)
    assert rtlil.convert(m, ports=[]).count("connect ") >= len(make().members)
    with pytest.raises(wiring.ConnectionError):
        wiring.connect(m, manager, manager)


def test_ports_have_the_names_and_widths_of_the_specifications():
    widths = {name: member.shape for name, member in AXI4(40, 64, 4).members.items()}
    assert (widths["awaddr"], widths["wdata"], widths["wstrb"], widths["rid"], widths["arlen"]) == (40, 64, 8, 4, 8)
    assert "wlast" not in AXI4Lite(32).members
    assert "awlen" not in AXI4Lite(32).members
    assert AXI4Lite(32).members["awready"].flow == wiring.In
    wishbone = Wishbone(30, 64, 16, ["cti"])
    assert wishbone.members["sel"].shape == 4
    assert wishbone.members["cti"].flow == wiring.Out
    assert "stall" not in wishbone.members


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AXI4(0), "addr_width must be an integer from 1 to 64, not 0"),
        (lambda: AXI4(32, 24), "data_width must be one of 8, 16, 32, 64, 128, 256, 512, 1024, not 24"),
        (lambda: AXI4(32, 32, 33), "id_width must be an integer from 1 to 32, not 33"),
        (lambda: AXI4Lite(32, 128), "data_width must be one of 32, 64, not 128"),
        (lambda: Wishbone(30, 16, 32), "granularity must be one of 8, 16, not 32"),
        (lambda: Wishbone(30, features=["tga"]), "features must be of err, rty, stall, lock, cti, bte, not 'tga'"),
    ],
)
def test_what_a_bus_does_not_have_is_refused(make, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make()
