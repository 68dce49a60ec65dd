# SPDX-License-Identifier: Apache-2.0
"""Memories in standard cells: a compiler of SRAM makes them, which no liberty file has; they are counted in bits."""

from dataclasses import dataclass
from typing import Any

MEMORY = "sysmt_memory"
"""The black box that a memory becomes."""

SMALLEST_SRAM = 1024
"""Bits from which a memory that is read at a clock edge is taken for an SRAM; smaller ones become flip-flops."""

_PORTS = """(RD_CLK, RD_EN, RD_ARST, RD_SRST, RD_ADDR, RD_DATA, WR_CLK, WR_EN, WR_ADDR, WR_DATA);
  parameter SIZE = 1, WIDTH = 1, ABITS = 1, RD_PORTS = 1, WR_PORTS = 1;
  input [RD_PORTS-1:0] RD_CLK, RD_EN, RD_ARST, RD_SRST;
  input [RD_PORTS*ABITS-1:0] RD_ADDR;
  output [RD_PORTS*WIDTH-1:0] RD_DATA;
  input [WR_PORTS-1:0] WR_CLK;
  input [WR_PORTS*WIDTH-1:0] WR_EN, WR_DATA;
  input [WR_PORTS*ABITS-1:0] WR_ADDR;
"""

BLACK_BOX = f"module {MEMORY} {_PORTS}endmodule\n"

_PARAMETERS = ("SIZE", "WIDTH", "ABITS", "RD_PORTS", "WR_PORTS")
_SIGNALS = ["RD_CLK", "RD_EN", "RD_ARST", "RD_SRST", "RD_ADDR", "RD_DATA", "WR_CLK", "WR_EN", "WR_ADDR", "WR_DATA"]

TECHMAP = f"""(* techmap_celltype = "$mem_v2" *)
module _sysmt_memory {_PORTS}
  parameter MEMID = "", OFFSET = 0, INIT = 0;
  parameter RD_CLK_ENABLE = 1, RD_CLK_POLARITY = 1, RD_TRANSPARENCY_MASK = 0, RD_COLLISION_X_MASK = 0;
  parameter RD_WIDE_CONTINUATION = 0, RD_CE_OVER_SRST = 0, RD_ARST_VALUE = 0, RD_SRST_VALUE = 0, RD_INIT_VALUE = 0;
  parameter WR_CLK_ENABLE = 1, WR_CLK_POLARITY = 1, WR_PRIORITY_MASK = 0, WR_WIDE_CONTINUATION = 0;
  wire _TECHMAP_FAIL_ = SIZE * WIDTH < {SMALLEST_SRAM} || RD_CLK_ENABLE[RD_PORTS-1:0] != {{RD_PORTS{{1'b1}}}};
  {MEMORY} #({", ".join(f".{name}({name})" for name in _PARAMETERS)})
    _TECHMAP_REPLACE_ ({", ".join(f".{name}({name})" for name in _SIGNALS)});
endmodule
"""
"""Yosys' memories to black boxes, where they are large and read at a clock edge."""


@dataclass(frozen=True)
class Sram:
    """A memory of a mapped module that stayed one.

    Members
    -------
    name : str
        Of its instance.
    width, depth : int
        Bits of a word, and words.
    ports : (int, int)
        Ports that read, and that write.
    pins : dict of name to bits
        Those of `MEMORY`, numbers of nets or the constants "0", "1", "x".
    """

    name: str
    width: int
    depth: int
    ports: tuple[int, int]
    pins: dict[str, list[int | str]]

    @property
    def bits(self) -> int:
        """What it stores."""
        return self.width * self.depth


def sram(name: str, cell: dict[str, Any]) -> Sram:
    """A cell of the kind `MEMORY` that Yosys' `write_json` wrote."""
    depth, width, _, *ports = (int(str(cell["parameters"][name]), 2) for name in _PARAMETERS)
    return Sram(name, width, depth, (ports[0], ports[1]), cell["connections"])
