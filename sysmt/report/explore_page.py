# SPDX-License-Identifier: Apache-2.0
"""An exploration as one self-contained page: a plot to hover over and to filter, the front, a command for each point.

The plot is drawn by BokehJS, which is written into the page: 1.3 MB, where Plotly is 4.8.
"""

import json
from typing import Any

import numpy as np

from sysmt.base.extras import require
from sysmt.sim.explore.designs import sizes
from sysmt.sim.explore.points import Point, against
from sysmt.sim.explore.result import Exploration, latency_unit

from .page import template_of

EXTRA = "explore"
"""The extra that brings Bokeh."""
AROUND = ("depth", "result rows", "fill", "lanes", "patch", "weights KiB", "activations KiB", "SDRAM")
"""Of what stands around an array (`sysmt.sim.explore.designs.sizes`)."""
PROFILE = ("rows", "cols", "PE", "threads", "reduces", "pipeline", "drain", "cluster", "dsp", *AROUND)
"""What a point is called by; what all points agree in is left out of the page."""
CHOICES = ("PE", "threads", "reduces", "pipeline", "drain", "cluster", "dsp", *AROUND)
"""Filters by value."""
LIMITS = ("rows", "cols", "memory KiB", "RAM", "area", "latency", "traffic", "energy", "loss")
"""Filters by the largest value."""
FORMS = {
    "MHz": "0.0",
    "memory KiB": "0,0.0",
    "RAM": "0",
    "latency": "0,0.0",
    "traffic": "0,0",
    "energy": "0.000",
    "loss": "0.00",
}
"""Numbers that are shown of a point under the pointer, and how."""
SIZE = (760, 520)
"""Pixels of the plot before it fits its page."""


def explore_page(found: Exploration, facts: dict[str, Any]) -> str:
    """The whole page.

    Parameters
    ----------
    found : Exploration
    facts : dict
        Its `as_dict`, with `synthesised` (`sysmt.sim.explore.synthesis`).

    Raises
    ------
    UserError
        Bokeh is not installed.
    """
    columns = columns_of(found)
    embed, resources = require("bokeh.embed", EXTRA), require("bokeh.resources", EXTRA)
    template = template_of("explore.html.j2", "bokeh", EXTRA)
    varied = [name for name in PROFILE if len(set(columns.get(name, ()))) > 1]
    shown = {
        "profile": varied,
        "choices": {name: _sorted(columns[name]) for name in CHOICES if name in varied},
        "limits": {name: units(found)[name] for name in LIMITS if name in columns and len(set(columns[name])) > 1},
        "units": {name: unit for name, unit in units(found).items() if name in columns},
        "y": against(found.request.objective),
    }
    library = resources.Resources(mode="inline", components=["bokeh"])
    item = json.dumps(embed.json_item(_plot(found, columns), "plot"))
    content: str = template.render(
        facts=facts,
        networks=", ".join(row["name"] for row in facts["networks"]),
        left=[f"{count} {reason}" for reason, count in found.left_out.items() if count],
        real=synthesis_rows(facts["synthesised"], found.request.target.unit),
        judged=found.points[0].loss is not None,
        library=library.render_js(),
        # No text of a model or a board can end the script.
        item=item.replace("</", "<\\/"),
        shown=json.dumps(shown).replace("</", "<\\/"),
    )
    return content


def synthesis_rows(real: list[dict[str, Any]], unit: str) -> list[dict[str, Any]]:
    """What was synthesised as rows of a table."""
    rows = []
    for found in real:
        row: dict[str, Any] = {"command": found["command"]}
        for name, title in (("area", unit), ("mhz", "MHz")):
            cells = found[name]
            row |= {f"{title}, predicted": _short(cells["predicted"]), f"{title}, measured": _short(cells["measured"])}
            row[f"{title}, error %"] = "-" if cells["error_percent"] is None else f"{cells['error_percent']:+.1f}"
        rows.append(row)
    return rows


