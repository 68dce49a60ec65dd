# SPDX-License-Identifier: Apache-2.0
"""Which link an accelerator or an engine has to its host: a UART, or ports of a bus."""

from sysmt.base.errors import ConfigError

from .checks import one_of

LINKS = ("uart", "axi", "wishbone", "axi-stream", "cfu")
"""`uart`: frames of bytes (`sysmt.hdl.params.protocol`). The others: command lists and memory-mapped registers
(`sysmt.hdl.params.command_list`). `axi`: registers on AXI4-Lite, an AXI4 master for lists and data.
`wishbone`: the same on Wishbone. `axi-stream`: registers on AXI4-Lite, lists with their data and results on streams.
`cfu`: registers, lists and results by custom instructions of a RISC-V."""
DATA_WIDTHS = (32, 64, 128)
"""Bits of a beat of the bus."""
MASTERS = ("axi", "wishbone")
"""Links by which the device reads and writes memory by itself, as the driver in C wants it."""
CFU_WIDTH = 32
CLOCKED = ("axi", "wishbone", "axi-stream")
"""Links whose bus may have a clock of its own."""
BUS = ("link", "data_width", "bus_clock")
"""Fields of a configuration that choose the link."""


def check_bus(link: str, data_width: int, bus_clock: bool) -> None:
    """Refuse a link that is none, or beats or a clock that it does not have."""
    one_of("link", link, LINKS)
    one_of("bus_clock", bus_clock, (False, True))
    if bus_clock and link not in CLOCKED:
        raise ConfigError(f"bus_clock must be False with link = {link!r}, which has no bus; take {', '.join(CLOCKED)}")
    one_of("data_width", data_width, DATA_WIDTHS)
    if link == "cfu" and data_width != CFU_WIDTH:
        raise ConfigError(
            f"data_width must be {CFU_WIDTH} with link = 'cfu', whose operands are so wide, not {data_width}"
        )


def check_rows(data_width: int, cols: int) -> None:
    """Refuse a bus whose beats neither divide the rows of a tile nor are divided by them."""
    size = data_width // 8
    for name, row in (("sums", 4 * cols), ("requantised values", cols)):
        if row % size and size % row:
            raise ConfigError(
                f"data_width = {data_width} has beats of {size} bytes, but a row of {name} of array.cols = {cols} "
                f"takes {row}: one must be a multiple of the other; choose another array.cols or data_width"
            )
