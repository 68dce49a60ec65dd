# SPDX-License-Identifier: Apache-2.0
"""Signatures of buses: equal when their parameters are, printed as they are made, and connected to one another."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring

from sysmt.base.errors import ConfigError
from sysmt.hdl.bus import AXI4, AXI4Lite, Wishbone
from sysmt.hdl.bus.wishbone import FEATURES

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


OUT, IN = wiring.Out, wiring.In
ADDRESS = {"id": (OUT, 4), "addr": (OUT, 40), "len": (OUT, 8), "size": (OUT, 3), "burst": (OUT, 2)}
LITE_ADDRESS = {"addr": (OUT, 40), "prot": (OUT, 3)}
HANDSHAKE = {"valid": (OUT, 1), "ready": (IN, 1)}
ANSWERED = {"valid": (IN, 1), "ready": (OUT, 1)}
SIGNALS = [
    (
        AXI4(40, 64, 4),
        {
            "aw": ADDRESS | HANDSHAKE,
            "w": {"data": (OUT, 64), "strb": (OUT, 8), "last": (OUT, 1)} | HANDSHAKE,
            "b": {"id": (IN, 4), "resp": (IN, 2)} | ANSWERED,
            "ar": ADDRESS | HANDSHAKE,
            "r": {"id": (IN, 4), "data": (IN, 64), "resp": (IN, 2), "last": (IN, 1)} | ANSWERED,
        },
    ),
    (
        AXI4Lite(40, 64),
        {
            "aw": LITE_ADDRESS | HANDSHAKE,
            "w": {"data": (OUT, 64), "strb": (OUT, 8)} | HANDSHAKE,
            "b": {"resp": (IN, 2)} | ANSWERED,
            "ar": LITE_ADDRESS | HANDSHAKE,
            "r": {"data": (IN, 64), "resp": (IN, 2)} | ANSWERED,
        },
    ),
    (
        Wishbone(30, 64, 16, FEATURES),
        {
            "": {"adr": (OUT, 30), "dat_w": (OUT, 64), "dat_r": (IN, 64), "sel": (OUT, 4)}
            | {"cyc": (OUT, 1), "stb": (OUT, 1), "we": (OUT, 1), "ack": (IN, 1), "stall": (IN, 1)}
            | {"err": (IN, 1), "rty": (IN, 1), "lock": (OUT, 1), "cti": (OUT, 3), "bte": (OUT, 2)},
        },
    ),
]
"""By the specifications, from the manager's side."""


@pytest.mark.parametrize(("bus", "channels"), SIGNALS, ids=["AXI4", "AXI4Lite", "Wishbone"])
def test_ports_have_the_names_and_widths_of_the_specifications(bus, channels):
    expected = {f"{channel}{name}": is_it for channel, names in channels.items() for name, is_it in names.items()}
    assert {name: (member.flow, member.shape) for name, member in bus.members.items()} == expected
    assert "stall" not in Wishbone(30, 64, 16, ["cti"]).members


@pytest.mark.parametrize(
    "make",
    [
        lambda: AXI4(64, 1024, 32),
        lambda: AXI4(1, 8),
        lambda: AXI4Lite(64, 64),
        lambda: Wishbone(64, 64, 64),
        lambda: Wishbone(1, 32, 32),
    ],
)
def test_the_widest_and_the_narrowest_are_made(make):
    assert make().members


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AXI4(0), "addr_width must be an integer from 1 to 64, not 0"),
        (lambda: AXI4(65), "addr_width must be an integer from 1 to 64, not 65"),
        (lambda: AXI4Lite(65), "addr_width must be an integer from 1 to 64, not 65"),
        (lambda: Wishbone(65), "addr_width must be an integer from 1 to 64, not 65"),
        (lambda: Wishbone(30, 128), "data_width must be one of 8, 16, 32, 64, not 128"),
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
