# SPDX-License-Identifier: Apache-2.0
"""Wishbone (WISHBONE SoC Interconnection Architecture, revision B4)."""

from collections.abc import Iterable

from amaranth.lib.wiring import In, Out

from sysmt.base.errors import ConfigError

from .signature import BusSignature, positive, width

FEATURES = {"err": In(1), "rty": In(1), "stall": In(1), "lock": Out(1), "cti": Out(3), "bte": Out(2)}
"""Optional signals, seen from the master; `stall` makes it the pipelined bus."""


class Wishbone(BusSignature):
    """Wishbone from the master's side, named so that its ports are `PREFIX__adr`, ...

    Parameters
    ----------
    addr_width : int
        Bits of `adr`, an address of whole words of the bus, 1 to 64.
    data_width : int
        Bits of a word: 8, 16, 32 or 64.
    granularity : int
        Bits that one line of `sel` selects, at most `data_width`; 8 by default.
    features : names
        Optional signals, of `FEATURES`.
    """

    def __init__(self, addr_width: int, data_width: int = 32, granularity: int = 8, features: Iterable[str] = ()):
        features = tuple(sorted(features))
        positive("addr_width", addr_width, 64)
        width("data_width", data_width, (8, 16, 32, 64))
        width("granularity", granularity, tuple(w for w in (8, 16, 32, 64) if w <= data_width))
        for name in features:
            if name not in FEATURES:
                raise ConfigError(f"features must be of {', '.join(FEATURES)}, not {name!r}")
        members = {
            "adr": Out(addr_width),
            "dat_w": Out(data_width),
            "dat_r": In(data_width),
            "sel": Out(data_width // granularity),
            "cyc": Out(1),
            "stb": Out(1),
            "we": Out(1),
            "ack": In(1),
        }
        members |= {name: FEATURES[name] for name in features}
        super().__init__(
            members, addr_width=addr_width, data_width=data_width, granularity=granularity, features=features
        )
