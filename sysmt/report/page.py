# SPDX-License-Identifier: Apache-2.0
"""The report as one self-contained page: no script, no font, no picture from anywhere else.

What stands where is in `templates/`; here are the tables and charts that stand there.
"""

from collections.abc import Sequence
from typing import Any

from sysmt.base.extras import require
from sysmt.hdl.params.blocks import BLOCKS
from sysmt.sim.flow.energy import PARTS

from .markdown import assumptions, commands
from .published import OPEN_ARRAYS
from .tables import (
    Table,
    arrays_table,
    blocks_table,
    comparison_table,
    energy_table,
    networks_table,
    number,
    open_table,
)

EXTRA = "silicon"
"""The extra that brings what only this form of the report needs."""


def template_of(name: str, needs: str = "matplotlib", extra: str = EXTRA) -> Any:
    """A template of `templates/`, for a page that also needs the package `needs`; `extra` brings both.

    Raises
    ------
    UserError
        Jinja2 or the other package is not installed.
    """
    jinja2 = require("jinja2", extra)
    require(needs, extra)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sysmt.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def page(facts: dict[str, Any]) -> str:
    """The whole page.

    Raises
    ------
    UserError
        Jinja2 or matplotlib is not installed.
    """
    template = template_of("page.html.j2")
    arrays = facts["arrays"]
    measured = [array for array in arrays if array["energy"]]
    tables = {
        "arrays": arrays_table(facts),
        "blocks": blocks_table([array for array in arrays if array["silicon"]["blocks"]]),
        "energy_blocks": energy_table(measured, "blocks"),
        "energy_parts": energy_table(measured, "parts"),
        "comparison": comparison_table(facts),
        "networks": networks_table(facts),
        "paths": _paths(arrays),
        "open": open_table(facts, OPEN_ARRAYS) if facts["references"] else None,
        "configurations": _configurations(arrays),
    }
    content: str = template.render(
        facts=facts,
        names=", ".join(array["name"] for array in arrays),
        tables=tables,
        charts=_charts(arrays),
        sources=sorted({row["source"] for row in facts["comparison"] if row["source"]}),
        open_source=OPEN_ARRAYS[0].source,
        assumptions=assumptions(facts),
        commands=commands(facts),
    )
    return content


def _charts(arrays: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The charts as SVG; those of area and energy are empty where these are not known."""
    from .charts import grouped, stacked  # Needs matplotlib, which an extra brings.

    groups = [
        (found["network"].replace("mobilenet", "mn"), [array["networks"][i]["cycles"] / 1e6 for array in arrays])
        for i, found in enumerate(arrays[0]["networks"])
    ]
    charts = dict.fromkeys(("area", "energy_blocks", "energy_parts"), "")
    charts["cycles"] = grouped("Cycles on networks", groups, [array["name"] for array in arrays], "M")
    sizes = [(array["name"], array["silicon"]) for array in arrays if array["silicon"]["blocks"]]
    energies = [(array["name"], array["energy"]) for array in arrays if array["energy"]]
    known = {block for _, found in (*sizes, *energies) for block in found["blocks"]}
    blocks = [block for block in BLOCKS if block in known]  # A block has the same colour in both charts.
    if sizes:
        unit = "um2" if sizes[0][1]["area"] else "NAND2"
        rows = [(name, own["blocks"], f"{number(sum(own['blocks'].values()))} {unit}") for name, own in sizes]
        charts["area"] = stacked("Area by block", rows, blocks)
    for what, name, keys in (("blocks", "block", blocks), ("parts", "cause", PARTS)):
        if energies:
            rows = [(array, own[what], f"{number(own['femtojoules_per_mac'])} fJ") for array, own in energies]
            charts[f"energy_{what}"] = stacked(f"Energy per MAC by {name}", rows, keys)
    return charts


def _paths(arrays: Sequence[dict[str, Any]]) -> Table:
    """The slowest paths, by the module they end in."""
    rows = [
        [array["name"], path["module"].removeprefix(f"{array['name']}_"), number(path["period_ps"])]
        for array in arrays
        for path in array["silicon"]["paths"][:3]
    ]
    return ["array", "module", "ps"], rows


def _configurations(arrays: Sequence[dict[str, Any]]) -> Table:
    """The fields of every array, and what follows from them."""
    rows = [[key, *(str(array["config"][key]) for array in arrays)] for key in arrays[0]["config"]]
    rows += [[key, *(number(array[key]) for array in arrays)] for key in ("pes", "latency", "k_max")]
    return ["field", *(array["name"] for array in arrays)], rows