def _sorted(values: list[Any]) -> list[Any]:
    """Every value once, numbers by size."""
    return sorted(
        set(values), key=lambda value: (0, value, "") if isinstance(value, int | float) else (1, 0, str(value))
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def units(found: Exploration) -> dict[str, str]:
    """The unit of every number of a point."""
    return {
        "rows": "",
        "cols": "",
        "area": found.request.target.unit,
        "latency": latency_unit(found.points),
        "memory KiB": "",
        "RAM": "blocks",
        "traffic": "bytes",
        "energy": "uJ",
        "MHz": "",
        "loss": "%",
    }


def columns_of(found: Exploration) -> dict[str, list[Any]]:
    """A list per fact, an entry per point; facts that are not known are left out."""
    rows = [_row(point) | {"command": found.command(point)} for point in found.points]
    return {name: [row[name] for row in rows] for name in rows[0] if rows[0][name] is not None}


def _row(point: Point) -> dict[str, Any]:
    config = point.config
    pe = config.pe.as_dict()
    reduces = pe.get("policy") if config.pe.threads > 1 else "nothing"
    return {
        "rows": config.rows,
        "cols": config.cols,
        "PE": config.pe.kind,
        "threads": config.pe.threads,
        "reduces": str(pe.get("window", reduces)),
        "pipeline": config.pe.pipeline,
        "drain": config.drain,
        "cluster": config.cluster,
        "dsp": str(config.pe.dsp).lower(),
        **sizes(point.built),
        "RAM": point.facts["rams"][0] if "rams" in point.facts else None,
        "traffic": point.traffic,
        "area": point.area,
        "area_low": float(point.facts["area"][1]),
        "area_high": float(point.facts["area"][2]),
        "latency": point.latency,
        "energy": point.energy,
        "MHz": point.clock_mhz,
        "loss": None if point.loss is None else 100 * point.loss,
        "series": f"{config.pe.kind}, {config.pe.threads} thread{'s' * (config.pe.threads > 1)}",
    }


def _plot(found: Exploration, columns: dict[str, list[Any]]) -> Any:
    """The figure: all points, and the front of those that are shown."""
    plotting, models = require("bokeh.plotting", EXTRA), require("bokeh.models", EXTRA)
    colours = require("bokeh.palettes", EXTRA).Colorblind8
    transform = require("bokeh.transform", EXTRA)
    y, named = against(found.request.objective), units(found)
    numbers = {name: np.array(v) if isinstance(v[0], (int, float)) else v for name, v in columns.items()}
    source = models.ColumnDataSource(numbers, name="points")
    front = models.ColumnDataSource({"area": [], y: []}, name="front")
    series = sorted(set(columns["series"]))
    figure = plotting.figure(
        width=SIZE[0],
        height=SIZE[1],
        sizing_mode="stretch_width",
        x_axis_type="log",
        y_axis_type="log",
        x_axis_label=f"area, {named['area']}",
        y_axis_label=f"{y}, {named[y]}",
        tools="pan,wheel_zoom,box_zoom,tap,reset",
        active_scroll="wheel_zoom",
    )
    figure.step("area", y, source=front, mode="after", line_color="#1d232b", line_dash="dashed")
    marks = figure.scatter(
        "area",
        y,
        source=source,
        view=models.CDSView(filter=models.BooleanFilter(name="shown")),
        size=7,
        line_color=None,
        fill_alpha=0.55,
        fill_color=transform.factor_cmap("series", [colours[i % len(colours)] for i in range(len(series))], series),
        legend_group="series",
    )
    figure.scatter("area", y, source=front, size=11, fill_color=None, line_color="#1d232b", line_width=1.5)
    lines = [("array", "@rows x @cols, @series")]
    lines += [(name, f"@{{{name}}}") for name in PROFILE[4:] if len(set(columns.get(name, ()))) > 1]
    lines += [("area", f"@area{{0,0}} {named['area']} (@area_low{{0,0}} to @area_high{{0,0}})")]
    for name, form in FORMS.items():
        lines += [(name, f"@{{{name}}}{{{form}}} {named[name]}")] if name in columns else []
    figure.add_tools(models.HoverTool(renderers=[marks], tooltips=lines))
    for axis in (figure.xaxis, figure.yaxis):
        axis.formatter = models.NumeralTickFormatter(format="0,0.[000]")
        axis.ticker = models.FixedTicker(ticks=[m * 10.0**e for e in range(-3, 10) for m in (1, 2, 5)])
    figure.legend.location = "top_right"
    figure.legend.label_text_font_size = "11px"
    figure.legend.background_fill_alpha = 0.7
    return figure
