# SPDX-License-Identifier: Apache-2.0
"""Gowin through nextpnr-himbaechel.

Amaranth 0.5 calls the older nextpnr-gowin, whose wheel pins another apycula; the newer tool takes the same netlist and
constraints under other options.
"""

from amaranth.vendor import GowinPlatform

TOOL = "nextpnr-himbaechel-gowin"


def himbaechel(platform: type[GowinPlatform]) -> type[GowinPlatform]:
    """The same board, placed and routed by nextpnr-himbaechel."""

    class Platform(platform):
        @property
        def required_tools(self):
            return ["yosys", TOOL, "gowin_pack"]

        @property
        def command_templates(self):
            synthesis, _, pack = super().command_templates
            place = r"""
            {{invoke_tool("nextpnr-himbaechel-gowin")}}
                {{quiet("--quiet")}}
                {{get_override("nextpnr_opts")|options}}
                --log {{name}}.tim
                --device {{platform.part}}
                --vopt family={{platform._chipdb_device}}
                --vopt cst={{name}}.cst
                --json {{name}}.syn.json
                --write {{name}}.pnr.json
            """
            return [synthesis, place, pack]

    Platform.__name__ = platform.__name__
    return Platform
