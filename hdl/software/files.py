# SPDX-License-Identifier: Apache-2.0
"""The files of a device on a bus: header, driver, SVD, the registers and commands as text."""

import inspect
from importlib.metadata import version
from importlib.resources import files

from sysmt.hdl.params import command_list
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import ListError, ListOpcode, commands_of
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.link import MASTERS
from sysmt.hdl.params.register_table import register_table

from .header import device_header, registers_header
from .svd import svd

DRIVER = ("sysmt_driver.h", "sysmt_driver.c")
"""The driver in C99, the same for every design that reads and writes memory by itself."""


def software(config: AccelConfig | EngineConfig, name: str) -> dict[str, str]:
    """Texts by file name."""
    here = files("sysmt.hdl.software")
    return {
        f"{name}.h": device_header(config, name),
        "sysmt_registers.h": registers_header(),
        **{file: (here / file).read_text() for file in DRIVER if config.link in MASTERS},
        f"{name}.svd": svd(register_table(config), name, version("sysmt")),
        f"{name}.md": markdown(config, name),
    }


def markdown(config: AccelConfig | EngineConfig, name: str) -> str:
    """Registers and commands as one page."""
    parts = [f"# {name}", inspect.cleandoc(command_list.__doc__ or ""), "## Numbers"]
    parts += [
        "\n".join(
            f"- {kind.__name__}: " + ", ".join(f"`{member.name}` = {member.value}" for member in kind)
            for kind in (ListOpcode, ListError)
        )
    ]
    for opcode, record in commands_of(config).items():
        parts += [f"## {opcode.name}", record.markdown()]
    parts += [
        "# Registers",
        "32 bits each, at byte offsets. What is not marked as writable answers a write with an error.",
    ]
    for register in register_table(config):
        access = ", writable" if register.writable else ""
        parts += [f"## {register.offset:#05x}: `{register.name}`{access}", register.record.markdown()]
    return "\n\n".join(part.strip() for part in parts) + "\n"
