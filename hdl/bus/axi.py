# SPDX-License-Identifier: Apache-2.0
"""AXI4 and AXI4-Lite (AMBA AXI and ACE Protocol Specification, ARM IHI 0022)."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .signature import BusSignature, positive, width

AXI_INCR = 1
"""AxBURST of incrementing addresses."""

AXI_ERROR = 1
"""Bit of a response that tells SLVERR and DECERR from OKAY (table of RRESP and BRESP)."""


def axi_size(data_width: int) -> int:
    """AxSIZE of beats as wide as the bus: the power of two of their bytes."""
    return (data_width // 8).bit_length() - 1


class AXI4(BusSignature):
    """AXI4 from the manager's side, named so that its ports are `PREFIX__awaddr`, ...

    Without the optional signals LOCK, CACHE, PROT, QOS, REGION and USER.

    Parameters
    ----------
    addr_width : int
        Bits of a byte address, 1 to 64.
    data_width : int
        Bits of a beat: 8, 16, ... 1024.
    id_width : int
        Bits of a transaction's ID, 1 to 32.
    """

    def __init__(self, addr_width: int, data_width: int = 32, id_width: int = 1):
        positive("addr_width", addr_width, 64)
        width("data_width", data_width, tuple(8 << i for i in range(8)))
        positive("id_width", id_width, 32)
        members: dict[str, wiring.Member] = {}
        for channel in ("aw", "ar"):
            members |= {
                f"{channel}id": Out(id_width),
                f"{channel}addr": Out(addr_width),
                f"{channel}len": Out(8),
                f"{channel}size": Out(3),
                f"{channel}burst": Out(2),
                f"{channel}valid": Out(1),
                f"{channel}ready": In(1),
            }
        members |= {
            "wdata": Out(data_width),
            "wstrb": Out(data_width // 8),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bid": In(id_width),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "rid": In(id_width),
            "rdata": In(data_width),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        }
        super().__init__(members, addr_width=addr_width, data_width=data_width, id_width=id_width)


class AXI4Lite(BusSignature):
    """AXI4-Lite from the manager's side: single beats, no IDs.

    Parameters
    ----------
    addr_width : int
        Bits of a byte address, 1 to 64.
    data_width : int
        Bits of a beat: 32 or 64.
    """

    def __init__(self, addr_width: int, data_width: int = 32):
        positive("addr_width", addr_width, 64)
        width("data_width", data_width, (32, 64))
        members: dict[str, wiring.Member] = {}
        for channel in ("aw", "ar"):
            members |= {
                f"{channel}addr": Out(addr_width),
                f"{channel}prot": Out(3),
                f"{channel}valid": Out(1),
                f"{channel}ready": In(1),
            }
        members |= {
            "wdata": Out(data_width),
            "wstrb": Out(data_width // 8),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "rdata": In(data_width),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        }
        super().__init__(members, addr_width=addr_width, data_width=data_width)
