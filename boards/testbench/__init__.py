# SPDX-License-Identifier: Apache-2.0
"""Self-checking testbenches of devices in plain Verilog (IEEE 1364-2001): one whole product, or a small network, over
the device's own link, every value compared with the golden model."""

from sysmt.base.errors import ConfigError
from sysmt.hdl.emit import Design
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.link import MASTERS

from .bus import bus_testbench
from .uart import uart_testbench


def check_device(config: AccelConfig | EngineConfig) -> None:
    """Refuse a device that no testbench is for: with an SDRAM, or a link that none speaks (`ConfigError`)."""
    if isinstance(config, EngineConfig) and config.stream is not None:
        raise ConfigError("--testbench has no model of an SDRAM: leave it, or the SDRAM (stream), out")
    if config.link != "uart" and config.link not in MASTERS:
        known = ", ".join(("uart", *MASTERS))
        raise ConfigError(
            f"--testbench speaks the links {known}, not {config.link!r}: take one of them, or leave it out"
        )


def device_testbench(config: AccelConfig | EngineConfig, design: Design, models: str) -> str:
    """The text of NAME_tb.v for the device `config` emitted as `design`, and behind it the `models` of its cells.

    Raises
    ------
    ConfigError
        As `check_device`.
    """
    check_device(config)
    text = (uart_testbench if config.link == "uart" else bus_testbench)(config, design)
    return f"{text}\n// For simulation without the library of the cell.\n{models}" if models else text
